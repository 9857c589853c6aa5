/* Products of a row of pixels to the sums of a row of outputs. */
#include "kernels.h"
#include "wpk/arch.h"

static inline const uint32_t *at(const uint32_t *products, uint32_t offset) {
    return products + offset / 4;
}

#if !WPK_THUMB2 && !WPK_DSP

void wpk_sv_accumulate(const uint32_t *products, const uint16_t *offsets, uint32_t filters,
                       uint32_t taps, uint32_t words, uint32_t headroom, uint32_t *sums) {
    for (uint32_t f = 0; f < filters; ++f, offsets += taps) {
        for (uint32_t i = 0; i < words; ++i, sums += 2) {
            for (uint32_t t = 0; t < taps;) {
                const uint32_t end = taps - t < headroom ? taps : t + headroom;
                uint32_t pair = 0;
                for (; t < end; ++t) {
                    pair += at(products, offsets[t])[i];
                }
                sums[0] += pair;
                sums[1] += pair >> 16;
            }
        }
    }
}

#endif

void wpk_sv_accumulate_wide(const uint32_t *products, const uint16_t *offsets, uint32_t filters,
                            uint32_t taps, uint32_t words, uint32_t *sums) {
    for (uint32_t f = 0; f < filters; ++f, offsets += taps) {
        for (uint32_t i = 0; i < words; ++i, ++sums) {
            for (uint32_t t = 0; t < taps; ++t) {
                *sums += at(products, offsets[t])[i];
            }
        }
    }
}
