/* wpk_rescale of four lanes with Helium. Private. VRSHL rounds halves up; one less makes that away
 * from zero for negative values. */
#ifndef WPK_SRC_RESCALE_MVE_H
#define WPK_SRC_RESCALE_MVE_H

#include "wpk/arch.h"

#if WPK_MVE

#include <arm_mve.h>

/* With one multiplier and shift. */
static inline int32x4_t wpk_rescale_by(int32x4_t v, int32_t multiplier, int32_t shift) {
    if (shift > 0) {
        v = vshlq_r_s32(v, shift);
    }
    v = vqrdmulhq_n_s32(v, multiplier);
    if (shift < 0) {
        v = vrshlq_n_s32(vqaddq_s32(v, vshrq_n_s32(v, 31)), shift);
    }
    return v;
}

/* With a multiplier for each lane, and its shift in two parts: left ≥ 0 and right ≤ 0. */
static inline int32x4_t wpk_rescale_lanes(int32x4_t v, const int32_t *left,
                                          const int32_t *multiplier, const int32_t *right_shift) {
    const int32x4_t right = vldrwq_s32(right_shift);
    v = vqrdmulhq_s32(vshlq_s32(v, vldrwq_s32(left)), vldrwq_s32(multiplier));
    return vrshlq_s32(vqaddq_s32(v, vshrq_n_s32(vandq_s32(v, right), 31)), right);
}

#endif

#endif
