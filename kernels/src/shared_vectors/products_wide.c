/* Products of activations with every shared vector, for lut_bits 16, one to a word. */
#include "../base/bytes.h"
#include "kernels.h"

void wpk_sv_products_mac_wide(const wpk_shared_vectors *shared, uint32_t excess,
                              const uint8_t *vectors, uint32_t words, uint32_t *products,
                              uint32_t pitch) {
    for (uint32_t i = 0; i < words; ++i, vectors += WPK_SV_LANES) {
        const int8_t *const x = (const int8_t *)vectors, *w = shared->vectors;
        for (uint32_t s = 0; s < shared->size; ++s, w += WPK_SV_LANES) {
            int32_t acc = (int32_t)excess;
            for (uint32_t j = 0; j < WPK_SV_LANES; ++j) {
                acc += x[j] * w[j];
            }
            products[s * pitch + i] = (uint32_t)acc;
        }
    }
}

void wpk_sv_products_lut_wide(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                              const uint8_t *vectors, uint32_t words, uint32_t *products,
                              uint32_t pitch) {
    const uint32_t row_nbytes = 2 * shared->pitch;
    for (uint32_t i = 0; i < words; ++i, vectors += WPK_SV_LANES) {
        for (uint32_t s = 0; s < shared->size; ++s) {
            const uint8_t *const column = lut + 2 * s;
            uint32_t sum = UINT16_MAX - wpk_load_u16(column + vectors[bits - 1] * row_nbytes);
            for (uint32_t b = bits - 1; b-- > 0;) {
                sum = 2 * sum + wpk_load_u16(column + vectors[b] * row_nbytes);
            }
            products[s * pitch + i] = sum;
        }
    }
}
