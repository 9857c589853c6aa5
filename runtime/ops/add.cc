// ADD and SUB on int8.
#include "broadcast.h"
#include "requantisation.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

enum { kActivation = 0 };  // slot of AddOptions and SubOptions in the schema
constexpr int kLeftShift = 20;

struct Params {
    wpk_broadcast shape;
    wpk_sum sum;
};

// A multiplier that the kernel needs below 1.
bool BelowOne(PrepareContext &context, double real, int32_t *multiplier, int32_t *shift) {
    if (!(real > 0.0 && real < 1.0) || !QuantiseMultiplier(real, multiplier, shift) || *shift > 0) {
        context.Fail("a ratio of the scales is not between 0 and 1");
        return false;
    }
    return true;
}

TfLiteStatus PrepareSum(PrepareContext &context, OptionsType type) {
    Operands operands;
    FlatTable options;
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || !context.Options(type, &options) ||
        !CheckOperands(context, &operands)) {
        return kTfLiteError;
    }
    const double scale1 = static_cast<double>(operands.x1.scale),
                 scale2 = static_cast<double>(operands.x2.scale);
    const double common = 2.0 * (scale1 > scale2 ? scale1 : scale2);
    const double output_scale = (1 << kLeftShift) * static_cast<double>(operands.y.scale);
    wpk_sum *const sum = &params->sum;
    if (!BelowOne(context, scale1 / common, &sum->multiplier1, &sum->shift1) ||
        !BelowOne(context, scale2 / common, &sum->multiplier2, &sum->shift2) ||
        !BelowOne(context, common / output_scale, &sum->output_multiplier, &sum->output_shift) ||
        ActivationRange(context, options.I8(kActivation), operands.y, &sum->activation_min,
                        &sum->activation_max) != kTfLiteOk) {
        return kTfLiteError;
    }
    sum->zero_point1 = operands.x1.zero_point;
    sum->zero_point2 = operands.x2.zero_point;
    sum->output_zero_point = operands.y.zero_point;
    params->shape = Broadcast(operands);
    return kTfLiteOk;
}

TfLiteStatus PrepareAdd(PrepareContext &context) {
    return PrepareSum(context, OptionsType::kAdd);
}

TfLiteStatus PrepareSub(PrepareContext &context) {
    return PrepareSum(context, OptionsType::kSub);
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
