#include "elementwise.h"

#include "requantisation.h"

namespace wpconvert {

namespace {

constexpr int kLeftShift = 20;

// A multiplier that the kernel needs below 1.
bool BelowOne(PrepareContext &context, double real, int32_t *multiplier, int32_t *shift) {
    if (!(real > 0.0 && real < 1.0) || !QuantiseMultiplier(real, multiplier, shift) || *shift > 0) {
        context.Fail("a ratio of the scales is not between 0 and 1");
        return false;
    }
    return true;
}

}  // namespace

TfLiteStatus PrepareSum(PrepareContext &context, const Operands &operands, int32_t activation,
                        wpk_sum *sum) {
    const double scale1 = static_cast<double>(operands.x1.scale),
                 scale2 = static_cast<double>(operands.x2.scale);
    const double common = 2.0 * (scale1 > scale2 ? scale1 : scale2);
    const double output_scale = (1 << kLeftShift) * static_cast<double>(operands.y.scale);
    if (!BelowOne(context, scale1 / common, &sum->multiplier1, &sum->shift1) ||
        !BelowOne(context, scale2 / common, &sum->multiplier2, &sum->shift2) ||
        !BelowOne(context, common / output_scale, &sum->output_multiplier, &sum->output_shift)) {
        return kTfLiteError;
    }
    sum->zero_point1 = operands.x1.zero_point;
    sum->zero_point2 = operands.x2.zero_point;
    sum->output_zero_point = operands.y.zero_point;
    return ActivationRange(context, activation, operands.y, &sum->activation_min,
                           &sum->activation_max);
}

TfLiteStatus PrepareProduct(PrepareContext &context, const Operands &operands, int32_t activation,
                            wpk_product *product) {
    const double real = static_cast<double>(operands.x1.scale) *
                        static_cast<double>(operands.x2.scale) /
                        static_cast<double>(operands.y.scale);
    if (!QuantiseMultiplier(real, &product->multiplier, &product->shift)) {
        return context.Fail("the ratio of the scales is out of range");
    }
    product->zero_point1 = operands.x1.zero_point;
    product->zero_point2 = operands.x2.zero_point;
    product->output_zero_point = operands.y.zero_point;
    return ActivationRange(context, activation, operands.y, &product->activation_min,
                           &product->activation_max);
}

}  // namespace wpconvert
