// FULLY_CONNECTED: int8, weights [out_features, in_features] in the model.
#include "wpk/fully_connected.h"

#include "../common/planning.h"
#include "../common/requantisation.h"
#include "matrix.h"
#include "wpconvert/operators.h"
#include "wpk/arch.h"

namespace wpconvert {

namespace {

// Slots of FullyConnectedOptions in the schema.
enum { kActivation = 0, kWeightsFormat = 1 };

struct Params {
    uint32_t batch, depth, units;
    wpk_requant requant;
    wpk_plan plan;
    int scratch;
};

wpk_weights Weights(const Params &params, const int8_t *rows) {
    wpk_weights weights = {};
    weights.dense = rows;
    weights.rows = params.units;
    weights.cols = params.depth;
    return weights;
}

TfLiteStatus Prepare(PrepareContext &context) {
    const int inputs = context.inputs_size();
    if (inputs < 2 || inputs > 3 || context.outputs_size() != 1) {
        return context.Fail("%d inputs and %d outputs, expected 2 or 3 and 1", inputs,
                            context.outputs_size());
    }
    FlatTable options;
    if (!context.Options(OptionsType::kFullyConnected, &options)) {
        return kTfLiteError;
    }
    if (options.I8(kWeightsFormat) != 0) {
        return context.Fail("shuffled weights are not supported");
    }
    const RequantSource source = {context.input(0),
                                  context.input(1),
                                  context.input(2),
                                  context.output(0),
                                  0,
                                  options.I8(kActivation),
                                  WPK_WANTS_FOLDED_BIAS != 0,
                                  true};
    const Tensor &weights = source.weights;
    if (!weights.present || !weights.is_constant || weights.type != TensorType::kInt8 ||
        weights.rank != 2) {
        return context.Fail("the weights must be a constant INT8 tensor of 2 dimensions");
    }
    if (source.bias.present && !source.bias.is_constant) {
        return context.Fail("the bias must be a constant");
    }
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || PrepareRequant(context, source, &params->requant) != kTfLiteOk) {
        return kTfLiteError;
    }
    params->units = static_cast<uint32_t>(weights.dims[0]);
    params->depth = static_cast<uint32_t>(weights.dims[1]);
    if (CheckMatrix(context, params->depth, params->units, &params->batch) != kTfLiteOk) {
        return kTfLiteError;
    }
    const wpk_weights rows = Weights(*params, weights.as<int8_t>());
    params->scratch = context.RequestScratch(
        WPCONVERT_PLAN(context, fully_connected_plan, params->batch, &rows, &params->plan));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    const wpk_weights weights = Weights(*params, context.input<int8_t>(1));
    wpk_fully_connected_s8(params->batch, &weights, &params->plan, &params->requant,
                           context.input<int8_t>(0), context.output<int8_t>(0),
                           context.scratch(params->scratch));
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"FULLY_CONNECTED", Prepare, Invoke, kOperatorNone};

}  // namespace

const Registration *Register_FULLY_CONNECTED() {
    return &kRegistration;
}

}  // namespace wpconvert
