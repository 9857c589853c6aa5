/* SOFTMAX on int8 along the last axis; output scale 1/256, zero point −128. */
#ifndef WPK_SOFTMAX_H_
#define WPK_SOFTMAX_H_

#include <stdint.h>

#include "wpk/arch.h"

WPK_BEGIN_C

/* Below this depth the sum of the exponentials, each up to 2^19, is sure to fit 32 bits. */
#define WPK_SOFTMAX_MAX_DEPTH 4095

typedef struct {
    int32_t rows, depth; /* depth 1 … WPK_SOFTMAX_MAX_DEPTH */
    int32_t multiplier,
        shift; /* bring a difference of inputs to Q5: high multiply of d · 2^shift; shift 0 … 31 */
    int32_t radius; /* differences below −radius count as exp = 0; radius · 2^shift < 2^31 */
} wpk_softmax;

uint32_t wpk_softmax_scratch_nbytes(const wpk_softmax *params);

/* scratch: aligned to 4 bytes. y may be x. */
void wpk_softmax_s8(const wpk_softmax *params, const int8_t *x, int8_t *y, void *scratch);

WPK_END_C

#endif /* WPK_SOFTMAX_H_ */
