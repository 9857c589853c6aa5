#include "wpk/softmax.h"

#include "../base/rescale.h"
#include "wpk/fixed_point.h"

enum { DIFFERENCES = 256, DIFF_INTEGER_BITS = 5, SUM_INTEGER_BITS = 12 };

/* A row of few classes keeps its exponentials; with many, all possible ones are computed once and
 * looked up. */
static int32_t uses_table(const wpk_softmax *params) {
    return params->depth > DIFFERENCES ||
           (params->rows > 1 && params->rows * (int64_t)params->depth > 2 * DIFFERENCES);
}

uint32_t wpk_softmax_scratch_nbytes(const wpk_softmax *params) {
    return sizeof(int32_t) * (uint32_t)(uses_table(params) ? DIFFERENCES : params->depth);
}

/* exp(−below) in Q0, 0 where the difference is beyond the radius. */
static int32_t exponential(const wpk_softmax *params, int32_t below) {
    if (below > params->radius) {
        return 0;
    }
    const int32_t scaled = (int32_t)((uint32_t)-below << params->shift);
    return wpk_exp_on_negative_values(wpk_high_multiply(scaled, params->multiplier),
                                      DIFF_INTEGER_BITS);
}

static int32_t maximum(const int8_t *x, int32_t n) {
    int32_t max = x[0];
    for (int32_t i = 1; i < n; ++i) {
        max = x[i] > max ? x[i] : max;
    }
    return max;
}

static int32_t leading_zeros(uint32_t x) {
    int32_t n = 0;
    for (; (x & 0x80000000u) == 0; x <<= 1) {
        ++n;
    }
    return n;
}

/* exp / sum as an int8: `reciprocal` is that of the normalised sum, 2^−right brings the product to
 * Q8. */
static int8_t share(int32_t exp, int32_t reciprocal, int32_t right) {
    const int32_t y = wpk_rounding_shift_right(wpk_high_multiply(exp, reciprocal), right) - 128;
    return (int8_t)wpk_clamp(y, INT8_MIN, INT8_MAX);
}

void wpk_softmax_s8(const wpk_softmax *params, const int8_t *x, int8_t *y, void *scratch) {
    int32_t *const exps = scratch;
    const int32_t depth = params->depth;
    const int32_t table = uses_table(params);
    for (int32_t below = 0; table && below < DIFFERENCES; ++below) {
        exps[below] = exponential(params, below);
    }
    for (int32_t row = 0; row < params->rows; ++row, x += depth, y += depth) {
        const int32_t max = maximum(x, depth);
        uint32_t sum = 0;
        for (int32_t i = 0; i < depth; ++i) {
            const int32_t exp = table ? exps[max - x[i]] : exponential(params, max - x[i]);
            sum += (uint32_t)wpk_rounding_shift_right(exp, SUM_INTEGER_BITS);
            if (!table) {
                exps[i] = exp;
            }
        }
        /* The sum is at least 2^19, that of the maximum itself. */
        const int32_t zeros = leading_zeros(sum);
        const int32_t reciprocal = wpk_one_over_one_plus((int32_t)((sum << zeros) - 0x80000000u));
        const int32_t right = SUM_INTEGER_BITS - zeros + 31 - 8;
        for (int32_t i = 0; i < depth; ++i) {
            y[i] = share(table ? exps[max - x[i]] : exps[i], reciprocal, right);
        }
    }
}
