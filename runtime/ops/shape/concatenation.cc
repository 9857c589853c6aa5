// CONCATENATION of tensors of one scale.
#include <string.h>

#include "../common/checks.h"
#include "join.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

enum { kAxis = 0, kActivation = 1 };  // slots of ConcatenationOptions in the schema

TfLiteStatus Prepare(PrepareContext &context) {
    FlatTable options;
    const int inputs = context.inputs_size();
    int axis;
    if (inputs < 1 || !CheckArity(context, inputs, inputs, 1)) {
        return context.Fail("%d inputs and %d outputs, expected at least one and one", inputs,
                            context.outputs_size());
    }
    if (!context.Options(OptionsType::kConcatenation, &options)) {
        return kTfLiteError;
    }
    if (options.I8(kActivation) != 0) {
        return context.Fail("a fused activation is not supported");
    }
    const Tensor first = context.input(0), y = context.output(0);
    if (!CheckAxis(context, options.I32(kAxis), first.rank, &axis)) {
        return kTfLiteError;
    }
    int32_t dims[kMaxRank];
    memcpy(dims, first.dims, sizeof dims);
    int64_t length = 0;
    for (int i = 0; i < inputs; ++i) {
        const Tensor x = context.input(i);
        dims[axis] = x.rank > axis ? x.dims[axis] : 0;
        if (!CheckCopy(context, x, y) || !CheckSameQuantization(context, x, y) ||
            !CheckShape(context, x, dims, first.rank)) {
            return kTfLiteError;
        }
        length += dims[axis];
    }
    dims[axis] = length > INT32_MAX ? 0 : static_cast<int32_t>(length);
    return CheckShape(context, y, dims, first.rank) && PrepareJoin(context, Product(first, 0, axis))
               ? kTfLiteOk
               : kTfLiteError;
}

constexpr Registration kRegistration = {"CONCATENATION", Prepare, InvokeJoin, kOperatorNone};

}  // namespace

const Registration *Register_CONCATENATION() {
    return &kRegistration;
}

}  // namespace wpconvert
