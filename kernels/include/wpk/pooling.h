/* MAX_POOL_2D and AVERAGE_POOL_2D on int8. */
#ifndef WPK_POOLING_H_
#define WPK_POOLING_H_

#include <stdint.h>

#include "wpk/arch.h"

WPK_BEGIN_C

/* Activations are [batch, in_h, in_w, channels] and [batch, out_h, out_w, channels]. Sizes and
 * strides ≥ 1, pads ≥ 0; every window holds at least one pixel of the image, and at most
 * WPK_POOLING_MAX_PIXELS. */
#define WPK_POOLING_MAX_PIXELS (1 << 23)
typedef struct {
    int32_t batch, in_h, in_w, channels, out_h, out_w;
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
    int8_t activation_min, activation_max;
} wpk_pooling;

/* Maximum of the pixels inside the image, clamped. */
void wpk_max_pool_s8(const wpk_pooling *params, const int8_t *x, int8_t *y);

/* Mean of the pixels inside the image, halves away from zero, clamped. */
void wpk_average_pool_s8(const wpk_pooling *params, const int8_t *x, int8_t *y);

WPK_END_C

#endif /* WPK_POOLING_H_ */
