#include "depthwise.h"

/* The widest image of the 3 × 3 kernels: sizes of their bands are 32 bits. */
#define MAX_WIDTH (1 << 20)

/* Images too small to pay for what the 3 × 3 kernels prepare for each channel; at stride 2 that is
 * less with Helium. */
static bool is_small(const wpk_conv_shape *s) {
    return s->out_h <= 3 && s->out_w <= 3 && (!WPK_MVE || s->stride_h == 1);
}

static bool is_3x3(const wpk_conv_shape *s) {
    return s->in_w <= MAX_WIDTH && s->out_w <= MAX_WIDTH && s->kernel_h == 3 && s->kernel_w == 3 &&
           s->dilation_h == 1 && s->dilation_w == 1 && s->in_c == s->out_c &&
           s->stride_h == s->stride_w && s->stride_h <= 2 && s->pad_top <= 2 && s->pad_left <= 2 &&
           !is_small(s);
}

/* Room for decoded weights, a multiple of 16. */
static uint64_t decoded_nbytes(const wpk_weights *weights) {
    return weights->dense != NULL ? 0
                                  : ((uint64_t)weights->rows * weights->cols + 15) & ~(uint64_t)15;
}

uint32_t wpk_depthwise_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    /* Tables lie where the 3 × 3 kernels work afterwards. */
    const uint32_t tables = wpk_tables_nbytes(weights);
    const uint32_t kernel = is_3x3(shape) ? wpk_depthwise_3x3_scratch_nbytes(shape) : 0;
    const uint64_t nbytes = decoded_nbytes(weights) + (tables > kernel ? tables : kernel);
    return nbytes > UINT32_MAX ? UINT32_MAX : (uint32_t)nbytes;
}

void wpk_depthwise_s8(const wpk_conv_shape *shape, const wpk_weights *weights,
                      const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch) {
    const int8_t *rows = weights->dense;
    uint8_t *rest = scratch;
    if (rows == NULL) {
        /* Every channel needs every tap, so the whole matrix is decoded: it has only kernel_h ·
         * kernel_w rows. */
        rest += decoded_nbytes(weights);
        wpk_cursor cursor = wpk_first_row(weights, rest);
        weights->codec->decode(&weights->blob, &cursor, 0, weights->rows, scratch, weights->cols);
        rows = scratch;
    }
    if (is_3x3(shape)) {
        wpk_depthwise_3x3(shape, rows, requant, x, y, rest);
    } else {
        wpk_depthwise_generic(shape, rows, requant, x, y);
    }
}
