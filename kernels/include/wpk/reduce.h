/* MEAN and REDUCE_MAX along any axes. */
#ifndef WPK_REDUCE_H_
#define WPK_REDUCE_H_

#include <stdint.h>

#include "wpk/arch.h"

WPK_BEGIN_C

/* Dimensions that stay and dimensions that are reduced, outermost first, with the distance between
 * neighbours in elements of x; unused ones have size 1. Outputs follow one another in the order of
 * the kept dimensions. A tensor of rank 6 has at most three of each after neighbours of a kind are
 * joined. */
typedef struct {
    int32_t kept[3], kept_stride[3];
    int32_t reduced[3], reduced_stride[3];
} wpk_reduce;

/* y = clamp(rescale(Σ x − offset) + output zero point), all sums wrapping in 32 bits. offset is the
 * input zero point times the number of elements; the multiplier (≥ 0) contains the division by that
 * number. shift −31 … 30. */
typedef struct {
    wpk_reduce shape;
    int32_t offset, multiplier, shift, output_zero_point;
} wpk_mean;
void wpk_mean_s8(const wpk_mean *params, const int8_t *x, int8_t *y);

void wpk_reduce_max_s8(const wpk_reduce *shape, const int8_t *x, int8_t *y);

/* A NaN never wins; without any number above it the result is the lowest finite float. */
void wpk_reduce_max_f32(const wpk_reduce *shape, const float *x, float *y);

WPK_END_C

#endif /* WPK_REDUCE_H_ */
