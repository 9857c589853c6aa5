// WP_CONV_2D: CONV_2D with compressed weights and a requantisation table (docs/FORMAT.md,
// "Operators").
#include "../common/planning.h"
#include "../layers/convolution.h"
#include "compressed.h"
#include "wpconvert/operators.h"
#include "wpk/conv.h"

namespace wpconvert {

namespace {

struct Params {
    wpk_conv_shape shape;
    wpk_weights weights;
    wpk_table table;
    wpk_plan plan;
    int scratch;
};

TfLiteStatus Prepare(PrepareContext &context) {
    CompressedOptions options;
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr ||
        ReadCompressed(context, 4, 1, 0, &options, &params->weights, &params->table) != kTfLiteOk) {
        return kTfLiteError;
    }
    int32_t filter[4];
    for (int i = 0; i < 4; ++i) {
        filter[i] = static_cast<int32_t>(params->weights.blob.dims[i]);
    }
    if (ConvShape(context, filter, options.stride, options.dilation,
                  static_cast<Padding>(options.padding), &params->shape) != kTfLiteOk) {
        return kTfLiteError;
    }
    if (params->weights.blob.side != nullptr && params->shape.kernel_c != params->shape.in_c) {
        return context.Fail("filters of %d channels, the input has %d", params->shape.kernel_c,
                            params->shape.in_c);
    }
    // The unpacked table takes its part of the spare memory first.
    const uint32_t spare = context.SpareScratch();
    const uint32_t table_nbytes = wpk_table_scratch_nbytes(&params->table);
    params->scratch = RequestScratch(
        context, params->table,
        WPCONVERT_PLAN(context, conv_plan, &params->shape, &params->weights,
                       spare > table_nbytes ? spare - table_nbytes : 0, &params->plan));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    wpk_requant requant;
    void *const scratch =
        wpk_table_unpack(&params->table, context.scratch(params->scratch), &requant);
    wpk_conv_s8(&params->shape, &params->weights, &params->plan, &requant, context.input<int8_t>(0),
                context.output<int8_t>(0), scratch);
    return kTfLiteOk;
}

}  // namespace

const Registration kOperator_WP_CONV_2D = {"WP_CONV_2D", Prepare, Invoke, kOperatorNone};

const Registration *Register_WP_CONV_2D() {
    return &kOperator_WP_CONV_2D;
}

}  // namespace wpconvert
