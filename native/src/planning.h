/* The scratch that layers need on cores other than the host's: the kernels' own planning, compiled
 * for each core. */
#ifndef WPCONVERT_NATIVE_PLANNING_H_
#define WPCONVERT_NATIVE_PLANNING_H_

#include "wpk/depthwise.h"
#include "wpk/quantise.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *core; /* as in board.json */
    uint32_t (*conv)(const wpk_conv_shape *shape, const wpk_weights *weights);
    uint32_t (*depthwise)(const wpk_conv_shape *shape, const wpk_weights *weights);
    uint32_t (*fully_connected)(uint32_t batch, const wpk_weights *weights);
    uint32_t (*dequantise)(uint32_t n);
} wpn_planning;

extern const wpn_planning wpn_planning_m55, wpn_planning_m4, wpn_planning_m3;

#ifdef __cplusplus
}
#endif

#endif
