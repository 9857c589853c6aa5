/* Activations to levels, and levels to bit planes. */
#include "../base/bytes.h"
#include "kernels.h"
#include "wpk/arch.h"

/* wpk_levels for four activations of a word at a time. */
typedef struct {
    uint32_t add, mask, half, drop;
} packed_levels;

enum { EACH = 0x01010101, TOP = 0x80808080u };

static packed_levels packed_levels_of(const wpk_levels *levels) {
    return (packed_levels){(uint32_t)(levels->add - 128) * EACH, (uint32_t)levels->top * EACH,
                           (uint32_t)levels->half * EACH, levels->drop};
}

/* Bytes up to 255, of which `add` has up to 127; sums above 255 become 255. */
static inline uint32_t add_saturated(uint32_t x, uint32_t add) {
#if WPK_DSP
    uint32_t sum;
    __asm__("uqadd8 %0, %1, %2" : "=r"(sum) : "r"(x), "r"(add));
    return sum;
#else
    const uint32_t top = x & TOP, low = (x ^ top) + add, over = (low & top) >> 7;
    return (low ^ top) | ((over << 8) - over);
#endif
}

/* Levels have at most seven bits. */
static inline uint32_t level_word(const packed_levels *l, uint32_t x) {
    const uint32_t kept = add_saturated(x ^ TOP, l->add) >> l->drop & l->mask;
    return ((kept | TOP) - l->half) ^ TOP;
}

#if !WPK_MVE

void wpk_sv_narrow(const wpk_levels *levels, int8_t *x, uint32_t n) {
    if (levels->drop == 0) {
        return;
    }
    const packed_levels packed = packed_levels_of(levels);
    for (; n >= 4; n -= 4, x += 4) {
        wpk_store_u32(x, level_word(&packed, wpk_load_u32(x)));
    }
    for (; n > 0; --n, ++x) {
        *x = wpk_level(levels, *x);
    }
}

#endif

/* Eight channels of each pixel. */
static void load_whole(const wpk_levels *levels, const int8_t *x, uint32_t stride, uint32_t count,
                       uint8_t *vectors, uint32_t step) {
    if (levels->drop == 0) {
        for (; count > 0; --count, x += stride, vectors += step) {
            wpk_store_u32(vectors, wpk_load_u32(x));
            wpk_store_u32(vectors + 4, wpk_load_u32(x + 4));
        }
        return;
    }
    const packed_levels packed = packed_levels_of(levels);
    for (; count > 0; --count, x += stride, vectors += step) {
        wpk_store_u32(vectors, level_word(&packed, wpk_load_u32(x)));
        wpk_store_u32(vectors + 4, level_word(&packed, wpk_load_u32(x + 4)));
    }
}

void wpk_sv_vectors(const wpk_levels *levels, const int8_t *x, uint32_t stride, uint32_t lanes,
                    uint32_t count, uint8_t *vectors, uint32_t step) {
    if (lanes == WPK_SV_LANES) {
        load_whole(levels, x, stride, count, vectors, step);
        return;
    }
    for (; count > 0; --count, x += stride, vectors += step) {
        for (uint32_t j = 0; j < WPK_SV_LANES; ++j) {
            vectors[j] = j < lanes ? (uint8_t)wpk_level(levels, x[j]) : 0;
        }
    }
}

/* Transposed as a matrix of 8 × 8 bits: blocks of one bit, of 2 × 2, of 4 × 4 across the diagonal
 * change places. */
void wpk_sv_planes(uint8_t *vectors, uint32_t count, uint32_t bits) {
    (void)bits;
    for (uint32_t i = 0; i < count; ++i, vectors += WPK_SV_LANES) {
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
