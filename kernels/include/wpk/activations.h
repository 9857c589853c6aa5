/* Unary operators on int8: a table of 256 outputs, built once, and one look-up per element.
 *
 * A table is indexed by the input read as an unsigned byte: entries 0 … 127, then −128 … −1.
 * Multipliers are ≥ 0 with multiplier · 2^(shift − 31) the real factor, shift −31 … 30.
 */
#ifndef WPK_ACTIVATIONS_H_
#define WPK_ACTIVATIONS_H_

#include <stdbool.h>
#include <stdint.h>

#include "wpk/arch.h"

WPK_BEGIN_C

enum { WPK_TABLE_NBYTES = 256 };

/* y[i] = table[x[i]] for n elements; y may be x. */
void wpk_lookup_s8(const int8_t *table, const int8_t *x, int8_t *y, uint32_t n);

/* x − input zero point, rescaled, plus the output zero point, not below `low`: RELU with low =
 * output zero point, a change of quantisation with low = −128. */
void wpk_rescale_table(int8_t *table, int32_t input_zero_point, int32_t multiplier, int32_t shift,
                       int32_t output_zero_point, int32_t low);

/* The same, the sum with the output zero point wrapping in 32 bits: QUANTIZE. */
void wpk_requantise_table(int8_t *table, int32_t input_zero_point, int32_t multiplier,
                          int32_t shift, int32_t output_zero_point);

/* RELU6: x clamped to [low, high]; high wins where they cross. */
void wpk_clamp_table(int8_t *table, int32_t low, int32_t high);

typedef struct {
    int32_t input_zero_point, output_zero_point;
    int32_t positive_multiplier, positive_shift; /* for x ≥ input_zero_point */
    int32_t negative_multiplier,
        negative_shift;  /* for x < input_zero_point: |alpha| · the ratio of the scales */
    bool negative_slope; /* alpha < 0 */
} wpk_leaky_relu;
void wpk_leaky_relu_table(int8_t *table, const wpk_leaky_relu *params);

typedef struct {
    int32_t input_zero_point, output_zero_point;
    int32_t output_multiplier, output_shift; /* 15 fractional bits; shift −15 … 0 */
    int32_t relu_multiplier, relu_shift;     /* 15 fractional bits; shift −15 … 30 */
} wpk_hard_swish;
void wpk_hard_swish_table(int8_t *table, const wpk_hard_swish *params);

/* LOGISTIC and TANH. multiplier and shift (0 … 30) bring x − input zero point to Q4. Output scale
 * and zero point are 1/256 and −128, and 1/128 and 0. */
void wpk_logistic_table(int8_t *table, int32_t input_zero_point, int32_t multiplier, int32_t shift);
void wpk_tanh_table(int8_t *table, int32_t input_zero_point, int32_t multiplier, int32_t shift);

WPK_END_C

#endif /* WPK_ACTIVATIONS_H_ */
