// SPLIT into equal parts along a constant axis.
#include <string.h>

#include "../common/checks.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/copy.h"
}

namespace wpconvert {

namespace {

enum { kNumSplits = 0 };  // slot of SplitOptions in the schema

struct Params {
    uint32_t count, parts, run_nbytes;
};

TfLiteStatus Prepare(PrepareContext &context) {
    Params *const params = context.AllocateUserData<Params>();
    const int parts = context.outputs_size();
    FlatTable options;
    int32_t axes[1];
    int count, axis;
    if (params == nullptr || !CheckArity(context, 2, 2, parts) ||
        !context.Options(OptionsType::kSplit, &options) ||
        !ReadIntegers(context, 0, 1, axes, &count)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(1);
    if (parts < 1 || options.I32(kNumSplits) != parts) {
        return context.Fail("%d outputs, the options say %d", parts, options.I32(kNumSplits));
    }
    if (!CheckAxis(context, axes[0], x.rank, &axis)) {
        return kTfLiteError;
    }
    if (x.dims[axis] % parts != 0) {
        return context.Fail("%d elements along axis %d are not divisible by %d", x.dims[axis], axis,
                            parts);
    }
    int32_t dims[kMaxRank];
    memcpy(dims, x.dims, sizeof dims);
    dims[axis] /= parts;
    for (int i = 0; i < parts; ++i) {
        const Tensor y = context.output(i);
        if (!CheckCopy(context, x, y) || !CheckShape(context, y, dims, x.rank)) {
            return kTfLiteError;
        }
    }
    params->count = Product(x, 0, axis);
    params->parts = static_cast<uint32_t>(parts);
    params->run_nbytes = x.nbytes / params->count / params->parts;
    return kTfLiteOk;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    const uint32_t run = params->run_nbytes;
    const uint8_t *from = context.input<uint8_t>(1);
    for (uint32_t i = 0; i < params->parts; ++i, from += run) {
        wpk_copy_runs(from, run * params->parts, context.output<void>(i), run, run, params->count);
    }
    return kTfLiteOk;
}

constexpr Registration kRegistration = {"SPLIT", Prepare, Invoke, kOperatorNone};

}  // namespace

const Registration *Register_SPLIT() {
    return &kRegistration;
}

}  // namespace wpconvert
