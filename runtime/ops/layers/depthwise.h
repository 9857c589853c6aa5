// What DEPTHWISE_CONV_2D and WP_DEPTHWISE_CONV_2D share.
#ifndef WPCONVERT_OPS_DEPTHWISE_H_
#define WPCONVERT_OPS_DEPTHWISE_H_

#include "convolution.h"

namespace wpconvert {

// The shape of a depthwise convolution of input 0 to output 0 with filters [1, kernel_h, kernel_w,
// out_channels]; fails when they do not fit. stride and dilation are height, width.
inline TfLiteStatus DepthwiseShape(PrepareContext &context, const int32_t *filter,
                                   int32_t depth_multiplier, const int32_t *stride,
                                   const int32_t *dilation, Padding padding,
                                   wpk_conv_shape *shape) {
    // A convolution with as many groups as input channels.
    const int32_t grouped[4] = {filter[3], filter[1], filter[2], 1};
    if (ConvShape(context, grouped, stride, dilation, padding, shape) != kTfLiteOk) {
        return kTfLiteError;
    }
    if (filter[0] != 1 || static_cast<int64_t>(shape->in_c) * depth_multiplier != shape->out_c) {
        return context.Fail("%d filters, expected %d times depth multiplier %d", shape->out_c,
                            shape->in_c, depth_multiplier);
    }
    return kTfLiteOk;
}

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_DEPTHWISE_H_
