// What CONV_2D and WP_CONV_2D share.
#ifndef WPCONVERT_OPS_CONVOLUTION_H_
#define WPCONVERT_OPS_CONVOLUTION_H_

#include "../common/window.h"
#include "wpconvert/operator.h"
#include "wpk/conv.h"

namespace wpconvert {

// The shape of a convolution of input 0 to output 0, both of rank 4 after this, with filters
// [out_channels, kernel_h, kernel_w, in_channels / groups]; fails when they do not fit. stride and
// dilation are height, width.
TfLiteStatus ConvShape(PrepareContext &context, const int32_t *filter, const int32_t *stride,
                       const int32_t *dilation, Padding padding, wpk_conv_shape *shape);

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_CONVOLUTION_H_
