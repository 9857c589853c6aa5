// DEPTHWISE_CONV_2D: int8, weights [1, kernel_h, kernel_w, out_channels].
#include "../common/checks.h"
#include "../common/planning.h"
#include "../common/requantisation.h"
#include "depthwise.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/depthwise.h"
}

namespace wpconvert {

namespace {

// Slots of DepthwiseConv2DOptions in the schema.
enum {
    kPadding = 0,
    kStrideW = 1,
    kStrideH = 2,
    kDepthMultiplier = 3,
    kActivation = 4,
    kDilationW = 5,
    kDilationH = 6
};

struct Params {
    wpk_conv_shape shape;
    wpk_requant requant;
    bool has_bias;
    int scratch;
};

wpk_weights Weights(const wpk_conv_shape &shape, const int8_t *rows) {
    wpk_weights weights = {};
    weights.dense = rows;
    weights.rows = static_cast<uint32_t>(shape.kernel_h * shape.kernel_w);
    weights.cols = static_cast<uint32_t>(shape.out_c);
    return weights;
}

TfLiteStatus Prepare(PrepareContext &context) {
    FlatTable options;
    if (!CheckArity(context, 2, 3, 1) ||
        !context.Options(OptionsType::kDepthwiseConv2D, &options)) {
        return kTfLiteError;
    }
    const RequantSource source = {context.input(0),
                                  context.input(1),
                                  context.input(2),
                                  context.output(0),
                                  3,
                                  options.I8(kActivation),
                                  false,
                                  false};
    const Tensor &weights = source.weights;
    if (weights.type != TensorType::kInt8 || weights.rank != 4) {
        return context.Fail("the weights must be an INT8 tensor of 4 dimensions");
    }
    const int32_t padding = options.I8(kPadding);
    if (padding < 0 || padding > 1) {
        return context.Fail("padding %d, expected SAME or VALID", padding);
    }
    const int32_t stride[2] = {options.I32(kStrideH), options.I32(kStrideW)};
    const int32_t dilation[2] = {options.I32(kDilationH, 1), options.I32(kDilationW, 1)};
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr ||
        DepthwiseShape(context, weights.dims, options.I32(kDepthMultiplier), stride, dilation,
                       static_cast<Padding>(padding), &params->shape) != kTfLiteOk ||
        PrepareRequant(context, source, &params->requant) != kTfLiteOk) {
        return kTfLiteError;
    }
    params->has_bias = source.bias.present;
    // Only whether rows are dense counts for the size of the scratch.
    const int8_t any = 0;
    const wpk_weights rows = Weights(params->shape, &any);
    params->scratch = context.RequestScratch(
        WPCONVERT_PLAN(context, depthwise_scratch_nbytes, &params->shape, &rows));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    const wpk_weights weights = Weights(params->shape, context.input<int8_t>(1));
    wpk_requant requant = params->requant;
    requant.bias = params->has_bias ? context.input<int32_t>(2) : nullptr;
    wpk_depthwise_s8(&params->shape, &weights, &requant, context.input<int8_t>(0),
                     context.output<int8_t>(0), context.scratch(params->scratch));
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"DEPTHWISE_CONV_2D", Prepare, Invoke, kOperatorNone};

}  // namespace

const Registration *Register_DEPTHWISE_CONV_2D() {
    return &kRegistration;
}

}  // namespace wpconvert
