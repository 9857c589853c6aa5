/* Requantisation of one value: TFLite's double rounding (docs/FORMAT.md, "Arithmetic"). */
#ifndef WPK_REQUANT_H
#define WPK_REQUANT_H

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/table.h"

WPK_BEGIN_C

/* ⌊(a · b + 2^30) / 2^31⌋ for any a and b ≥ 0; the result is above −2^31. */
static inline int32_t wpk_high_multiply(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^exponent to the nearest integer, halves away from zero; x above −2^31, exponent 0 to 31. */
static inline int32_t wpk_rounding_shift_right(int32_t x, int32_t exponent) {
    if (exponent == 0) {
        return x;
    }
    /* In two steps, so that adding one half cannot overflow. */
    return (((x + (x >> 31)) >> (exponent - 1)) + 1) >> 1;
}

/* acc · multiplier · 2^(shift − 31), rounded twice; multiplier ≥ 0, shift −31 to 30. acc · 2^shift
 * wraps. */
static inline int32_t wpk_rescale(int32_t acc, int32_t multiplier, int32_t shift) {
    if (shift > 0) {
        return wpk_high_multiply((int32_t)((uint32_t)acc << shift), multiplier);
    }
    return wpk_rounding_shift_right(wpk_high_multiply(acc, multiplier), -shift);
}

static inline int32_t wpk_clamp(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : x;
}

/* The output of channel c for an accumulator that includes the bias. */
static inline int8_t wpk_requantise(const wpk_requant *requant, uint32_t c, int32_t acc) {
    const uint32_t m = requant->multipliers == 1 ? 0 : c;
    const int32_t scaled = wpk_rescale(acc, requant->multiplier[m], requant->shift[m]);
    const int32_t y = (int32_t)((uint32_t)scaled + (uint32_t)(int32_t)requant->output_zero_point);
    return (int8_t)wpk_clamp(y, requant->activation_min, requant->activation_max);
}

static inline int32_t wpk_bias(const wpk_requant *requant, uint32_t c) {
    return requant->bias == 0 ? 0 : requant->bias[c];
}

WPK_END_C

#endif
