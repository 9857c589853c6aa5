// SHAPE: the dimensions of the input, as int32.
#include <string.h>

#include "../common/checks.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

struct Params {
    int32_t dims[kMaxRank];
    uint32_t nbytes;
};

TfLiteStatus Prepare(PrepareContext &context) {
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || !CheckArity(context, 1, 1, 1)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), y = context.output(0);
    if (y.type != TensorType::kInt32) {
        return context.Fail("the output is %s, expected INT32", TypeName(y.type));
    }
    const int32_t rank = x.rank;
    memcpy(params->dims, x.dims, sizeof params->dims);
    params->nbytes = y.nbytes;
    return CheckShape(context, y, &rank, 1) ? kTfLiteOk : kTfLiteError;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    memcpy(context.output<void>(0), params->dims, params->nbytes);
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"SHAPE", Prepare, Invoke, kOperatorNone};

}  // namespace

const Registration *Register_SHAPE() {
    return &kRegistration;
}

}  // namespace wpconvert
