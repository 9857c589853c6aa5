// From the scales of a builtin operator to the integers its kernel wants. The only float arithmetic
// there is, in Prepare.
#ifndef WPCONVERT_OPS_REQUANTISATION_H_
#define WPCONVERT_OPS_REQUANTISATION_H_

#include <stdint.h>

#include "wpconvert/operator.h"
#include "wpk/table.h"

namespace wpconvert {

// real ≈ multiplier · 2^(shift − 31), multiplier 0 or in [2^30, 2^31), shift −31 … 30. Below 2^-32
// it is 0. False for a real that is negative, not finite or too large.
bool QuantiseMultiplier(double real, int32_t *multiplier, int32_t *shift);

// An int8 tensor with one positive finite scale and a zero point in the range of int8; fails
// otherwise.
TfLiteStatus CheckActivation(PrepareContext &context, const Tensor &tensor);

// Bounds of a fused activation (its number in the schema) in the quantised domain of an int8
// output; fails for those that are not a clamp.
TfLiteStatus ActivationRange(PrepareContext &context, int32_t activation, const Tensor &output,
                             int8_t *low, int8_t *high);

// What a weighted sum needs to become an output.
struct RequantSource {
    Tensor x, weights, bias, y;  // bias may be absent
    int32_t channel_axis;        // dimension of the weights that counts output channels
    int32_t activation;          // fused, its number in the schema
    bool fold;  // put the input zero point into a copy of the bias; needs constant weights
    bool fully_connected;  // with one filter scale, the bias must have the product of the scales
};

// Checks types and quantisation and fills `requant`; multipliers, and a folded bias, are in
// persistent memory. The pointer to a bias that is not constant stays NULL.
TfLiteStatus PrepareRequant(PrepareContext &context, const RequantSource &source,
                            wpk_requant *requant);

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_REQUANTISATION_H_
