// CONV_2D: int8, weights [out_channels, kernel_h, kernel_w, in_channels / groups] in the model.
#include "../common/planning.h"
#include "../common/requantisation.h"
#include "convolution.h"
#include "wpconvert/operators.h"
#include "wpk/conv.h"

namespace wpconvert {

namespace {

// Slots of Conv2DOptions in the schema.
enum { kPadding = 0, kStrideW = 1, kStrideH = 2, kActivation = 3, kDilationW = 4, kDilationH = 5 };

struct Params {
    wpk_conv_shape shape;
    wpk_requant requant;
    wpk_plan plan;
    int scratch;
};

wpk_weights Weights(const wpk_conv_shape &shape, const int8_t *rows) {
    wpk_weights weights = {};
    weights.dense = rows;
    weights.rows = static_cast<uint32_t>(shape.out_c);
    weights.cols = static_cast<uint32_t>(shape.kernel_h * shape.kernel_w * shape.kernel_c);
    return weights;
}

TfLiteStatus Prepare(PrepareContext &context) {
    const int inputs = context.inputs_size();
    if (inputs < 2 || inputs > 3 || context.outputs_size() != 1) {
        return context.Fail("%d inputs and %d outputs, expected 2 or 3 and 1", inputs,
                            context.outputs_size());
    }
    FlatTable options;
    if (!context.Options(OptionsType::kConv2D, &options)) {
        return kTfLiteError;
    }
    const RequantSource source = {context.input(0),
                                  context.input(1),
                                  context.input(2),
                                  context.output(0),
                                  0,
                                  options.I8(kActivation),
                                  false,
                                  false};
    const Tensor &weights = source.weights;
    if (!weights.present || !weights.is_constant || weights.type != TensorType::kInt8 ||
        weights.rank != 4) {
        return context.Fail("the weights must be a constant INT8 tensor of 4 dimensions");
    }
    if (source.bias.present && !source.bias.is_constant) {
        return context.Fail("the bias must be a constant");
    }
    const int32_t padding = options.I8(kPadding);
    if (padding < 0 || padding > 1) {
        return context.Fail("padding %d, expected SAME or VALID", padding);
    }
    const int32_t stride[2] = {options.I32(kStrideH), options.I32(kStrideW)};
    const int32_t dilation[2] = {options.I32(kDilationH, 1), options.I32(kDilationW, 1)};
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr ||
        ConvShape(context, weights.dims, stride, dilation, static_cast<Padding>(padding),
                  &params->shape) != kTfLiteOk ||
        PrepareRequant(context, source, &params->requant) != kTfLiteOk) {
        return kTfLiteError;
    }
    const wpk_weights rows = Weights(params->shape, weights.as<int8_t>());
    params->scratch = context.RequestScratch(WPCONVERT_PLAN(
        context, conv_plan, &params->shape, &rows, context.SpareScratch(), &params->plan));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    const wpk_weights weights = Weights(params->shape, context.input<int8_t>(1));
    wpk_conv_s8(&params->shape, &weights, &params->plan, &params->requant, context.input<int8_t>(0),
                context.output<int8_t>(0), context.scratch(params->scratch));
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"CONV_2D", Prepare, Invoke, kOperatorNone};

}  // namespace

const Registration *Register_CONV_2D() {
    return &kRegistration;
}

}  // namespace wpconvert
