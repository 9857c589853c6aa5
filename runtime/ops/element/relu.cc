// RELU, RELU6 and LEAKY_RELU on int8.
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "table.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/activations.h"
}

namespace wpconvert {

namespace {

enum { kAlpha = 0 };       // slot of LeakyReluOptions in the schema
enum { kClampToSix = 3 };  // ActivationFunctionType RELU6

// The ratio of the scales, a float32, as the integers of a table.
bool Ratio(PrepareContext &context, double ratio, int32_t *multiplier, int32_t *shift) {
    if (!QuantiseMultiplier(ratio, multiplier, shift)) {
        context.Fail("the ratio of the scales is out of range");
        return false;
    }
    return true;
}

TfLiteStatus PrepareRelu(PrepareContext &context) {
    Tensor x, y;
    int32_t multiplier, shift;
    if (!CheckUnary(context, &x, &y) ||
        !Ratio(context, static_cast<double>(x.scale / y.scale), &multiplier, &shift)) {
        return kTfLiteError;
    }
    int8_t *const table = AllocateTable(context, x.elements());
    if (table == nullptr) {
        return kTfLiteError;
    }
    wpk_rescale_table(table, x.zero_point, multiplier, shift, y.zero_point, y.zero_point);
    return kTfLiteOk;
}

// TFLM clamps without rescaling, at the bounds of the input's quantisation.
TfLiteStatus PrepareRelu6(PrepareContext &context) {
    Tensor x, y;
    int8_t low, high;
    if (!CheckUnary(context, &x, &y) ||
        ActivationRange(context, kClampToSix, x, &low, &high) != kTfLiteOk) {
        return kTfLiteError;
    }
    int8_t *const table = AllocateTable(context, x.elements());
    if (table == nullptr) {
        return kTfLiteError;
    }
    wpk_clamp_table(table, low, high);
    return kTfLiteOk;
}

TfLiteStatus PrepareLeakyRelu(PrepareContext &context) {
    Tensor x, y;
    FlatTable options;
    if (!CheckUnary(context, &x, &y) || !context.Options(OptionsType::kLeakyRelu, &options)) {
        return kTfLiteError;
    }
    const double slope = static_cast<double>(x.scale) * static_cast<double>(options.F32(kAlpha)) /
                         static_cast<double>(y.scale);
    wpk_leaky_relu params = {};
    params.input_zero_point = x.zero_point;
    params.output_zero_point = y.zero_point;
    params.negative_slope = slope < 0;
    if (!Ratio(context, static_cast<double>(x.scale / y.scale), &params.positive_multiplier,
               &params.positive_shift) ||
        !Ratio(context, slope < 0 ? -slope : slope, &params.negative_multiplier,
               &params.negative_shift)) {
        return kTfLiteError;
    }
    int8_t *const table = AllocateTable(context, x.elements());
    if (table == nullptr) {
        return kTfLiteError;
    }
    wpk_leaky_relu_table(table, &params);
    return kTfLiteOk;
}

constexpr Registration kRelu = {"RELU", PrepareRelu, InvokeTable, kOperatorInPlace};
constexpr Registration kRelu6 = {"RELU6", PrepareRelu6, InvokeTable, kOperatorInPlace};
constexpr Registration kLeakyRelu = {"LEAKY_RELU", PrepareLeakyRelu, InvokeTable, kOperatorInPlace};

}  // namespace

const Registration *Register_RELU() {
    return &kRelu;
}

const Registration *Register_RELU6() {
    return &kRelu6;
}

const Registration *Register_LEAKY_RELU() {
    return &kLeakyRelu;
}

}  // namespace wpconvert
