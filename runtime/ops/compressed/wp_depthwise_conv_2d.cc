// WP_DEPTHWISE_CONV_2D: DEPTHWISE_CONV_2D with compressed weights and a requantisation table
// (docs/FORMAT.md, "Operators").
#include "../common/planning.h"
#include "../layers/depthwise.h"
#include "compressed.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/depthwise.h"
}

namespace wpconvert {

namespace {

struct Params {
    wpk_conv_shape shape;
    wpk_weights weights;
    wpk_table table;
    int scratch;
};

TfLiteStatus Prepare(PrepareContext &context) {
    CompressedOptions options;
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr ||
        ReadCompressed(context, 4, 3, 3, &options, &params->weights, &params->table) != kTfLiteOk) {
        return kTfLiteError;
    }
    int32_t filter[4];
    for (int i = 0; i < 4; ++i) {
        filter[i] = static_cast<int32_t>(params->weights.blob.dims[i]);
    }
    if (DepthwiseShape(context, filter, options.depth_multiplier, options.stride, options.dilation,
                       static_cast<Padding>(options.padding), &params->shape) != kTfLiteOk) {
        return kTfLiteError;
    }
    params->scratch = RequestScratch(
        context, params->table,
        WPCONVERT_PLAN(context, depthwise_scratch_nbytes, &params->shape, &params->weights));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    wpk_requant requant;
    void *const scratch =
        wpk_table_unpack(&params->table, context.scratch(params->scratch), &requant);
    wpk_depthwise_s8(&params->shape, &params->weights, &requant, context.input<int8_t>(0),
                     context.output<int8_t>(0), scratch);
    return kTfLiteOk;
}

}  // namespace

const Registration kOperator_WP_DEPTHWISE_CONV_2D = {"WP_DEPTHWISE_CONV_2D", Prepare, Invoke,
                                                     kOperatorNone};

const Registration *Register_WP_DEPTHWISE_CONV_2D() {
    return &kOperator_WP_DEPTHWISE_CONV_2D;
}

}  // namespace wpconvert
