// WP_FULLY_CONNECTED: FULLY_CONNECTED with compressed weights and a requantisation table
// (docs/FORMAT.md, "Operators").
#include "../common/planning.h"
#include "../layers/matrix.h"
#include "compressed.h"
#include "wpconvert/operators.h"
#include "wpk/fully_connected.h"

namespace wpconvert {

namespace {

struct Params {
    uint32_t batch;
    wpk_weights weights;
    wpk_table table;
    wpk_plan plan;
    int scratch;
};

TfLiteStatus Prepare(PrepareContext &context) {
    CompressedOptions options;
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr ||
        ReadCompressed(context, 2, 1, 0, &options, &params->weights, &params->table) != kTfLiteOk ||
        CheckMatrix(context, params->weights.cols, params->weights.rows, &params->batch) !=
            kTfLiteOk) {
        return kTfLiteError;
    }
    params->scratch = RequestScratch(context, params->table,
                                     WPCONVERT_PLAN(context, fully_connected_plan, params->batch,
                                                    &params->weights, &params->plan));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    wpk_requant requant;
    void *const scratch =
        wpk_table_unpack(&params->table, context.scratch(params->scratch), &requant);
    wpk_fully_connected_s8(params->batch, &params->weights, &params->plan, &requant,
                           context.input<int8_t>(0), context.output<int8_t>(0), scratch);
    return kTfLiteOk;
}

}  // namespace

const Registration kOperator_WP_FULLY_CONNECTED = {"WP_FULLY_CONNECTED", Prepare, Invoke,
                                                   kOperatorNone};

const Registration *Register_WP_FULLY_CONNECTED() {
    return &kOperator_WP_FULLY_CONNECTED;
}

}  // namespace wpconvert
