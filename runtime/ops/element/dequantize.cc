// DEQUANTIZE from int8 to float32.
#include "../common/checks.h"
#include "../common/planning.h"
#include "../common/requantisation.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/quantise.h"
}

namespace wpconvert {

namespace {

struct Params {
    uint32_t elements;
    float scale;
    int32_t zero_point;
    int scratch;
};

TfLiteStatus Prepare(PrepareContext &context) {
    if (!CheckArity(context, 1, 1, 1)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), y = context.output(0);
    if (y.type != TensorType::kFloat32) {
        return context.Fail("the output is %s, expected FLOAT32", TypeName(y.type));
    }
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || CheckActivation(context, x) != kTfLiteOk ||
        !CheckShape(context, y, x.dims, x.rank)) {
        return kTfLiteError;
    }
    params->elements = x.elements();
    params->scale = x.scale;
    params->zero_point = x.zero_point;
    params->scratch = context.RequestScratch(
        WPCONVERT_PLAN(context, dequantise_scratch_nbytes, params->elements));
    return params->scratch < 0 ? kTfLiteError : kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    wpk_dequantise_s8_f32(params->scale, params->zero_point, context.input<int8_t>(0),
                          context.output<float>(0), params->elements,
                          context.scratch(params->scratch));
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"DEQUANTIZE", Prepare, Invoke, kOperatorNone};

}  // namespace

const Registration *Register_DEQUANTIZE() {
    return &kRegistration;
}

}  // namespace wpconvert
