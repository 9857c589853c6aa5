/* The matrix product in plain C, for hosts and as the reference of the other implementations. */
#include "gemm.h"
#include "wpk/requant.h"

#if !WPK_MVE && !WPK_DSP && !WPK_THUMB2

void wpk_gemm_run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                  void *scratch) {
    (void)scratch;
    for (uint32_t p = 0; p < pixels->count; ++p) {
        wpk_gemm_vector(block, pixels->data + p * pixels->stride, y + p * y_stride);
    }
}

void wpk_gemm_vector(const wpk_block *block, const int8_t *x, int8_t *y) {
    const wpk_requant *const requant = block->requant;
    const int32_t offset = requant->input_offset;
    const int8_t *row = block->rows;
    for (uint32_t r = 0; r < block->count; ++r, row += block->stride) {
        const uint32_t channel = block->first + r;
        /* Unsigned, since sums may wrap. */
        uint32_t acc = (uint32_t)wpk_bias(requant, channel);
        for (uint32_t c = 0; c < block->cols; ++c) {
            acc += (uint32_t)(row[c] * (x[c] - offset));
        }
        y[r] = wpk_requantise(requant, channel, (int32_t)acc);
    }
}

#endif
