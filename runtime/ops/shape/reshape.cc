// RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes in another shape.
#include <string.h>

#include "../common/checks.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

enum { kSqueezeDims = 0 };  // slot of SqueezeOptions in the schema

// A shape that is computed at run time (`dynamic`) must turn out as the output declares.
struct Params {
    uint32_t nbytes;
    bool dynamic;
    uint8_t rank;
    int32_t dims[kMaxRank];
    uint32_t wanted_size;
};

// True when `wanted`, with at most one −1 that stands for what is missing, is `dims`.
bool Resolves(const int32_t *wanted, uint32_t wanted_size, const int32_t *dims, uint32_t rank) {
    int unknown = 0;
    bool same = wanted_size == rank;
    for (uint32_t i = 0; same && i < rank; ++i) {
        unknown += wanted[i] == -1;
        same = wanted[i] == -1 || wanted[i] == dims[i];
    }
    return same && unknown <= 1;
}

TfLiteStatus PrepareView(PrepareContext &context, Params **params) {
    const Tensor x = context.input(0), y = context.output(0);
    *params = context.AllocateUserData<Params>();
    if (*params == nullptr || !CheckCopy(context, x, y)) {
        return kTfLiteError;
    }
    if (x.nbytes != y.nbytes) {
        return context.Fail("input of %d and output of %d elements", x.elements(), y.elements());
    }
    (*params)->nbytes = x.nbytes;
    return kTfLiteOk;
}

TfLiteStatus PrepareReshape(PrepareContext &context) {
    Params *params;
    if (!CheckArity(context, 1, 2, 1) || PrepareView(context, &params) != kTfLiteOk) {
        return kTfLiteError;
    }
    const Tensor shape = context.list(1), y = context.output(0);
    if (!shape.present) {
        return kTfLiteOk;
    }
    if (shape.type != TensorType::kInt32) {
        return context.Fail("the shape is %s, expected INT32", TypeName(shape.type));
    }
    if (shape.is_constant) {
        return Resolves(shape.as<int32_t>(), shape.elements(), y.dims, y.rank)
                   ? kTfLiteOk
                   : context.Fail("the output does not have the shape in input 1");
    }
    params->dynamic = true;
    params->rank = y.rank;
    params->wanted_size = shape.elements();
    memcpy(params->dims, y.dims, sizeof params->dims);
    return kTfLiteOk;
}

TfLiteStatus PrepareSqueeze(PrepareContext &context) {
    Params *params;
    FlatTable options;
    if (!CheckArity(context, 1, 1, 1) ||
        !context.OptionalOptions(OptionsType::kSqueeze, &options) ||
        PrepareView(context, &params) != kTfLiteOk) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0);
    const FlatVector listed = options.Vector(kSqueezeDims, sizeof(int32_t));
    uint32_t mask = 0;
    for (uint32_t i = 0; i < listed.size; ++i) {
        int axis;
        if (!CheckAxis(context, listed.I32(i), x.rank, &axis)) {
            return kTfLiteError;
        }
        if (x.dims[axis] != 1) {
            return context.Fail("dimension %d of %d elements cannot be removed", axis,
                                x.dims[axis]);
        }
        mask |= 1u << axis;
    }
    int32_t dims[kMaxRank];
    int rank = 0;
    for (int i = 0; i < x.rank; ++i) {
        const bool gone = mask == 0 ? x.dims[i] == 1 : (mask >> i & 1) != 0;
        if (!gone) {
            dims[rank++] = x.dims[i];
        }
    }
    return CheckShape(context, context.output(0), dims, rank) ? kTfLiteOk : kTfLiteError;
}

TfLiteStatus PrepareExpandDims(PrepareContext &context) {
    Params *params;
    int32_t axes[1];
    int count, axis;
    if (!CheckArity(context, 2, 2, 1) || PrepareView(context, &params) != kTfLiteOk ||
        !ReadIntegers(context, 1, 1, axes, &count)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0);
    if (x.rank == kMaxRank || !CheckAxis(context, axes[0], x.rank + 1, &axis)) {
        return context.Fail("a dimension cannot be added there");
    }
    int32_t dims[kMaxRank];
    for (int i = 0; i <= x.rank; ++i) {
        dims[i] = i < axis ? x.dims[i] : i == axis ? 1 : x.dims[i - 1];
    }
    return CheckShape(context, context.output(0), dims, x.rank + 1) ? kTfLiteOk : kTfLiteError;
}

TfLiteStatus Invoke(InvokeContext &context) {
    const Params *const params = context.user_data<Params>();
    if (params->dynamic &&
        !Resolves(context.input<int32_t>(1), params->wanted_size, params->dims, params->rank)) {
        return kTfLiteError;
    }
    if (context.output<void>(0) != context.input<void>(0)) {
        memcpy(context.output<void>(0), context.input<void>(0), params->nbytes);
    }
    return kTfLiteOk;
}

constexpr Registration kReshape = {"RESHAPE", PrepareReshape, Invoke, kOperatorView};
constexpr Registration kSqueeze = {"SQUEEZE", PrepareSqueeze, Invoke, kOperatorView};
constexpr Registration kExpandDims = {"EXPAND_DIMS", PrepareExpandDims, Invoke, kOperatorView};

}  // namespace

const Registration *Register_RESHAPE() {
    return &kReshape;
}

const Registration *Register_SQUEEZE() {
    return &kSqueeze;
}

const Registration *Register_EXPAND_DIMS() {
    return &kExpandDims;
}

}  // namespace wpconvert
