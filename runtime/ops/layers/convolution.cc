#include "convolution.h"

#include "../common/window.h"

namespace wpconvert {

TfLiteStatus ConvShape(PrepareContext &context, const int32_t *filter, const int32_t *stride,
                       const int32_t *dilation, Padding padding, wpk_conv_shape *shape) {
    const Tensor x = context.input(0), y = context.output(0);
    if (x.rank != 4 || y.rank != 4) {
        return context.Fail("input of %d and output of %d dimensions, expected 4", x.rank, y.rank);
    }
    const int32_t depth = filter[3];
    const int32_t groups = depth < 1 || x.dims[3] % depth != 0 ? 0 : x.dims[3] / depth;
    if (groups == 0 || filter[0] < 1 || filter[0] % groups != 0) {
        return context.Fail("%d filters of depth %d do not divide %d input channels into groups",
                            filter[0], depth, x.dims[3]);
    }
    *shape = wpk_conv_shape{};
    int32_t out_h, out_w;
    shape->dilation_h = dilation[0];
    shape->dilation_w = dilation[1];
    if (!SolveWindow(x.dims[1], filter[1], stride[0], &shape->dilation_h, padding, &out_h,
                     &shape->pad_top) ||
        !SolveWindow(x.dims[2], filter[2], stride[1], &shape->dilation_w, padding, &out_w,
                     &shape->pad_left)) {
        return context.Fail("the window does not fit the input");
    }
    // Rows, columns and channels are each below 2^31, and so is the product of width and channels.
    const uint64_t rows =
        static_cast<uint64_t>(x.dims[1]) + static_cast<uint64_t>(shape->dilation_h);
    const uint64_t pixels =
        rows * static_cast<uint64_t>(x.dims[2]) + static_cast<uint64_t>(shape->dilation_w);
    if (pixels > INT32_MAX / static_cast<uint64_t>(x.dims[3])) {
        return context.Fail("the dilated window spans more than 2^31 bytes");
    }
    if (y.dims[0] != x.dims[0] || y.dims[1] != out_h || y.dims[2] != out_w ||
        y.dims[3] != filter[0]) {
        return context.Fail("the output should be [%d, %d, %d, %d]", x.dims[0], out_h, out_w,
                            filter[0]);
    }
    // Below 2^31 · 2^31, so the product does not wrap.
    const uint64_t window = static_cast<uint64_t>(filter[1]) * static_cast<uint64_t>(filter[2]) *
                            static_cast<uint64_t>(depth);
    if (window * y.elements() > kWorkLimit) {
        return context.Fail("more than 2^38 multiplications");
    }
    shape->batch = x.dims[0];
    shape->in_h = x.dims[1];
    shape->in_w = x.dims[2];
    shape->in_c = x.dims[3];
    shape->out_h = out_h;
    shape->out_w = out_w;
    shape->out_c = filter[0];
    shape->kernel_h = filter[1];
    shape->kernel_w = filter[2];
    shape->kernel_c = depth;
    shape->stride_h = stride[0];
    shape->stride_w = stride[1];
    return kTfLiteOk;
}

}  // namespace wpconvert
