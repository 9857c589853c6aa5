// Operators that join tensors along an axis: CONCATENATION and PACK.
#ifndef WPCONVERT_OPS_JOIN_H_
#define WPCONVERT_OPS_JOIN_H_

#include "wpconvert/operator.h"

namespace wpconvert {

// The output is `count` times one run of each input, in order. run_nbytes has one entry per input.
struct JoinParams {
    uint32_t count, inputs, output_pitch;
    uint32_t *run_nbytes;
};

// Parameters for the inputs there are, with `count` outer positions; run lengths are nbytes / count
// of each input.
bool PrepareJoin(PrepareContext &context, uint32_t count);

TfLiteStatus InvokeJoin(InvokeContext &context);

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_JOIN_H_
