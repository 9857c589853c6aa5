#include "depthwise_plan.h"

/* The widest image of the 3 × 3 kernels: sizes of their bands are 32 bits. */
#define MAX_WIDTH (1 << 20)

/* Images too small to pay for what the 3 × 3 kernels prepare for each channel; at stride 2 that is
 * less with Helium. */
static bool is_small(wpk_core core, const wpk_conv_shape *s) {
    return s->out_h <= 3 && s->out_w <= 3 && (!wpk_of(core)->helium || s->stride_h == 1);
}

bool wpk_depthwise_is_3x3(wpk_core core, const wpk_conv_shape *s) {
    return s->in_w <= MAX_WIDTH && s->out_w <= MAX_WIDTH && s->kernel_h == 3 && s->kernel_w == 3 &&
           s->dilation_h == 1 && s->dilation_w == 1 && s->in_c == s->out_c &&
           s->stride_h == s->stride_w && s->stride_h <= 2 && s->pad_top <= 2 && s->pad_left <= 2 &&
           !is_small(core, s);
}

uint64_t wpk_depthwise_decoded_nbytes(const wpk_weights *weights) {
    return weights->dense != NULL ? 0 : wpk_align16((uint64_t)weights->rows * weights->cols);
}

WPK_CORE_API uint32_t wpk_depthwise_scratch_nbytes_for(wpk_core core, const wpk_conv_shape *shape,
                                                       const wpk_weights *weights) {
    /* Tables lie where the 3 × 3 kernels work afterwards. */
    const uint32_t tables = wpk_tables_nbytes(weights);
    const uint64_t kernel = wpk_depthwise_is_3x3(core, shape) ? wpk_dw_nbytes(core, shape) : 0;
    const uint64_t nbytes =
        wpk_depthwise_decoded_nbytes(weights) + (tables > kernel ? tables : kernel);
    return nbytes > UINT32_MAX ? UINT32_MAX : (uint32_t)nbytes;
}

uint32_t wpk_depthwise_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    return wpk_depthwise_scratch_nbytes_for(WPK_THIS_CORE, shape, weights);
}
