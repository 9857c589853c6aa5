/* Transcendental functions in 32-bit fixed point, bit for bit those of TensorFlow Lite Micro.
 *
 * A Qm number has m integer bits and 31 − m fractional bits in an int32. Meant for tables and for a
 * few values per row; no function is called per element by the kernels of this library.
 */
#ifndef WPK_FIXED_POINT_H_
#define WPK_FIXED_POINT_H_

#include <stdint.h>

#include "wpk/arch.h"

WPK_BEGIN_C

/* exp(a) in Q0 for a ≤ 0 in Q(integer_bits), integer_bits 0 … 5. */
int32_t wpk_exp_on_negative_values(int32_t a, int32_t integer_bits);

/* 1 / (1 + a) in Q0 for a in [0, 1) in Q0. */
int32_t wpk_one_over_one_plus(int32_t a);

/* 1 / (1 + exp(−a)) in Q0 for a in Q4. */
int32_t wpk_logistic_q4(int32_t a);

/* tanh(a) in Q0 for a in Q4. */
int32_t wpk_tanh_q4(int32_t a);

WPK_END_C

#endif /* WPK_FIXED_POINT_H_ */
