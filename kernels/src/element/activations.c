#include "wpk/activations.h"

#include "../base/rescale.h"
#include "wpk/fixed_point.h"

static void set(int8_t *table, int32_t x, int64_t value) {
    table[(uint8_t)x] = (int8_t)(value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value);
}

void wpk_rescale_table(int8_t *table, int32_t input_zero_point, int32_t multiplier, int32_t shift,
                       int32_t output_zero_point, int32_t low) {
    for (int32_t x = INT8_MIN; x <= INT8_MAX; ++x) {
        const int64_t y =
            (int64_t)output_zero_point + wpk_rescale(x - input_zero_point, multiplier, shift);
        set(table, x, y < low ? low : y);
    }
}

void wpk_requantise_table(int8_t *table, int32_t input_zero_point, int32_t multiplier,
                          int32_t shift, int32_t output_zero_point) {
    for (int32_t x = INT8_MIN; x <= INT8_MAX; ++x) {
        set(table, x,
            wpk_wrapping_add(wpk_rescale(x - input_zero_point, multiplier, shift),
                             output_zero_point));
    }
}

void wpk_clamp_table(int8_t *table, int32_t low, int32_t high) {
    for (int32_t x = INT8_MIN; x <= INT8_MAX; ++x) {
        const int32_t raised = x < low ? low : x;
        set(table, x, raised > high ? high : raised);
    }
}

void wpk_leaky_relu_table(int8_t *table, const wpk_leaky_relu *params) {
    for (int32_t x = INT8_MIN; x <= INT8_MAX; ++x) {
        const int32_t offset = x - params->input_zero_point;
        int64_t y;
        if (offset >= 0) {
            y = wpk_rescale(offset, params->positive_multiplier, params->positive_shift);
        } else {
            y = wpk_rescale(offset, params->negative_multiplier, params->negative_shift);
            y = params->negative_slope ? -y : y;
        }
        set(table, x, params->output_zero_point + y);
    }
}

static int32_t saturate_s16(int64_t x) {
    return (int32_t)(x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x);
}

/* The high half of 2ab for 16-bit factors, rounded; −32768 · −32768 saturates in 16 bits on the
 * device, but no multiplier is negative. */
static int32_t high_mul_s16(int32_t a, int32_t b) {
    return (a * b + (1 << 14)) >> 15;
}

void wpk_hard_swish_table(int8_t *table, const wpk_hard_swish *params) {
    for (int32_t x = INT8_MIN; x <= INT8_MAX; ++x) {
        const int32_t fine = (x - params->input_zero_point) * 128;
        const int32_t before_shift = high_mul_s16(fine, params->output_multiplier);
        int32_t relu = fine;
        if (params->relu_shift > 0) {
            relu = saturate_s16((int64_t)relu * ((int64_t)1 << (params->relu_shift - 1)));
        }
        relu = high_mul_s16(relu, params->relu_multiplier);
        if (params->relu_shift > 0) {
            relu = saturate_s16((int64_t)relu * 2);
        }
        if (params->relu_shift < 0) {
            relu = wpk_rounding_shift_right(relu, -params->relu_shift);
        }
        relu = (relu + (1 << 15)) >> 1;
        /* This product alone truncates towards zero, which cancels the bias of the roundings before
         * it. */
        const int32_t product = relu * before_shift / (1 << 15);
        set(table, x,
            (int64_t)wpk_rounding_shift_right(product, -params->output_shift) +
                params->output_zero_point);
    }
}

/* Inputs at this distance from the zero point saturate: the largest that stays inside Q4 after
 * scaling. */
static int32_t q4_radius(int32_t shift) {
    return (15 << 27) >> shift;
}

void wpk_logistic_table(int8_t *table, int32_t input_zero_point, int32_t multiplier,
                        int32_t shift) {
    const int32_t radius = q4_radius(shift);
    for (int32_t x = INT8_MIN; x <= INT8_MAX; ++x) {
        const int32_t offset = x - input_zero_point;
        int32_t y = INT8_MIN;
        if (offset >= radius && offset > -radius) {
            y = INT8_MAX;
        } else if (offset > -radius) {
            y = wpk_rounding_shift_right(wpk_logistic_q4(wpk_rescale(offset, multiplier, shift)),
                                         23) -
                128;
        }
        set(table, x, y);
    }
}

void wpk_tanh_table(int8_t *table, int32_t input_zero_point, int32_t multiplier, int32_t shift) {
    const int32_t radius = q4_radius(shift);
    for (int32_t x = INT8_MIN; x <= INT8_MAX; ++x) {
        const int32_t offset = x - input_zero_point;
        int32_t y = INT8_MIN;
        if (offset >= radius && offset > -radius) {
            y = INT8_MAX;
        } else if (offset > -radius) {
            y = wpk_rounding_shift_right(wpk_tanh_q4(wpk_rescale(offset, multiplier, shift)), 24);
        }
        set(table, x, y);
    }
}
