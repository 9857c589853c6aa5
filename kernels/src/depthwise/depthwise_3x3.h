/* What the 3 × 3 depthwise skeleton (depthwise_3x3.c) asks of an architecture. Private. */
#ifndef WPK_SRC_DEPTHWISE_3X3_H_
#define WPK_SRC_DEPTHWISE_3X3_H_

#include "depthwise.h"
#include "depthwise_plan.h"

#if WPK_DSP

/* A plane of int16 a channel, one after another. */
typedef int16_t wpk_dw_element;

/* Two taps a word: of each row (w0, w1) and (w1, w2), lower tap in the lower half. */
typedef struct {
    uint32_t pairs[6];
    int32_t bias;
    int32_t multiplier, right, offset; /* of the fast requantisation; right is 0 without it */
} wpk_dw_channel;
#include "depthwise_3x3_dsp.h"

#else

/* Pixels of four channels. */
typedef int8_t wpk_dw_element;

typedef struct {
    int32_t taps[9];
    int32_t bias;
    int32_t multiplier, right, offset; /* of the fast requantisation; right is 0 without it */
} wpk_dw_channel;
#include "depthwise_3x3_plain.h"

#endif

#endif /* WPK_SRC_DEPTHWISE_3X3_H_ */
