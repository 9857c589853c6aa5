/* ADD and SUB.
 *
 * (x − zero point) · 2^20 is below 2^28, so its high multiply can take the doubled operand, and the
 * sum stays below 2^30: all three rescalings have the fast form unless a shift is 0. An input whose
 * scale is the larger of the two has the multiplier 1/2 exactly, which needs no rounding: a shift
 * does it.
 */
#include "../base/rescale.h"
#include "wpk/elementwise.h"

static inline int32_t slow(const wpk_sum *p, int32_t x1, int32_t x2, bool subtract) {
    const int32_t a = wpk_rescale((x1 - p->zero_point1) * (1 << 20), p->multiplier1, p->shift1);
    const int32_t b = wpk_rescale((x2 - p->zero_point2) * (1 << 20), p->multiplier2, p->shift2);
    return wpk_rescale(subtract ? a - b : a + b, p->output_multiplier, p->output_shift) +
           p->output_zero_point;
}

static void run_slow(const wpk_sum *p, const int8_t *x1, int32_t step1, const int8_t *x2,
                     int32_t step2, int8_t *y, int32_t n, bool subtract) {
    for (; n > 0; --n, x1 += step1, x2 += step2) {
        *y++ = (int8_t)wpk_clamp(slow(p, *x1, *x2, subtract), p->activation_min, p->activation_max);
    }
}

#if WPK_MVE
#include <arm_mve.h>

/* x − zero point, times 2^left · multiplier · 2^(right − 31); right is negative. */
typedef struct {
    int32_t zero_point, left, multiplier, right;
} scaling;

/* False for a shift that the lanes cannot do: with 0, only the multiplier 1/2 works, as 2^21 · 1/2
 * · 1/2. */
static bool input_scaling(scaling *s, int32_t zero_point, int32_t multiplier, int32_t shift) {
    *s = (scaling){zero_point, shift < 0 ? 20 : 21, multiplier, shift < 0 ? shift : -1};
    return shift < 0 || multiplier == 1 << 30;
}

/* x · multiplier · 2^(right − 31), rounded twice; the sign of x serves for that of the product. */
static inline int32x4_t rescale(int32x4_t x, int32_t multiplier, int32_t right) {
    return vrshlq_n_s32(vqrdmlahq_n_s32(vshrq_n_s32(x, 31), x, multiplier), right);
}

static inline int32x4_t scale(int32x4_t x, scaling s) {
    return rescale(vshlq_r_s32(vsubq_n_s32(x, s.zero_point), s.left), s.multiplier, s.right);
}

/* What run needs, apart from p, which a store of int8 could change for all the compiler knows. */
typedef struct {
    scaling x1, x2;
    int32_t multiplier, right, zero_point;
    int32x4_t low, high;
} sum_lanes;

WPK_INLINE int32x4_t four(const sum_lanes *k, int32x4_t x1, int32x4_t x2, bool subtract) {
    const int32x4_t a = scale(x1, k->x1), b = scale(x2, k->x2);
    const int32x4_t sum =
        rescale(subtract ? vsubq_s32(a, b) : vaddq_s32(a, b), k->multiplier, k->right);
    return vminq_s32(vmaxq_s32(vaddq_n_s32(sum, k->zero_point), k->low), k->high);
}

WPK_INLINE void run(const wpk_sum *p, const int8_t *x1, int32_t step1, const int8_t *x2,
                    int32_t step2, int8_t *y, int32_t n, bool subtract) {
    sum_lanes k = {.multiplier = p->output_multiplier,
                   .right = p->output_shift,
                   .zero_point = p->output_zero_point,
                   .low = vdupq_n_s32(p->activation_min),
                   .high = vdupq_n_s32(p->activation_max)};
    if (!input_scaling(&k.x1, p->zero_point1, p->multiplier1, p->shift1) ||
        !input_scaling(&k.x2, p->zero_point2, p->multiplier2, p->shift2) || k.right >= 0) {
        run_slow(p, x1, step1, x2, step2, y, n, subtract);
        return;
    }
    for (; step1 + step2 == 2 && n >= 4; n -= 4, x1 += 4, x2 += 4, y += 4) {
        vstrbq_s32(y, four(&k, vldrbq_s32(x1), vldrbq_s32(x2), subtract));
    }
    for (; n > 0; n -= 4, x1 += 4 * step1, x2 += 4 * step2, y += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)n);
        const int32x4_t a = step1 ? vldrbq_z_s32(x1, lanes) : vdupq_n_s32(*x1);
        const int32x4_t b = step2 ? vldrbq_z_s32(x2, lanes) : vdupq_n_s32(*x2);
        vstrbq_p_s32(y, four(&k, a, b, subtract), lanes);
    }
}
#else

typedef struct {
    int32_t multiplier, right, offset;
    int32_t zero_point; /* times 2^21 */
} input_rescale;

static inline int32_t at_common_scale(int32_t x, const input_rescale *r, bool plain) {
    const int32_t twice = (int32_t)((uint32_t)x << 21) - r->zero_point;
    return plain ? twice >> 2 : wpk_rescale_fast(twice, r->multiplier, r->right, r->offset);
}

WPK_INLINE void run_plain(const wpk_sum *p, const int8_t *x1, int32_t step1, const int8_t *x2,
                          int32_t step2, int8_t *y, int32_t n, bool subtract, bool plain1,
                          bool plain2) {
    wpk_fast_rescale fast1 = {0, 0, 0}, fast2 = {0, 0, 0}, out;
    if (!wpk_fast_rescale_init(&out, p->output_multiplier, p->output_shift, p->output_zero_point) ||
        (!plain1 && !wpk_fast_rescale_init(&fast1, p->multiplier1, p->shift1, 0)) ||
        (!plain2 && !wpk_fast_rescale_init(&fast2, p->multiplier2, p->shift2, 0))) {
        run_slow(p, x1, step1, x2, step2, y, n, subtract);
        return;
    }
    const input_rescale r1 = {fast1.multiplier, fast1.right, fast1.offset,
                              p->zero_point1 * (1 << 21)};
    const input_rescale r2 = {fast2.multiplier, fast2.right, fast2.offset,
                              p->zero_point2 * (1 << 21)};
    const int32_t low = p->activation_min, high = p->activation_max;
    const bool full = low == INT8_MIN && high == INT8_MAX;
    for (int32_t i = 0; i < n; ++i) {
        const int32_t a = at_common_scale(*x1, &r1, plain1);
        const int32_t b = at_common_scale(*x2, &r2, plain2);
        const int32_t sum = subtract ? a - b : a + b;
        const int32_t v = wpk_rescale_fast(2 * sum, out.multiplier, out.right, out.offset);
        y[i] = (int8_t)(full ? wpk_saturate_s8(v) : wpk_clamp(v, low, high));
        x1 += step1;
        x2 += step2;
    }
}

static inline bool is_half(int32_t multiplier, int32_t shift) {
    return multiplier == 1 << 30 && shift == 0;
}

WPK_INLINE void run(const wpk_sum *p, const int8_t *x1, int32_t step1, const int8_t *x2,
                    int32_t step2, int8_t *y, int32_t n, bool subtract) {
    const bool plain1 = is_half(p->multiplier1, p->shift1),
               plain2 = is_half(p->multiplier2, p->shift2);
    if (plain1) {
        run_plain(p, x1, step1, x2, step2, y, n, subtract, true, plain2);
    } else {
        run_plain(p, x1, step1, x2, step2, y, n, subtract, false, plain2);
    }
}
#endif

void wpk_add_s8(const void *params, const int8_t *x1, int32_t step1, const int8_t *x2,
                int32_t step2, int8_t *y, int32_t n) {
    run(params, x1, step1, x2, step2, y, n, false);
}

void wpk_sub_s8(const void *params, const int8_t *x1, int32_t step1, const int8_t *x2,
                int32_t step2, int8_t *y, int32_t n) {
    run(params, x1, step1, x2, step2, y, n, true);
}
