// PACK: tensors of one shape, stacked along a new axis.
#include "../common/checks.h"
#include "join.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

enum { kValuesCount = 0, kAxis = 1 };  // slots of PackOptions in the schema

TfLiteStatus Prepare(PrepareContext &context) {
    FlatTable options;
    const int inputs = context.inputs_size();
    int axis;
    if (!context.Options(OptionsType::kPack, &options)) {
        return kTfLiteError;
    }
    if (inputs < 1 || options.I32(kValuesCount) != inputs) {
        return context.Fail("%d inputs, the options say %d", inputs, options.I32(kValuesCount));
    }
    if (!CheckArity(context, inputs, inputs, 1)) {
        return kTfLiteError;
    }
    const Tensor first = context.input(0), y = context.output(0);
    if (first.rank == kMaxRank || !CheckAxis(context, options.I32(kAxis), first.rank + 1, &axis)) {
        return context.Fail("a dimension cannot be added there");
    }
    for (int i = 0; i < inputs; ++i) {
        const Tensor x = context.input(i);
        if (!CheckCopy(context, x, y) || !CheckShape(context, x, first.dims, first.rank)) {
            return kTfLiteError;
        }
    }
    int32_t dims[kMaxRank];
    for (int i = 0; i <= first.rank; ++i) {
        dims[i] = i < axis ? first.dims[i] : i == axis ? inputs : first.dims[i - 1];
    }
    return CheckShape(context, y, dims, first.rank + 1) &&
                   PrepareJoin(context, Product(first, 0, axis))
               ? kTfLiteOk
               : kTfLiteError;
}

constexpr Registration kRegistration = {"PACK", Prepare, InvokeJoin, kOperatorNone};

}  // namespace

const Registration *Register_PACK() {
    return &kRegistration;
}

}  // namespace wpconvert
