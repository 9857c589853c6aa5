/* QUANTIZE and DEQUANTIZE between float32 and int8. */
#ifndef WPK_QUANTISE_H_
#define WPK_QUANTISE_H_

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/plan.h"

WPK_BEGIN_C

/* y = x / scale in float32, rounded half away from zero, plus the zero point, saturated. NaN
 * becomes the zero point. scale > 0 and finite. */
void wpk_quantise_f32_s8(float scale, int32_t zero_point, const float *x, int8_t *y, uint32_t n);

/* y = scale · (x − zero_point), rounded once. scratch: aligned to 4 bytes, may be NULL where its
 * size is 0. */
uint32_t wpk_dequantise_scratch_nbytes(uint32_t n);
#ifdef WPK_ANY_CORE
uint32_t wpk_dequantise_scratch_nbytes_for(wpk_core core, uint32_t n);
#endif
void wpk_dequantise_s8_f32(float scale, int32_t zero_point, const int8_t *x, float *y, uint32_t n,
                           void *scratch);

WPK_END_C

#endif /* WPK_QUANTISE_H_ */
