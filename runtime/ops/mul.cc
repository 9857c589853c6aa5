// MUL on int8.
#include "broadcast.h"
#include "requantisation.h"
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
    wpk_product *const product = &params->product;
    const double real = static_cast<double>(operands.x1.scale) *
                        static_cast<double>(operands.x2.scale) /
                        static_cast<double>(operands.y.scale);
    if (!QuantiseMultiplier(real, &product->multiplier, &product->shift)) {
        return context.Fail("the ratio of the scales is out of range");
    }
    product->zero_point1 = operands.x1.zero_point;
    product->zero_point2 = operands.x2.zero_point;
    product->output_zero_point = operands.y.zero_point;
    params->shape = Broadcast(operands);
    return ActivationRange(context, options.I8(kActivation), operands.y, &product->activation_min,
                           &product->activation_max);
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
