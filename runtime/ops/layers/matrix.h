// What FULLY_CONNECTED and WP_FULLY_CONNECTED share.
#ifndef WPCONVERT_OPS_MATRIX_H_
#define WPCONVERT_OPS_MATRIX_H_

#include <stdint.h>

#include "../common/window.h"
#include "wpconvert/operator.h"

namespace wpconvert {

// Takes input 0 as a matrix [batch, depth] and output 0 as [batch, units]; fails when they are not.
inline TfLiteStatus CheckMatrix(PrepareContext &context, uint32_t depth, uint32_t units,
                                uint32_t *batch) {
    const Tensor x = context.input(0), y = context.output(0);
    *batch = x.elements() / depth;
    if (x.elements() % depth != 0 || y.rank == 0 ||
        static_cast<uint32_t>(y.dims[y.rank - 1]) != units ||
        static_cast<uint64_t>(*batch) * units != y.elements()) {
        return context.Fail("input of %d and output of %d elements do not fit weights [%d, %d]",
                            x.elements(), y.elements(), units, depth);
    }
    if (static_cast<uint64_t>(y.elements()) * depth > kWorkLimit) {
        return context.Fail("it takes more than 2^38 multiplications");
    }
    return kTfLiteOk;
}

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_MATRIX_H_
