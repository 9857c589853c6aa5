#include "wpk/elementwise.h"

void wpk_elementwise_s8(wpk_elementwise run, const void *params, const wpk_broadcast *shape,
                        const int8_t *x1, const int8_t *x2, int8_t *y) {
    const int32_t *const dims = shape->dims;
    const int32_t *const s1 = shape->stride1, *const s2 = shape->stride2;
    for (int32_t a = 0; a < dims[0]; ++a) {
        for (int32_t b = 0; b < dims[1]; ++b) {
            for (int32_t c = 0; c < dims[2]; ++c) {
                run(params, x1 + a * s1[0] + b * s1[1] + c * s1[2], s1[3],
                    x2 + a * s2[0] + b * s2[1] + c * s2[2], s2[3], y, dims[3]);
                y += dims[3];
            }
        }
    }
}
