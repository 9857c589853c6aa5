/* MUL. The product of two values without zero points is at most 255 · 255, so the fast rescaling
 * takes it doubled. */
#include "../base/rescale.h"
#include "wpk/elementwise.h"

#if WPK_MVE
#include <arm_mve.h>

/* p by value: a store of int8 could change what it points to for all the compiler knows. */
WPK_INLINE int32x4_t four(wpk_product p, bool right, int32x4_t a, int32x4_t b, int32x4_t low,
                          int32x4_t high) {
    const int32x4_t product =
        vmulq_s32(vsubq_n_s32(a, p.zero_point1), vsubq_n_s32(b, p.zero_point2));
    int32x4_t v;
    if (right) {
        /* The sign of the product serves for that of the rescaled one. */
        v = vqrdmlahq_n_s32(vshrq_n_s32(product, 31), product, p.multiplier);
        v = vrshlq_n_s32(v, p.shift);
    } else {
        v = vqrdmulhq_n_s32(vshlq_r_s32(product, p.shift), p.multiplier);
    }
    v = vaddq_n_s32(v, p.output_zero_point);
    return vminq_s32(vmaxq_s32(v, low), high);
}

WPK_INLINE void run(wpk_product p, bool right, const int8_t *x1, int32_t step1, const int8_t *x2,
                    int32_t step2, int8_t *y, int32_t n) {
    const int32x4_t low = vdupq_n_s32(p.activation_min), high = vdupq_n_s32(p.activation_max);
    for (; step1 + step2 == 2 && n >= 4; n -= 4, x1 += 4, x2 += 4, y += 4) {
        vstrbq_s32(y, four(p, right, vldrbq_s32(x1), vldrbq_s32(x2), low, high));
    }
    for (; n > 0; n -= 4, x1 += 4 * step1, x2 += 4 * step2, y += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)n);
        const int32x4_t a = step1 ? vldrbq_z_s32(x1, lanes) : vdupq_n_s32(*x1);
        const int32x4_t b = step2 ? vldrbq_z_s32(x2, lanes) : vdupq_n_s32(*x2);
        vstrbq_p_s32(y, four(p, right, a, b, low, high), lanes);
    }
}

void wpk_mul_s8(const void *params, const int8_t *x1, int32_t step1, const int8_t *x2,
                int32_t step2, int8_t *y, int32_t n) {
    const wpk_product p = *(const wpk_product *)params;
    if (p.shift < 0) {
        run(p, true, x1, step1, x2, step2, y, n);
    } else {
        run(p, false, x1, step1, x2, step2, y, n);
    }
}
#else

static void run_slow(const wpk_product *p, const int8_t *x1, int32_t step1, const int8_t *x2,
                     int32_t step2, int8_t *y, int32_t n) {
    for (; n > 0; --n, x1 += step1, x2 += step2) {
        const int32_t product = (*x1 - p->zero_point1) * (*x2 - p->zero_point2);
        const int32_t v =
            wpk_wrapping_add(wpk_rescale(product, p->multiplier, p->shift), p->output_zero_point);
        *y++ = (int8_t)wpk_clamp(v, p->activation_min, p->activation_max);
    }
}

/* Shifts to the left that keep a doubled product, at most 2 · 255 · 255, below 2^31. */
enum { LEFT_MAX = 14 };

/* `factor`: what products are multiplied by if they are then rounded only once, for shifts that are
 * not to the right; else 0. */
WPK_INLINE void run(const wpk_product *p, int32_t factor, wpk_fast_rescale fast, const int8_t *x1,
                    int32_t step1, const int8_t *x2, int32_t step2, int8_t *y, int32_t n) {
    const int32_t low = p->activation_min, high = p->activation_max;
    const bool full = low == INT8_MIN && high == INT8_MAX;
    const int32_t zero_point1 = p->zero_point1, zero_point2 = p->zero_point2;
    for (int32_t i = 0; i < n; ++i) {
        const int32_t product = (*x1 - zero_point1) * (*x2 - zero_point2);
        const int32_t v =
            factor != 0 ? wpk_high_multiply_add(product * factor, fast.multiplier, fast.offset)
                        : wpk_rescale_fast(2 * product, fast.multiplier, fast.right, fast.offset);
        y[i] = (int8_t)(full ? wpk_saturate_s8(v) : wpk_clamp(v, low, high));
        x1 += step1;
        x2 += step2;
    }
}

void wpk_mul_s8(const void *params, const int8_t *x1, int32_t step1, const int8_t *x2,
                int32_t step2, int8_t *y, int32_t n) {
    const wpk_product *const p = params;
    wpk_fast_rescale fast = {p->multiplier, 0, p->output_zero_point};
    if (wpk_fast_rescale_init(&fast, p->multiplier, p->shift, p->output_zero_point)) {
        run(p, 0, fast, x1, step1, x2, step2, y, n);
    } else if (p->shift >= 0 && p->shift <= LEFT_MAX) {
        run(p, 2 << p->shift, fast, x1, step1, x2, step2, y, n);
    } else {
        run_slow(p, x1, step1, x2, step2, y, n);
    }
}

#endif
