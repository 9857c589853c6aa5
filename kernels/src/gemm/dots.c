/* Rows that are decoded while they are multiplied: for so few pixels that no decoded form would be
 * used again. */
#include "gemm.h"
#include "wpk/requant.h"

void wpk_gemm_dots(const wpk_block *block, const wpk_weights *weights, const wpk_cursor *start,
                   const int8_t *x, int8_t *y) {
    const wpk_requant *const requant = block->requant;
    wpk_cursor cursor = *start;
    for (uint32_t r = 0; r < block->count; ++r) {
        const uint32_t channel = block->first + r;
        const int32_t sum = weights->codec->dot(&weights->blob, &cursor, channel, x);
        y[r] = wpk_requantise(requant, channel,
                              (int32_t)((uint32_t)sum + (uint32_t)wpk_bias(requant, channel)));
    }
}
