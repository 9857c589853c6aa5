#include "pool_levels.h"

#include "bytes.h"
#include "pool_kernels.h"
#include "wpk/arch.h"

#if !WPK_MVE

void wpk_narrow(const wpk_levels *levels, int8_t *x, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) {
        x[i] = wpk_level(levels, x[i]);
    }
}

#endif

void wpk_pool_vectors(const wpk_levels *levels, const int8_t *x, uint32_t stride, uint32_t lanes,
                      uint32_t count, uint8_t *vectors, uint32_t step) {
    for (uint32_t i = 0; i < count; ++i, x += stride, vectors += step) {
        for (uint32_t j = 0; j < WPK_POOL_LANES; ++j) {
            vectors[j] = j < lanes ? (uint8_t)wpk_level(levels, x[j]) : 0;
        }
    }
}

/* Transposed as a matrix of 8 × 8 bits: blocks of one bit, of 2 × 2, of 4 × 4 across the diagonal
 * change places. */
void wpk_pool_planes(uint8_t *vectors, uint32_t count, uint32_t bits) {
    (void)bits;
    for (uint32_t i = 0; i < count; ++i, vectors += WPK_POOL_LANES) {
        uint32_t low = wpk_load_u32(vectors), high = wpk_load_u32(vectors + 4), t;
        t = (low ^ low >> 7) & 0x00aa00aau;
        low ^= t ^ t << 7;
        t = (high ^ high >> 7) & 0x00aa00aau;
        high ^= t ^ t << 7;
        t = (low ^ low >> 14) & 0x0000ccccu;
        low ^= t ^ t << 14;
        t = (high ^ high >> 14) & 0x0000ccccu;
        high ^= t ^ t << 14;
        t = (low ^ high << 4) & 0xf0f0f0f0u;
        wpk_store_u32(vectors, low ^ t);
        wpk_store_u32(vectors + 4, high ^ t >> 4);
    }
}
