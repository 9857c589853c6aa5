// MAX_POOL_2D and AVERAGE_POOL_2D on int8.
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "../common/window.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/pooling.h"
}

namespace wpconvert {

namespace {

// Slots of Pool2DOptions in the schema.
enum { kPadding = 0, kStrideW = 1, kStrideH = 2, kFilterW = 3, kFilterH = 4, kActivation = 5 };

constexpr float kScaleTolerance = 1e-6f;

int32_t Inside(int32_t kernel, int32_t size) {
    return kernel < size ? kernel : size;
}

bool CheckQuantization(PrepareContext &context, const Tensor &x, const Tensor &y) {
    if (CheckActivation(context, x) != kTfLiteOk || CheckActivation(context, y) != kTfLiteOk) {
        return false;
    }
    const float difference = x.scale - y.scale;
    if (difference > kScaleTolerance || difference < -kScaleTolerance ||
        x.zero_point != y.zero_point) {
        context.Fail("input and output differ in scale or zero point");
        return false;
    }
    return true;
}

TfLiteStatus Prepare(PrepareContext &context) {
    FlatTable options;
    if (!CheckArity(context, 1, 1, 1) || !context.Options(OptionsType::kPool2D, &options)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), y = context.output(0);
    wpk_pooling *const pool = context.AllocateUserData<wpk_pooling>();
    if (pool == nullptr || !CheckQuantization(context, x, y)) {
        return kTfLiteError;
    }
    const int32_t padding = options.I8(kPadding);
    if (x.rank != 4 || padding < 0 || padding > 1) {
        return context.Fail("input of %d dimensions and padding %d, expected 4 and SAME or VALID",
                            x.rank, padding);
    }
    pool->batch = x.dims[0];
    pool->in_h = x.dims[1];
    pool->in_w = x.dims[2];
    pool->channels = x.dims[3];
    pool->kernel_h = options.I32(kFilterH);
    pool->kernel_w = options.I32(kFilterW);
    pool->stride_h = options.I32(kStrideH);
    pool->stride_w = options.I32(kStrideW);
    const Padding kind = static_cast<Padding>(padding);
    int32_t dilation = 1;
    if (!SolveWindow(pool->in_h, pool->kernel_h, pool->stride_h, &dilation, kind, &pool->out_h,
                     &pool->pad_top) ||
        !SolveWindow(pool->in_w, pool->kernel_w, pool->stride_w, &dilation, kind, &pool->out_w,
                     &pool->pad_left)) {
        return context.Fail("the window does not fit the input");
    }
    const int32_t dims[4] = {pool->batch, pool->out_h, pool->out_w, pool->channels};
    const uint64_t pixels = static_cast<uint64_t>(Inside(pool->kernel_h, pool->in_h)) *
                            static_cast<uint64_t>(Inside(pool->kernel_w, pool->in_w));
    if (!CheckShape(context, y, dims, 4)) {
        return kTfLiteError;
    }
    if (pixels > WPK_POOLING_MAX_PIXELS || pixels * y.elements() > kWorkLimit) {
        return context.Fail("the window is too large");
    }
    return ActivationRange(context, options.I8(kActivation), y, &pool->activation_min,
                           &pool->activation_max);
}

TfLiteStatus InvokeMax(InvokeContext &context) {
    wpk_max_pool_s8(context.user_data<wpk_pooling>(), context.input<int8_t>(0),
                    context.output<int8_t>(0));
    return kTfLiteOk;
}

TfLiteStatus InvokeAverage(InvokeContext &context) {
    wpk_average_pool_s8(context.user_data<wpk_pooling>(), context.input<int8_t>(0),
                        context.output<int8_t>(0));
    return kTfLiteOk;
}

constexpr Registration kMax = {"MAX_POOL_2D", Prepare, InvokeMax, kOperatorNone};
constexpr Registration kAverage = {"AVERAGE_POOL_2D", Prepare, InvokeAverage, kOperatorNone};

}  // namespace

const Registration *Register_MAX_POOL_2D() {
    return &kMax;
}

const Registration *Register_AVERAGE_POOL_2D() {
    return &kAverage;
}

}  // namespace wpconvert
