// Unary int8 operators that look their outputs up in a table of 256 bytes, made in Prepare
// (wpk/activations.h).
#ifndef WPCONVERT_OPS_TABLE_H_
#define WPCONVERT_OPS_TABLE_H_

#include <stdint.h>

#include "wpconvert/operator.h"

namespace wpconvert {

// Memory for the table, and what InvokeTable needs; nullptr when the arena is full.
int8_t *AllocateTable(PrepareContext &context, uint32_t elements);

// Input 0 to output 0 through the table.
TfLiteStatus InvokeTable(InvokeContext &context);

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_TABLE_H_
