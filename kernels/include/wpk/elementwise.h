/* ADD, SUB and MUL on int8, with broadcasting. */
#ifndef WPK_ELEMENTWISE_H_
#define WPK_ELEMENTWISE_H_

#include <stdbool.h>
#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/weights.h"

WPK_BEGIN_C

/* One pass over n elements: x1 and x2 advance by step1 and step2, each 0 or 1. y may be x1 or x2
 * where that advances by 1. */
typedef void (*wpk_elementwise)(const void *params, const int8_t *x1, int32_t step1,
                                const int8_t *x2, int32_t step2, int8_t *y, int32_t n);

/* The output's shape, [1] · 4 at most, with the distance in elements between neighbours of each
 * input along each dimension; 0 where the input is repeated. The innermost stride is 0 or 1. */
typedef struct {
    int32_t dims[4], stride1[4], stride2[4];
} wpk_broadcast;

void wpk_elementwise_s8(wpk_elementwise run, const void *params, const wpk_broadcast *shape,
                        const int8_t *x1, const int8_t *x2, int8_t *y);

/* The second input is constant and repeated along the outer dimensions: element i meets weight i
 * mod rows · cols. Rows of a blob are decoded in blocks. x and y are [repeats, rows, cols]; y may
 * be x. scratch is aligned to 16 bytes and keeps nothing between calls. */
uint32_t wpk_elementwise_scratch_nbytes(const wpk_weights *weights);
void wpk_elementwise_weights_s8(wpk_elementwise run, const void *params, const wpk_weights *weights,
                                uint32_t repeats, const int8_t *x, int8_t *y, void *scratch);

/* ADD and SUB. Both inputs come to a common scale with 20 more bits, (x − zero_point) · 2^20
 * rescaled, before they are added or subtracted. Multipliers ≥ 0; shifts −31 … 0. */
typedef struct {
    int32_t zero_point1, multiplier1, shift1;
    int32_t zero_point2, multiplier2, shift2;
    int32_t output_multiplier, output_shift, output_zero_point;
    int8_t activation_min, activation_max;
} wpk_sum;

void wpk_add_s8(const void *params /* wpk_sum */, const int8_t *x1, int32_t step1, const int8_t *x2,
                int32_t step2, int8_t *y, int32_t n);
void wpk_sub_s8(const void *params /* wpk_sum */, const int8_t *x1, int32_t step1, const int8_t *x2,
                int32_t step2, int8_t *y, int32_t n);

/* MUL. Multiplier ≥ 0, shift −31 … 30. */
typedef struct {
    int32_t zero_point1, zero_point2;
    int32_t multiplier, shift, output_zero_point;
    int8_t activation_min, activation_max;
} wpk_product;

void wpk_mul_s8(const void *params /* wpk_product */, const int8_t *x1, int32_t step1,
                const int8_t *x2, int32_t step2, int8_t *y, int32_t n);

WPK_END_C

#endif /* WPK_ELEMENTWISE_H_ */
