// MUL on int8.
#include "broadcast.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

enum { kActivation = 0 };  // slot of MulOptions in the schema

struct Params {
    wpk_broadcast shape;
    wpk_product product;
};

TfLiteStatus Prepare(PrepareContext &context) {
    Operands operands;
    FlatTable options;
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || !context.Options(OptionsType::kMul, &options) ||
        !CheckOperands(context, &operands)) {
        return kTfLiteError;
    }
    params->shape = Broadcast(operands);
    return PrepareProduct(context, operands, options.I8(kActivation), &params->product);
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    wpk_elementwise_s8(wpk_mul_s8, &params->product, &params->shape, context.input<int8_t>(0),
                       context.input<int8_t>(1), context.output<int8_t>(0));
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"MUL", Prepare, Invoke, kOperatorInPlace};

}  // namespace

const Registration *Register_MUL() {
    return &kRegistration;
}

}  // namespace wpconvert
