#include "broadcast.h"

#include "../common/checks.h"
#include "../common/requantisation.h"

namespace wpconvert {

namespace {

constexpr int kRank = 4;

// Dimension i, counted from the innermost, of a tensor with ones in front.
int32_t FromInside(const Tensor &tensor, int i) {
    return i < tensor.rank ? tensor.dims[tensor.rank - 1 - i] : 1;
}

}  // namespace

bool CheckOperands(PrepareContext &context, Operands *operands) {
    if (!CheckArity(context, 2, 2, 1)) {
        return false;
    }
    *operands = {context.input(0), context.input(1), context.output(0)};
    const Tensor &x1 = operands->x1, &x2 = operands->x2, &y = operands->y;
    const Tensor *const tensors[] = {&x1, &x2, &y};
    for (const Tensor *tensor : tensors) {
        if (CheckActivation(context, *tensor) != kTfLiteOk) {
            return false;
        }
        if (tensor->rank > kRank) {
            context.Fail("tensor %d has %d dimensions, supported are up to %d", tensor->index,
                         tensor->rank, kRank);
            return false;
        }
    }
    int32_t dims[kRank];
    const int rank = x1.rank > x2.rank ? x1.rank : x2.rank;
    for (int i = 0; i < rank; ++i) {
        const int32_t a = FromInside(x1, i), b = FromInside(x2, i);
        if (a != b && a != 1 && b != 1) {
            context.Fail("the inputs' shapes do not broadcast");
            return false;
        }
        dims[rank - 1 - i] = a == 1 ? b : a;
    }
    return CheckShape(context, y, dims, rank);
}

wpk_broadcast Broadcast(const Operands &operands) {
    wpk_broadcast result;
    for (int i = 0; i < kRank; ++i) {
        result.dims[i] = 1;
        result.stride1[i] = result.stride2[i] = 0;
    }
    int at = kRank;  // the dimension filled last
    int32_t product1 = 1, product2 = 1;
    for (int i = 0; i < operands.y.rank; ++i) {
        const int32_t dim = FromInside(operands.y, i);
        if (dim == 1) {
            continue;
        }
        const int32_t stride1 = FromInside(operands.x1, i) == 1 ? 0 : product1;
        const int32_t stride2 = FromInside(operands.x2, i) == 1 ? 0 : product2;
        product1 *= stride1 == 0 ? 1 : dim;
        product2 *= stride2 == 0 ? 1 : dim;
        if (at < kRank && stride1 == result.stride1[at] * result.dims[at] &&
            stride2 == result.stride2[at] * result.dims[at]) {
            result.dims[at] *= dim;
            continue;
        }
        --at;
        result.dims[at] = dim;
        result.stride1[at] = stride1;
        result.stride2[at] = stride2;
    }
    return result;
}

}  // namespace wpconvert
