#include "wpk/fixed_point.h"

#include "../base/rescale.h"

enum { ONE_Q2 = 1 << 29, EXP_FACTORS = 7 };

/* exp(−2^k) in Q0 for k = −2 … 4. */
static const int32_t kExpFactors[EXP_FACTORS] = {1672461947, 1302514674, 790015084, 290630308,
                                                 39332535,   720401,     242};

static int32_t saturating_shift_left(int32_t x, int32_t exponent) {
    const int64_t wide = (int64_t)x * ((int64_t)1 << exponent);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* exp(a) for a in [−1/4, 0), both Q0: the Taylor polynomial of degree 4 around −1/8. */
static int32_t exp_on_last_quarter(int32_t a) {
    const int32_t exp_minus_eighth = 1895147668, one_third = 715827883;
    const int32_t x = a + (1 << 28);
    const int32_t x2 = wpk_high_multiply(x, x);
    const int32_t x3 = wpk_high_multiply(x2, x);
    const int32_t x4_over_4 = wpk_rounding_shift_right(wpk_high_multiply(x2, x2), 2);
    const int32_t tail =
        wpk_rounding_shift_right(wpk_high_multiply(x4_over_4 + x3, one_third) + x2, 1);
    return exp_minus_eighth + wpk_high_multiply(x + tail, exp_minus_eighth);
}

int32_t wpk_exp_on_negative_values(int32_t a, int32_t integer_bits) {
    if (a == 0) {
        return INT32_MAX;
    }
    const int32_t fractional_bits = 31 - integer_bits;
    const int32_t quarter = 1 << (fractional_bits - 2);
    const int32_t within = (a & (quarter - 1)) - quarter;
    int32_t result = exp_on_last_quarter((int32_t)((uint32_t)within << integer_bits));
    const uint32_t remainder = (uint32_t)within - (uint32_t)a;
    for (int32_t i = 0; i < EXP_FACTORS && i < integer_bits + 2; ++i) {
        if (remainder >> (fractional_bits + i - 2) & 1) {
            result = wpk_high_multiply(result, kExpFactors[i]);
        }
    }
    return result;
}

/* 2 / (1 + a) in Q2 for a in [0, 1) in Q0: three Newton-Raphson steps. */
static int32_t reciprocal_of_half_sum(int32_t a) {
    const int32_t half_denominator = (int32_t)(((uint32_t)a + 0x80000000u) >> 1);
    int32_t x =
        1515870810 + wpk_high_multiply(half_denominator, -1010580540); /* 48/17 − 32/17 · d in Q2 */
    for (int32_t step = 0; step < 3; ++step) {
        const int32_t error = ONE_Q2 - wpk_high_multiply(half_denominator, x);
        x += saturating_shift_left(wpk_high_multiply(x, error), 2);
    }
    return x;
}

int32_t wpk_one_over_one_plus(int32_t a) {
    return saturating_shift_left(reciprocal_of_half_sum(a), 1);
}

/* −|a|, which exists for every a. */
static int32_t negative_magnitude(int32_t a) {
    return a < 0 ? a : -a;
}

int32_t wpk_logistic_q4(int32_t a) {
    if (a == 0) {
        return 1 << 30;
    }
    const int32_t positive =
        wpk_one_over_one_plus(wpk_exp_on_negative_values(negative_magnitude(a), 4));
    return a > 0 ? positive : INT32_MAX - positive;
}

int32_t wpk_tanh_q4(int32_t a) {
    if (a == 0) {
        return 0;
    }
    /* Reading the argument with one more integer bit doubles it. */
    const int32_t decay = wpk_exp_on_negative_values(negative_magnitude(a), 5);
    const int32_t magnitude = saturating_shift_left(reciprocal_of_half_sum(decay) - ONE_Q2, 2);
    return a > 0 ? magnitude : -magnitude;
}
