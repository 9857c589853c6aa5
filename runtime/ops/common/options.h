// custom_options of the WP_* operators (docs/FORMAT.md, "Operators").
#ifndef WPCONVERT_OPS_OPTIONS_H_
#define WPCONVERT_OPS_OPTIONS_H_

#include <stdint.h>

#include "window.h"
#include "wpconvert/operator.h"
#include "wpk/weights.h"

namespace wpconvert {

constexpr uint32_t kMaxFilterDims = 4;

struct CompressedOptions {
    int32_t activation;              // its number in the schema
    int32_t padding;                 // likewise
    int32_t stride[2], dilation[2];  // height, width; each ≥ 1
    int32_t depth_multiplier;        // ≥ 1
    int32_t act_bits;                // 1 … 8; 8 unless the codec is pool
    int32_t filter[kMaxFilterDims];  // the shape of the weights, unless …
    uint32_t filter_ndim;            // … this is 0
};

// All documented entries, whichever of them an operator needs: every reader refuses the same
// options. `codec` is the blob's.
TfLiteStatus ReadOptions(PrepareContext &context, const wpk_codec &codec,
                         CompressedOptions *options);

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_OPTIONS_H_
