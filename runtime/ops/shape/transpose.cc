// TRANSPOSE of int8, int32 and float32.
#include "../common/checks.h"
#include "view.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

TfLiteStatus Prepare(PrepareContext &context) {
    ViewParams *const params = context.AllocateUserData<ViewParams>();
    int32_t order[kMaxRank];
    int count;
    if (params == nullptr || !CheckArity(context, 2, 2, 1) ||
        !ReadIntegers(context, 1, kMaxRank, order, &count)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), y = context.output(0);
    if (!CheckCopy(context, x, y)) {
        return kTfLiteError;
    }
    if (x.rank > kViewRank) {
        return context.Fail("%d dimensions, supported are up to %d", x.rank, kViewRank);
    }
    uint32_t seen = 0;
    for (int i = 0; i < count; ++i) {
        seen |= order[i] >= 0 && order[i] < x.rank ? 1u << order[i] : 0;
    }
    if (count != x.rank || seen != (1u << count) - 1) {
        return context.Fail("input 1 is not a permutation of the %d dimensions", x.rank);
    }
    params->view = OneElement();
    params->element_nbytes = ElementNbytes(x.type);
    int32_t dims[kViewRank];
    for (int i = 0; i < x.rank; ++i) {
        dims[i] = x.dims[order[i]];
        params->view.dims[kViewRank - x.rank + i] = dims[i];
        params->view.strides[kViewRank - x.rank + i] =
            static_cast<int32_t>(Product(x, order[i] + 1, x.rank));
    }
    return CheckShape(context, y, dims, x.rank) ? kTfLiteOk : kTfLiteError;
}

constexpr Registration kRegistration = {"TRANSPOSE", Prepare, InvokeView, kOperatorNone};

}  // namespace

const Registration *Register_TRANSPOSE() {
    return &kRegistration;
}

}  // namespace wpconvert
