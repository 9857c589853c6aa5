/* A filter's sum straight from the look-up table. */
#include "../base/bytes.h"
#include "kernels.h"

static inline uint32_t entry(const uint8_t *row, uint32_t s, uint32_t lut_bits) {
    switch (lut_bits) {
        case 4:
            return row[s / 2] >> 4 * (s % 2) & 15;
        case 8:
            return row[s];
        default:
            return wpk_load_u16(row + 2 * s);
    }
}

static inline uint32_t sum_stored(const wpk_shared_vectors *shared, const uint8_t *lut,
                                  uint32_t bits, uint32_t lut_bits, const uint8_t *vectors,
                                  const uint8_t *indices, uint32_t count) {
    const uint32_t row_nbytes = shared->pitch * lut_bits / 8, most = (1u << lut_bits) - 1;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; ++i, vectors += WPK_SV_LANES) {
        const uint32_t s = indices[i];
        uint32_t product = most - entry(lut + vectors[bits - 1] * row_nbytes, s, lut_bits);
        for (uint32_t b = bits - 1; b-- > 0;) {
            product = 2 * product + entry(lut + vectors[b] * row_nbytes, s, lut_bits);
        }
        sum += product;
    }
    return sum;
}

int32_t wpk_sv_direct(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                      const uint8_t *vectors, const uint8_t *indices, uint32_t count) {
    uint32_t sum;
    switch (shared->lut_bits) {
        case 4:
            sum = sum_stored(shared, lut, bits, 4, vectors, indices, count);
            break;
        case 8:
            sum = sum_stored(shared, lut, bits, 8, vectors, indices, count);
            break;
        default:
            sum = sum_stored(shared, lut, bits, 16, vectors, indices, count);
    }
    return (int32_t)(sum - count * wpk_sv_excess(shared, bits));
}
