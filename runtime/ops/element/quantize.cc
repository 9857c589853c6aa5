// QUANTIZE from float32, or from int8 at another scale, to int8.
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/activations.h"
#include "wpk/quantise.h"
}

namespace wpconvert {

namespace {

// `table` is for int8 inputs, nullptr for float32.
struct Params {
    uint32_t elements;
    float scale;
    int32_t zero_point;
    int8_t *table;
};

bool FillTable(PrepareContext &context, const Tensor &x, const Tensor &y, int8_t *table) {
    int32_t multiplier, shift;
    if (CheckActivation(context, x) != kTfLiteOk) {
        return false;
    }
    if (!QuantiseMultiplier(static_cast<double>(x.scale) / static_cast<double>(y.scale),
                            &multiplier, &shift)) {
        context.Fail("the ratio of the scales is out of range");
        return false;
    }
    wpk_requantise_table(table, x.zero_point, multiplier, shift, y.zero_point);
    return true;
}

TfLiteStatus Prepare(PrepareContext &context) {
    if (!CheckArity(context, 1, 1, 1)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), y = context.output(0);
    if (x.type != TensorType::kFloat32 && x.type != TensorType::kInt8) {
        return context.Fail("the input is %s, supported are FLOAT32 and INT8", TypeName(x.type));
    }
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || CheckActivation(context, y) != kTfLiteOk ||
        !CheckShape(context, y, x.dims, x.rank)) {
        return kTfLiteError;
    }
    params->elements = x.elements();
    params->scale = y.scale;
    params->zero_point = y.zero_point;
    if (x.type == TensorType::kFloat32) {
        return kTfLiteOk;
    }
    params->table = static_cast<int8_t *>(context.AllocatePersistent(WPK_TABLE_NBYTES, 1));
    return params->table != nullptr && FillTable(context, x, y, params->table) ? kTfLiteOk
                                                                               : kTfLiteError;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    int8_t *const y = context.output<int8_t>(0);
    if (params->table != nullptr) {
        wpk_lookup_s8(params->table, context.input<int8_t>(0), y, params->elements);
    } else {
        wpk_quantise_f32_s8(params->scale, params->zero_point, context.input<float>(0), y,
                            params->elements);
    }
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"QUANTIZE", Prepare, Invoke, kOperatorInPlace};

}  // namespace

const Registration *Register_QUANTIZE() {
    return &kRegistration;
}

}  // namespace wpconvert
