#include "wpk/reduce.h"

#include "../base/rescale.h"

/* The loops of a reduction: `reduce` sees every element that belongs to an output, `finish` writes
 * that output. Macro rather than callback, for the element's cost is a few instructions. */
#define FOR_EACH_KEPT(shape, at)                                                                   \
    for (int32_t k0 = 0, at##0 = 0; k0 < (shape)->kept[0]; ++k0, at##0 += (shape)->kept_stride[0]) \
        for (int32_t k1 = 0, at##1 = at##0; k1 < (shape)->kept[1];                                 \
             ++k1, at##1 += (shape)->kept_stride[1])                                               \
            for (int32_t k2 = 0, at = at##1; k2 < (shape)->kept[2];                                \
                 ++k2, at += (shape)->kept_stride[2])

#define FOR_EACH_REDUCED(shape, at)                                    \
    for (int32_t r0 = 0, at##0 = 0; r0 < (shape)->reduced[0];          \
         ++r0, at##0 += (shape)->reduced_stride[0])                    \
        for (int32_t r1 = 0, at##1 = at##0; r1 < (shape)->reduced[1];  \
             ++r1, at##1 += (shape)->reduced_stride[1])                \
            for (int32_t r2 = 0, at = at##1; r2 < (shape)->reduced[2]; \
                 ++r2, at += (shape)->reduced_stride[2])

void wpk_mean_s8(const wpk_mean *params, const int8_t *x, int8_t *y) {
    const wpk_reduce *const shape = &params->shape;
    FOR_EACH_KEPT(shape, from) {
        uint32_t sum = 0;
        FOR_EACH_REDUCED(shape, at) {
            sum += (uint32_t)(int32_t)x[from + at];
        }
        const int32_t centred = (int32_t)(sum - (uint32_t)params->offset);
        const int32_t scaled = wpk_rescale(centred, params->multiplier, params->shift);
        *y++ = (int8_t)wpk_clamp(wpk_wrapping_add(scaled, params->output_zero_point), INT8_MIN,
                                 INT8_MAX);
    }
}

void wpk_reduce_max_s8(const wpk_reduce *shape, const int8_t *x, int8_t *y) {
    FOR_EACH_KEPT(shape, from) {
        int8_t max = INT8_MIN;
        FOR_EACH_REDUCED(shape, at) {
            max = x[from + at] > max ? x[from + at] : max;
        }
        *y++ = max;
    }
}

void wpk_reduce_max_f32(const wpk_reduce *shape, const float *x, float *y) {
    FOR_EACH_KEPT(shape, from) {
        float max = -3.4028234663852886e38f;
        FOR_EACH_REDUCED(shape, at) {
            max = x[from + at] > max ? x[from + at] : max;
        }
        *y++ = max;
    }
}
