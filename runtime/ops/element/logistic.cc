// LOGISTIC and TANH on int8. Each has one possible output quantisation.
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "table.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/activations.h"
}

namespace wpconvert {

namespace {

using MakeTable = void (*)(int8_t *table, int32_t input_zero_point, int32_t multiplier,
                           int32_t shift);

TfLiteStatus PrepareTable(PrepareContext &context, float scale, int32_t zero_point,
                          MakeTable make) {
    Tensor x, y;
    if (!CheckUnary(context, &x, &y)) {
        return kTfLiteError;
    }
    if (y.scale != scale || y.zero_point != zero_point) {
        return context.Fail("the output must have scale 1/%d and zero point %d",
                            static_cast<int>(1.0f / scale), zero_point);
    }
    constexpr double kOneInQ4 = 1 << 27;
    int32_t multiplier, shift;
    if (!QuantiseMultiplier(static_cast<double>(x.scale) * kOneInQ4, &multiplier, &shift) ||
        shift < 0 || multiplier == 0) {
        return context.Fail("the input scale is out of the range of the kernel");
    }
    int8_t *const table = AllocateTable(context, x.elements());
    if (table == nullptr) {
        return kTfLiteError;
    }
    make(table, x.zero_point, multiplier, shift);
    return kTfLiteOk;
}

TfLiteStatus PrepareLogistic(PrepareContext &context) {
    return PrepareTable(context, 1.0f / 256.0f, -128, wpk_logistic_table);
}

TfLiteStatus PrepareTanh(PrepareContext &context) {
    return PrepareTable(context, 1.0f / 128.0f, 0, wpk_tanh_table);
}

constexpr Registration kLogistic = {"LOGISTIC", PrepareLogistic, InvokeTable, kOperatorInPlace};
constexpr Registration kTanh = {"TANH", PrepareTanh, InvokeTable, kOperatorInPlace};

}  // namespace

const Registration *Register_LOGISTIC() {
    return &kLogistic;
}

const Registration *Register_TANH() {
    return &kTanh;
}

}  // namespace wpconvert
