// ADD and SUB on int8.
#include "broadcast.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

enum { kActivation = 0 };  // slot of AddOptions and SubOptions in the schema

struct Params {
    wpk_broadcast shape;
    wpk_sum sum;
};

TfLiteStatus PrepareOperator(PrepareContext &context, OptionsType type) {
    Operands operands;
    FlatTable options;
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || !context.Options(type, &options) ||
        !CheckOperands(context, &operands)) {
        return kTfLiteError;
    }
    params->shape = Broadcast(operands);
    return PrepareSum(context, operands, options.I8(kActivation), &params->sum);
}

TfLiteStatus PrepareAdd(PrepareContext &context) {
    return PrepareOperator(context, OptionsType::kAdd);
}

TfLiteStatus PrepareSub(PrepareContext &context) {
    return PrepareOperator(context, OptionsType::kSub);
}

TfLiteStatus Run(InvokeContext &context, wpk_elementwise run) {
    const Params *const params = context.user_data<Params>();
    wpk_elementwise_s8(run, &params->sum, &params->shape, context.input<int8_t>(0),
                       context.input<int8_t>(1), context.output<int8_t>(0));
    return kTfLiteOk;
}

TfLiteStatus InvokeAdd(InvokeContext &context) {
    return Run(context, wpk_add_s8);
}

TfLiteStatus InvokeSub(InvokeContext &context) {
    return Run(context, wpk_sub_s8);
}

constexpr Registration kAdd = {"ADD", PrepareAdd, InvokeAdd, kOperatorInPlace};
constexpr Registration kSub = {"SUB", PrepareSub, InvokeSub, kOperatorInPlace};

}  // namespace

const Registration *Register_ADD() {
    return &kAdd;
}

const Registration *Register_SUB() {
    return &kSub;
}

}  // namespace wpconvert
