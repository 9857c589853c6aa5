// Checks that many operators share. Each fails the operator with a reason and says so.
#ifndef WPCONVERT_OPS_CHECKS_H_
#define WPCONVERT_OPS_CHECKS_H_

#include <stdint.h>

#include "wpconvert/operator.h"

namespace wpconvert {

// The numbers of inputs (low … high, absent optional ones included) and outputs, and that inputs 0
// … low − 1 are present.
bool CheckArity(PrepareContext &context, int low, int high, int outputs);

// `tensor` has these dimensions.
bool CheckShape(PrepareContext &context, const Tensor &tensor, const int32_t *dims, int rank);

// Input 0 and output 0 are int8 with one scale each, of the same shape; no other input.
bool CheckUnary(PrepareContext &context, Tensor *x, Tensor *y);

// x and y have one type, INT8, INT32 or FLOAT32: what operators that copy elements take.
bool CheckCopy(PrepareContext &context, const Tensor &x, const Tensor &y);

// int8 tensors share scale and zero point; other types pass.
bool CheckSameQuantization(PrepareContext &context, const Tensor &x, const Tensor &y);

// An axis of a tensor of `rank` dimensions, counted from the end where it is negative, made
// non-negative.
bool CheckAxis(PrepareContext &context, int32_t axis, int rank, int *positive);

// The elements of a constant INT32 input, at most `capacity` of them.
bool ReadIntegers(PrepareContext &context, int position, int capacity, int32_t *values, int *count);

// Product of the dimensions [first, end).
uint32_t Product(const Tensor &tensor, int first, int end);

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_CHECKS_H_
