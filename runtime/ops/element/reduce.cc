// MEAN on int8, and REDUCE_MAX on int8 and float32.
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/reduce.h"
}

namespace wpconvert {

namespace {

enum { kKeepDims = 0 };  // slot of ReducerOptions in the schema
constexpr int kGroups = 3;

// The axes to reduce as bits; 0 when they are wrong, which is recorded. Checks the output's shape.
uint32_t ReadAxes(PrepareContext &context) {
    FlatTable options;
    int32_t axes[2 * kMaxRank];
    int count;
    if (!CheckArity(context, 2, 2, 1) || !context.Options(OptionsType::kReducer, &options) ||
        !ReadIntegers(context, 1, 2 * kMaxRank, axes, &count)) {
        return 0;
    }
    const Tensor x = context.input(0);
    uint32_t mask = 0;
    for (int i = 0; i < count; ++i) {
        int axis;
        if (!CheckAxis(context, axes[i], x.rank, &axis)) {
            return 0;
        }
        mask |= 1u << axis;
    }
    if (mask == 0) {
        context.Fail("no axis to reduce");
        return 0;
    }
    int32_t dims[kMaxRank];
    int rank = 0;
    for (int i = 0; i < x.rank; ++i) {
        const bool reduced = (mask >> i & 1) != 0;
        if (!reduced || options.Bool(kKeepDims)) {
            dims[rank++] = reduced ? 1 : x.dims[i];
        }
    }
    return CheckShape(context, context.output(0), dims, rank) ? mask : 0;
}

// One more dimension, from the innermost outwards; joined to the one before where that is of the
// same kind.
struct Groups {
    int32_t *dims, *strides;
    int at;

    void Add(int32_t dim, int32_t stride, bool join) {
        if (join) {
            dims[at] *= dim;
        } else {
            --at;
            dims[at] = dim;
            strides[at] = stride;
        }
    }
};

wpk_reduce Shape(const Tensor &x, uint32_t mask) {
    wpk_reduce shape = {{1, 1, 1}, {0, 0, 0}, {1, 1, 1}, {0, 0, 0}};
    Groups kept = {shape.kept, shape.kept_stride, kGroups},
           reduced = {shape.reduced, shape.reduced_stride, kGroups};
    const Groups *previous = nullptr;
    int32_t stride = 1;
    for (int i = x.rank - 1; i >= 0; --i) {
        if (x.dims[i] == 1) {
            continue;
        }
        Groups *const own = (mask >> i & 1) != 0 ? &reduced : &kept;
        own->Add(x.dims[i], stride, own == previous);
        previous = own;
        stride *= x.dims[i];
    }
    return shape;
}

TfLiteStatus PrepareMean(PrepareContext &context) {
    wpk_mean *const mean = context.AllocateUserData<wpk_mean>();
    const uint32_t mask = mean == nullptr ? 0 : ReadAxes(context);
    if (mask == 0) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), y = context.output(0);
    if (CheckActivation(context, x) != kTfLiteOk || CheckActivation(context, y) != kTfLiteOk) {
        return kTfLiteError;
    }
    int32_t multiplier, shift;
    if (!QuantiseMultiplier(static_cast<double>(x.scale) / static_cast<double>(y.scale),
                            &multiplier, &shift)) {
        return context.Fail("the ratio of the scales is out of range");
    }
    mean->shape = Shape(x, mask);
    const uint32_t count = x.elements() / y.elements();
    // The division by the count goes into the multiplier, which first gains the bits that it loses
    // there.
    int32_t gained = 31 - __builtin_clz(count);
    gained = gained < 31 + shift ? gained : 31 + shift;
    mean->multiplier = static_cast<int32_t>((static_cast<int64_t>(multiplier) << gained) / count);
    mean->shift = shift - gained;
    mean->offset = static_cast<int32_t>(static_cast<uint32_t>(x.zero_point) * count);
    mean->output_zero_point = y.zero_point;
    return kTfLiteOk;
}

TfLiteStatus InvokeMean(InvokeContext &context) {
    wpk_mean_s8(context.user_data<wpk_mean>(), context.input<int8_t>(0), context.output<int8_t>(0));
    return kTfLiteOk;
}

struct MaxParams {
    wpk_reduce shape;
    bool is_float;
};

TfLiteStatus PrepareMax(PrepareContext &context) {
    MaxParams *const params = context.AllocateUserData<MaxParams>();
    const uint32_t mask = params == nullptr ? 0 : ReadAxes(context);
    if (mask == 0) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), y = context.output(0);
    params->is_float = x.type == TensorType::kFloat32;
    if (!params->is_float && x.type != TensorType::kInt8) {
        return context.Fail("the input is %s, supported are INT8 and FLOAT32", TypeName(x.type));
    }
    if (!CheckCopy(context, x, y) || !CheckSameQuantization(context, x, y)) {
        return kTfLiteError;
    }
    params->shape = Shape(x, mask);
    return kTfLiteOk;
}

TfLiteStatus InvokeMax(InvokeContext &context) {
    const MaxParams *const params = context.user_data<MaxParams>();
    if (params->is_float) {
        wpk_reduce_max_f32(&params->shape, context.input<float>(0), context.output<float>(0));
    } else {
        wpk_reduce_max_s8(&params->shape, context.input<int8_t>(0), context.output<int8_t>(0));
    }
    return kTfLiteOk;
}

constexpr Registration kMean = {"MEAN", PrepareMean, InvokeMean, kOperatorNone};
constexpr Registration kMax = {"REDUCE_MAX", PrepareMax, InvokeMax, kOperatorNone};

}  // namespace

const Registration *Register_MEAN() {
    return &kMean;
}

const Registration *Register_REDUCE_MAX() {
    return &kMax;
}

}  // namespace wpconvert
