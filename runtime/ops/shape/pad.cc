// PAD and PADV2 of int8, int32 and float32, with constant padding.
#include "../common/checks.h"
#include "../common/requantisation.h"
#include "wpconvert/operators.h"

extern "C" {
#include "wpk/copy.h"
}

namespace wpconvert {

namespace {

constexpr int kRank = 4;

struct Params {
    wpk_pad pad;
    uint32_t element_nbytes;
    int32_t fill;  // of PAD; its first byte is an int8 fill
};

bool FillPad(PrepareContext &context, Params *params) {
    const Tensor x = context.input(0), table = context.input(1), y = context.output(0);
    int32_t pads[2 * kRank], dims[kRank];
    int count;
    if (!CheckCopy(context, x, y) || !ReadIntegers(context, 1, 2 * kRank, pads, &count)) {
        return false;
    }
    if (x.rank > kRank || table.rank != 2 || table.dims[0] != x.rank || table.dims[1] != 2) {
        context.Fail("the padding must be [%d, 2], for at most %d dimensions", x.rank, kRank);
        return false;
    }
    for (int i = 0; i < kRank; ++i) {
        params->pad.dims[i] = 1;
    }
    for (int i = 0; i < x.rank; ++i) {
        const int32_t before = pads[2 * i], after = pads[2 * i + 1];
        const int64_t dim = static_cast<int64_t>(before) + x.dims[i] + after;
        if (before < 0 || after < 0 || dim > INT32_MAX) {
            context.Fail("padding %d and %d along dimension %d", before, after, i);
            return false;
        }
        const int at = kRank - x.rank + i;
        params->pad.dims[at] = x.dims[i];
        params->pad.before[at] = before;
        params->pad.after[at] = after;
        dims[i] = static_cast<int32_t>(dim);
    }
    params->element_nbytes = ElementNbytes(x.type);
    return CheckShape(context, y, dims, x.rank);
}

TfLiteStatus PreparePad(PrepareContext &context) {
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || !CheckArity(context, 2, 2, 1) || !FillPad(context, params)) {
        return kTfLiteError;
    }
    const Tensor y = context.output(0);
    if (y.type == TensorType::kInt8) {
        if (CheckActivation(context, y) != kTfLiteOk) {
            return kTfLiteError;
        }
        params->fill = y.zero_point;
    }
    return kTfLiteOk;
}

TfLiteStatus PreparePadV2(PrepareContext &context) {
    Params *const params = context.AllocateUserData<Params>();
    if (params == nullptr || !CheckArity(context, 3, 3, 1) || !FillPad(context, params)) {
        return kTfLiteError;
    }
    const Tensor fill = context.input(2), y = context.output(0);
    if (!CheckCopy(context, fill, y) || !CheckSameQuantization(context, fill, y)) {
        return kTfLiteError;
    }
    return fill.elements() == 1 ? kTfLiteOk
                                : context.Fail("%d fill values, expected one", fill.elements());
}

TfLiteStatus Run(InvokeContext &context, const void *fill) {
    const Params *const params = context.user_data<Params>();
    wpk_pad_copy(&params->pad, params->element_nbytes, fill, context.input<void>(0),
                 context.output<void>(0));
    return kTfLiteOk;
}

TfLiteStatus InvokePad(InvokeContext &context) {
    return Run(context, &context.user_data<Params>()->fill);
}

TfLiteStatus InvokePadV2(InvokeContext &context) {
    return Run(context, context.input<void>(2));
}

constexpr Registration kPad = {"PAD", PreparePad, InvokePad, kOperatorNone};
constexpr Registration kPadV2 = {"PADV2", PreparePadV2, InvokePadV2, kOperatorNone};

}  // namespace

const Registration *Register_PAD() {
    return &kPad;
}

const Registration *Register_PADV2() {
    return &kPadV2;
}

}  // namespace wpconvert
