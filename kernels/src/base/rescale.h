/* Rescaling in a form that takes few instructions. Private. */
#ifndef WPK_SRC_RESCALE_H
#define WPK_SRC_RESCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "wpk/arch.h"
#include "wpk/requant.h"

static inline int32_t wpk_wrapping_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* The rescaling of an operator with its output zero point, in a form that takes four instructions.
 *
 * For right shifts in WPK_FAST_SHIFT the two roundings and the zero point are one
 * multiply-accumulate on the high word and one shift: the high multiply of x is the rounded high
 * word of 2x · multiplier, and what the rounding shift adds before shifting, the zero point
 * included, is known beforehand except for the sign. The sign of x serves for that of the product:
 * they differ only where the product is 0, which rounds to 0 with either sign. */
typedef struct {
    int32_t multiplier;
    int32_t right;  /* 1 … 22 */
    int32_t offset; /* half + zero point · 2^right */
} wpk_fast_rescale;

#define WPK_FAST_SHIFT_MAX 22

/* False when the shift is outside the fast form. Values to rescale must stay below 2^30 in
 * magnitude. */
static inline bool wpk_fast_rescale_init(wpk_fast_rescale *fast, int32_t multiplier, int32_t shift,
                                         int32_t zero_point) {
    if (shift > -1 || shift < -WPK_FAST_SHIFT_MAX || multiplier < 0) {
        return false;
    }
    const int32_t right = -shift;
    fast->multiplier = multiplier;
    fast->right = right;
    fast->offset = (int32_t)(1 << (right - 1)) + zero_point * (1 << right);
    return true;
}

/* addend + ⌊(twice · multiplier + 2^31) / 2^32⌋. */
static inline int32_t wpk_high_multiply_add(int32_t twice, int32_t multiplier, int32_t addend) {
#if WPK_DSP || WPK_MVE
    int32_t high;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(high) : "r"(twice), "r"(multiplier), "r"(addend));
#else
    const uint64_t start = (uint64_t)(uint32_t)addend << 32 | 0x80000000u;
    const int32_t high =
        (int32_t)((int64_t)(start + (uint64_t)((int64_t)twice * multiplier)) >> 32);
#endif
    return high;
}

/* twice = 2x with |x| < 2^30. */
static inline int32_t wpk_rescale_fast(int32_t twice, int32_t multiplier, int32_t right,
                                       int32_t offset) {
    return wpk_high_multiply_add(twice, multiplier, offset + (twice >> 31)) >> right;
}

/* x saturated to int8. */
static inline int32_t wpk_saturate_s8(int32_t x) {
#if defined(__arm__) && defined(__ARM_FEATURE_SAT) && !defined(WPK_PORTABLE)
    int32_t y;
    __asm__("ssat %0, #8, %1" : "=r"(y) : "r"(x));
    return y;
#else
    return wpk_clamp(x, INT8_MIN, INT8_MAX);
#endif
}

#endif /* WPK_SRC_RESCALE_H */
