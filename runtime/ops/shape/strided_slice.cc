// STRIDED_SLICE of int8, int32 and float32, with constant begin, end and strides.
#include "../common/checks.h"
#include "view.h"
#include "wpconvert/operators.h"

namespace wpconvert {

namespace {

// Slots of StridedSliceOptions in the schema.
enum {
    kBeginMask = 0,
    kEndMask = 1,
    kEllipsisMask = 2,
    kNewAxisMask = 3,
    kShrinkAxisMask = 4,
    kOffset = 5
};

constexpr int kRank = 4;

// A begin or an end as an index: negative ones count from behind, and what lies outside moves to
// the border.
int64_t Place(int32_t value, int32_t dim, int64_t low, int64_t high) {
    const int64_t index = value < 0 ? static_cast<int64_t>(value) + dim : value;
    return index < low ? low : index > high ? high : index;
}

struct Axis {
    int64_t first, size;
};

// The elements first, first + stride, … of an axis before `end`.
Axis Slice(int32_t dim, bool has_begin, int32_t begin, bool has_end, int32_t end, int64_t stride) {
    const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? dim : dim - 1;
    const int64_t first = has_begin ? Place(begin, dim, low, high) : stride > 0 ? low : high;
    const int64_t last = has_end ? Place(end, dim, low, high) : stride > 0 ? high : low;
    const int64_t size =
        stride > 0 ? (last - first + stride - 1) / stride : (first - last - stride - 1) / -stride;
    return {first, size < 0 ? 0 : size};
}

TfLiteStatus Prepare(PrepareContext &context) {
    ViewParams *const params = context.AllocateUserData<ViewParams>();
    FlatTable options;
    int32_t begin[kRank], end[kRank], strides[kRank];
    int begins, ends, stride_count;
    if (params == nullptr || !CheckArity(context, 4, 4, 1) ||
        !context.Options(OptionsType::kStridedSlice, &options) ||
        !ReadIntegers(context, 1, kRank, begin, &begins) ||
        !ReadIntegers(context, 2, kRank, end, &ends) ||
        !ReadIntegers(context, 3, kRank, strides, &stride_count)) {
        return kTfLiteError;
    }
    const Tensor x = context.input(0), y = context.output(0);
    if (!CheckCopy(context, x, y)) {
        return kTfLiteError;
    }
    if (options.I32(kEllipsisMask) != 0 || options.I32(kNewAxisMask) != 0 ||
        options.Bool(kOffset)) {
        return context.Fail("ellipsis, new-axis and offset slices are not supported");
    }
    if (x.rank > kRank || begins != x.rank || ends != x.rank || stride_count != x.rank) {
        return context.Fail(
            "begin, end and strides must have one entry for each of %d dimensions, at most %d",
            x.rank, kRank);
    }
    params->view = OneElement();
    params->element_nbytes = ElementNbytes(x.type);
    int32_t dims[kRank];
    int rank = 0;
    for (int i = 0; i < x.rank; ++i) {
        if (strides[i] == 0) {
            return context.Fail("stride 0 along axis %d", i);
        }
        const bool has_begin = (options.I32(kBeginMask) >> i & 1) == 0,
                   has_end = (options.I32(kEndMask) >> i & 1) == 0;
        Axis axis = Slice(x.dims[i], has_begin, begin[i], has_end, end[i], strides[i]);
        const int32_t step = static_cast<int32_t>(Product(x, i + 1, x.rank));
        if ((options.I32(kShrinkAxisMask) >> i & 1) != 0) {
            if (strides[i] != 1 || axis.first < 0 || axis.first >= x.dims[i]) {
                return context.Fail("axis %d cannot shrink to one element", i);
            }
            axis.size = 1;
        } else {
            dims[rank++] = static_cast<int32_t>(axis.size);
        }
        // Else `first` may lie behind the last element, and its place beyond 32 bits.
        if (axis.size < 1) {
            return context.Fail("the slice has no elements along axis %d", i);
        }
        params->view.first += static_cast<int32_t>(axis.first) * step;
        params->view.dims[kViewRank - x.rank + i] = static_cast<int32_t>(axis.size);
        // The distance between neighbours is inside the tensor, or there is only one.
        params->view.strides[kViewRank - x.rank + i] = axis.size > 1 ? strides[i] * step : 0;
    }
    return CheckShape(context, y, dims, rank) ? kTfLiteOk : kTfLiteError;
}

constexpr Registration kRegistration = {"STRIDED_SLICE", Prepare, InvokeView, kOperatorNone};

}  // namespace

const Registration *Register_STRIDED_SLICE() {
    return &kRegistration;
}

}  // namespace wpconvert
