// WP_ADD and WP_MUL: ADD and MUL with a compressed constant (docs/FORMAT.md, "Operators").
#include "../common/elementwise.h"
#include "compressed.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

template <typename Arithmetic>
struct Params {
    uint32_t repeats;
    wpk_weights weights;
    Arithmetic arithmetic;
    int scratch;
};

template <typename Arithmetic>
TfLiteStatus Prepare(PrepareContext &context,
                     TfLiteStatus (*prepare)(PrepareContext &, const Operands &, int32_t,
                                             Arithmetic *)) {
    auto *const params = context.AllocateUserData<Params<Arithmetic>>();
    Operands operands;
    int32_t activation;
    if (params == nullptr ||
        ReadConstant(context, &operands, &activation, &params->weights, &params->repeats) !=
            kTfLiteOk ||
        prepare(context, operands, activation, &params->arithmetic) != kTfLiteOk) {
        return kTfLiteError;
    }
    params->scratch = context.RequestScratch(wpk_elementwise_scratch_nbytes(&params->weights));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

template <typename Arithmetic>
TfLiteStatus Run(InvokeContext &context, wpk_elementwise run) {
    const auto *const params = context.user_data<Params<Arithmetic>>();
    wpk_elementwise_weights_s8(run, &params->arithmetic, &params->weights, params->repeats,
                               context.input<int8_t>(0), context.output<int8_t>(0),
                               context.scratch(params->scratch));
    return kTfLiteOk;
}

TfLiteStatus PrepareAdd(PrepareContext &context) {
    return Prepare(context, PrepareSum);
}

TfLiteStatus PrepareMul(PrepareContext &context) {
    return Prepare(context, PrepareProduct);
}

TfLiteStatus InvokeAdd(InvokeContext &context) {
    return Run<wpk_sum>(context, wpk_add_s8);
}

TfLiteStatus InvokeMul(InvokeContext &context) {
    return Run<wpk_product>(context, wpk_mul_s8);
}

}  // namespace

const Registration kOperator_WP_ADD = {"WP_ADD", PrepareAdd, InvokeAdd, kOperatorInPlace};
const Registration kOperator_WP_MUL = {"WP_MUL", PrepareMul, InvokeMul, kOperatorInPlace};

const Registration *Register_WP_ADD() {
    return &kOperator_WP_ADD;
}

const Registration *Register_WP_MUL() {
    return &kOperator_WP_MUL;
}

}  // namespace wpconvert
