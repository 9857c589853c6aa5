// Binary int8 operators with broadcasting: ADD, SUB and MUL.
#ifndef WPCONVERT_OPS_BROADCAST_H_
#define WPCONVERT_OPS_BROADCAST_H_

#include "../common/elementwise.h"

namespace wpconvert {

// The operands of a binary operator, checked: int8, at most 4 dimensions, the output's shape is the
// inputs' broadcast.
bool CheckOperands(PrepareContext &context, Operands *operands);

// How the kernel walks them, with dimensions joined where that is possible.
wpk_broadcast Broadcast(const Operands &operands);

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_BROADCAST_H_
