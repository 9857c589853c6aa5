// From the scales of ADD, SUB and MUL on int8 to the integers of their kernels.
#ifndef WPCONVERT_OPS_ELEMENTWISE_H_
#define WPCONVERT_OPS_ELEMENTWISE_H_

#include "wpconvert/operator.h"

extern "C" {
#include "wpk/elementwise.h"
}

namespace wpconvert {

// The tensors of a binary operator; CheckActivation holds for each.
struct Operands {
    Tensor x1, x2, y;
};

// ADD and SUB; `activation` is the fused one, its number in the schema.
TfLiteStatus PrepareSum(PrepareContext &context, const Operands &operands, int32_t activation,
                        wpk_sum *sum);

// MUL.
TfLiteStatus PrepareProduct(PrepareContext &context, const Operands &operands, int32_t activation,
                            wpk_product *product);

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_ELEMENTWISE_H_
