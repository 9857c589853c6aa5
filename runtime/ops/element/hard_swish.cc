// HARD_SWISH on int8.
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "table.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/activations.h"
}

namespace wpconvert {

namespace {

// A multiplier with 15 fractional bits and its shift.
bool Multiplier16(PrepareContext &context, float real, int32_t *multiplier, int32_t *shift) {
    if (!QuantiseMultiplier(static_cast<double>(real), multiplier, shift) || *shift < -15) {
        context.Fail("a ratio of the scales is out of the range of 16-bit arithmetic");
        return false;
    }
    constexpr int32_t kHalf = 1 << 15;
    *multiplier = *multiplier >= INT32_MAX - kHalf ? kHalf - 1 : (*multiplier + kHalf) >> 16;
    return true;
}

TfLiteStatus Prepare(PrepareContext &context) {
    Tensor x, y;
    if (!CheckUnary(context, &x, &y)) {
        return kTfLiteError;
    }
    const float fine_scale = x.scale / 128.0f;
    const float relu_scale = 3.0f / 32768.0f;
    wpk_hard_swish params = {};
    params.input_zero_point = x.zero_point;
    params.output_zero_point = y.zero_point;
    if (!Multiplier16(context, fine_scale / y.scale, &params.output_multiplier,
                      &params.output_shift) ||
        !Multiplier16(context, fine_scale / relu_scale, &params.relu_multiplier,
                      &params.relu_shift)) {
        return kTfLiteError;
    }
    if (params.output_shift > 0) {
        return context.Fail("the input scale is more than 128 times the output scale");
    }
    int8_t *const table = AllocateTable(context, x.elements());
    if (table == nullptr) {
        return kTfLiteError;
    }
    wpk_hard_swish_table(table, &params);
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"HARD_SWISH", Prepare, InvokeTable, kOperatorInPlace};

}  // namespace

const Registration *Register_HARD_SWISH() {
    return &kRegistration;
}

}  // namespace wpconvert
