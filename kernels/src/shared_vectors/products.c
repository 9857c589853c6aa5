/* Products of activations with every shared vector, two to a word. */
#include "../base/bytes.h"
#include "kernels.h"
#include "wpk/arch.h"

#if !WPK_THUMB2 && !WPK_DSP

void wpk_sv_prepare(const wpk_shared_vectors *shared, uint32_t excess, uint32_t bits,
                    void *prepared) {
    (void)shared, (void)excess, (void)bits, (void)prepared;
}

/* A multiplication of two activations, 2^16 apart, with one weight: what is kept of both is in
 * 0 … 2^16 − 1, so that no carry of the sum, which is exact modulo 2^32, stays between them. */
void wpk_sv_products_mac(const wpk_shared_vectors *shared, const void *prepared, uint32_t excess,
                         uint32_t bits, const uint8_t *vectors, uint32_t words, uint32_t *products,
                         uint32_t pitch) {
    (void)prepared, (void)bits;
    for (uint32_t i = 0; i < words; ++i, vectors += 2 * WPK_SV_LANES, ++products) {
        const int8_t *const x = (const int8_t *)vectors, *w = shared->vectors;
        uint32_t pairs[WPK_SV_LANES];
        for (uint32_t j = 0; j < WPK_SV_LANES; ++j) {
            pairs[j] = (uint32_t)x[j] + ((uint32_t)x[j + WPK_SV_LANES] << 16);
        }
        uint32_t *to = products;
        for (uint32_t s = 0; s < shared->size; ++s, w += WPK_SV_LANES, to += pitch) {
            uint32_t acc = excess * 0x10001u;
            for (uint32_t j = 0; j < WPK_SV_LANES; ++j) {
                acc += pairs[j] * (uint32_t)w[j];
            }
            *to = acc;
        }
    }
}

#endif

/* Entries of a word of the look-up table that are summed side by side: `per_word` / 2 registers of
 * two halves of 16 bits, from the sign plane down. */
static inline void sum_planes(const uint8_t *lut, uint32_t row_nbytes, const uint8_t *planes,
                              uint32_t bits, uint32_t lut_bits, uint32_t *sums) {
    const uint32_t mask = ((1u << lut_bits) - 1) * 0x10001u, registers = 16 / lut_bits;
    const uint32_t sign = wpk_load_u32(lut + planes[bits - 1] * row_nbytes);
    for (uint32_t k = 0; k < registers; ++k) {
        sums[k] = ~(sign >> k * lut_bits) & mask;
    }
    for (uint32_t b = bits - 1; b-- > 0;) {
        const uint32_t word = wpk_load_u32(lut + planes[b] * row_nbytes);
        for (uint32_t k = 0; k < registers; ++k) {
            sums[k] = 2 * sums[k] + (word >> k * lut_bits & mask);
        }
    }
}

static inline void products_lut(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                                uint32_t lut_bits, const uint8_t *vectors, uint32_t words,
                                uint32_t *products, uint32_t pitch) {
    const uint32_t registers = 16 / lut_bits, row_nbytes = shared->pitch * lut_bits / 8;
    for (uint32_t i = 0; i < words; ++i, vectors += 2 * WPK_SV_LANES, ++products) {
        uint32_t *to = products;
        for (uint32_t at = 0; at < row_nbytes; at += 4, to += 2 * registers * pitch) {
            uint32_t a[4], b[4];
            sum_planes(lut + at, row_nbytes, vectors, bits, lut_bits, a);
            sum_planes(lut + at, row_nbytes, vectors + WPK_SV_LANES, bits, lut_bits, b);
            for (uint32_t k = 0; k < registers; ++k) {
                to[k * pitch] = (a[k] & 0xffffu) | b[k] << 16;
                to[(k + registers) * pitch] = a[k] >> 16 | (b[k] & 0xffff0000u);
            }
        }
    }
}

void wpk_sv_products_lut(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                         const uint8_t *vectors, uint32_t words, uint32_t *products,
                         uint32_t pitch) {
#if WPK_THUMB2 || WPK_DSP
    if (shared->lut_bits == 8 && bits <= WPK_SV_LUT_8_BITS) {
        wpk_sv_products_lut_8(shared, lut, bits, vectors, words, products, pitch);
        return;
    }
#endif
    if (shared->lut_bits == 8) {
        products_lut(shared, lut, bits, 8, vectors, words, products, pitch);
    } else {
        products_lut(shared, lut, bits, 4, vectors, words, products, pitch);
    }
}
