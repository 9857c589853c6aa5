/* The depthwise kernels behind wpk_depthwise_s8. Private.
 *
 * Each takes weights as rows of taps, [kernel_h · kernel_w, out_c], and scratch of the size its
 * twin tells. */
#ifndef WPK_SRC_DEPTHWISE_H_
#define WPK_SRC_DEPTHWISE_H_

#include <stdbool.h>

#include "../base/rescale.h"
#include "wpk/depthwise.h"

/* Any shape, no scratch. */
void wpk_depthwise_generic(const wpk_conv_shape *shape, const int8_t *weights,
                           const wpk_requant *requant, const int8_t *x, int8_t *y);

/* 3 × 3 taps without dilation, depth multiplier 1, equal strides of 1 or 2. */
void wpk_depthwise_3x3(const wpk_conv_shape *shape, const int8_t *weights,
                       const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch);

/* The bias of channel c with the input zero point folded in, for the sum `weight_sum` of the
 * channel's weights: taps then read activations as they are, taps outside the image the zero point.
 */
static inline int32_t wpk_folded_bias(const wpk_requant *requant, int32_t c, int32_t weight_sum) {
    const uint32_t folded = (uint32_t)requant->input_offset * (uint32_t)weight_sum;
    return (int32_t)((uint32_t)wpk_bias(requant, (uint32_t)c) - folded);
}

#endif /* WPK_SRC_DEPTHWISE_H_ */
