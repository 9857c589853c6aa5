// What the WP_* operators share: options, weight blob and requantisation table, checked against
// each other.
#ifndef WPCONVERT_OPS_COMPRESSED_H_
#define WPCONVERT_OPS_COMPRESSED_H_

#include <stdint.h>

#include "../common/elementwise.h"
#include "../common/options.h"
#include "wpconvert/operator.h"
#include "wpk/table.h"
#include "wpk/weights.h"

namespace wpconvert {

// A checked operator: input 0 and output 0 are INT8 with the table's zero points, `weights` has
// `ndim` dimensions, of which the first `row_dims` are rows, and dims[channel_axis] is the table's
// channels.
TfLiteStatus ReadCompressed(PrepareContext &context, uint32_t ndim, uint32_t row_dims,
                            uint32_t channel_axis, CompressedOptions *options, wpk_weights *weights,
                            wpk_table *table);

// The same for WP_ADD and WP_MUL: `activation` is the fused one, its number in the schema.
// `weights` fits the output `repeats` times, and input 0 has the output's shape. The quantisation
// of the blob's tensor is that of the weights.
TfLiteStatus ReadConstant(PrepareContext &context, Operands *operands, int32_t *activation,
                          wpk_weights *weights, uint32_t *repeats);

// Scratch for the unpacked table, which comes first, and for the kernel.
int RequestScratch(PrepareContext &context, const wpk_table &table, uint32_t kernel_nbytes);

// What Register_WP_…() give. The adapter to TensorFlow Lite Micro has functions of those names with
// another result, so it refers to these.
#define WPCONVERT_CUSTOM(name) extern const Registration kOperator_##name;
#include "wpconvert/operators.def"

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_COMPRESSED_H_
