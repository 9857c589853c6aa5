#include "wpk/quantise.h"

#include "../base/rescale.h"

#if WPK_MVE && (__ARM_FEATURE_MVE & 2)
#include <arm_mve.h>

/* Lanes beyond n are 0. Halves away from zero, saturating conversion, NaN to 0: what VCVTA does. */
void wpk_quantise_f32_s8(float scale, int32_t zero_point, const float *x, int8_t *y, uint32_t n) {
    const int32x4_t low = vdupq_n_s32(INT8_MIN - zero_point),
                    high = vdupq_n_s32(INT8_MAX - zero_point);
    for (uint32_t i = 0; i < n; i += 4) {
        const mve_pred16_t lanes = vctp32q(n - i);
        float32x4_t steps = vldrwq_z_f32(x + i, lanes);
        /* There is no vector division, and a product with the reciprocal is not the same. */
        steps[0] = steps[0] / scale;
        steps[1] = steps[1] / scale;
        steps[2] = steps[2] / scale;
        steps[3] = steps[3] / scale;
        const int32x4_t rounded = vminq_s32(vmaxq_s32(vcvtaq_s32_f32(steps), low), high);
        vstrbq_p_s32(y + i, vaddq_n_s32(rounded, zero_point), lanes);
    }
}
#else

/* To the nearest integer, halves away from zero, for |steps| < 2^9. Adding one half and truncating
 * would be wrong just below it. */
static inline int32_t round_half_away(float steps) {
    const int32_t whole = (int32_t)steps;
    const float rest = steps - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

static inline int8_t quantise(float x, float scale, int32_t zero_point) {
    const float steps = x / scale;
    int32_t rounded = 0; /* NaN */
    if (steps >= 400.0f) {
        rounded = 400;
    } else if (steps <= -400.0f) {
        rounded = -400;
    } else if (steps == steps) {
        rounded = round_half_away(steps);
    }
    return (int8_t)wpk_saturate_s8(rounded + zero_point);
}

#if WPK_FPU

void wpk_quantise_f32_s8(float scale, int32_t zero_point, const float *x, int8_t *y, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) {
        y[i] = quantise(x[i], scale, zero_point);
    }
}
#else

/* Without a floating-point unit an integer product with the reciprocal of the scale takes the place
 * of the division: |x / scale| with 16 fractional bits, off by a few units at most. That decides
 * all but the values next to a half, which take the division. */
enum { UNCERTAIN = 8 };

typedef struct {
    uint32_t inverse; /* 2^55 / mantissa, saturated */
    int32_t exponent; /* of the scale, biased */
} reciprocal;

static inline int8_t quantise_fast(float x, float scale, reciprocal r, int32_t zero_point) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    const int32_t exponent = (int32_t)(bits >> 23 & 0xff) - r.exponent;
    int32_t rounded;
    if (exponent <= -3) { /* the quotient of the mantissas is below 2 */
        rounded = 0;
    } else if (exponent >= 9) { /* and above 1/2 */
        rounded = bits << 1 > 0xff000000u ? 0 : 256;
    } else {
        const uint32_t mantissa = bits << 8 | 0x80000000u;
        const uint32_t quotient =
            (uint32_t)((uint64_t)mantissa * r.inverse >> 32); /* 31 fractional bits */
        const uint32_t steps = (quotient >> (15 - exponent)) + 0x8000;
        if (((steps + UNCERTAIN) & 0xffff) < 2 * UNCERTAIN) {
            return quantise(x, scale, zero_point);
        }
        rounded = (int32_t)(steps >> 16);
    }
    return (int8_t)wpk_saturate_s8(zero_point + ((int32_t)bits < 0 ? -rounded : rounded));
}

void wpk_quantise_f32_s8(float scale, int32_t zero_point, const float *x, int8_t *y, uint32_t n) {
    uint32_t bits;
    memcpy(&bits, &scale, sizeof(bits));
    const uint64_t inverse = ((uint64_t)1 << 55) / ((bits & 0x7fffff) | 0x800000);
    const reciprocal r = {inverse > UINT32_MAX ? UINT32_MAX : (uint32_t)inverse,
                          (int32_t)(bits >> 23)};
    /* Far from both ends of the exponents, differences of exponents say it all: denormals and
     * infinity included. */
    const bool fast = r.exponent >= 4 && r.exponent <= 240;
    for (uint32_t i = 0; i < n; ++i) {
        y[i] = fast ? quantise_fast(x[i], scale, r, zero_point) : quantise(x[i], scale, zero_point);
    }
}
#endif
#endif

#if WPK_MVE && (__ARM_FEATURE_MVE & 2)

void wpk_dequantise_s8_f32(float scale, int32_t zero_point, const int8_t *x, float *y, uint32_t n,
                           void *scratch) {
    (void)scratch;
    for (uint32_t i = 0; i < n; i += 4) {
        const mve_pred16_t lanes = vctp32q(n - i);
        const int32x4_t steps = vsubq_n_s32(vldrbq_z_s32(x + i, lanes), zero_point);
        vstrwq_p_f32(y + i, vmulq_n_f32(vcvtq_f32_s32(steps), scale), lanes);
    }
}
#else

void wpk_dequantise_s8_f32(float scale, int32_t zero_point, const int8_t *x, float *y, uint32_t n,
                           void *scratch) {
    if (wpk_dequantise_scratch_nbytes(n) == 0) {
        for (uint32_t i = 0; i < n; ++i) {
            y[i] = scale * (float)(x[i] - zero_point);
        }
        return;
    }
    float *const table = scratch;
    for (int32_t v = INT8_MIN; v <= INT8_MAX; ++v) {
        table[(uint8_t)v] = scale * (float)(v - zero_point);
    }
    for (uint32_t i = 0; i < n; ++i) {
        y[i] = table[(uint8_t)x[i]];
    }
}
#endif
