/* The scratch that layers need on cores other than the host's: the kernels' own planning, compiled
 * for each core. */
#ifndef WPCONVERT_NATIVE_PLANNING_H_
#define WPCONVERT_NATIVE_PLANNING_H_

#include <stdbool.h>

#include "wpk/conv.h"
#include "wpk/depthwise.h"
#include "wpk/quantise.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a core computes a layer, as the cost model asks for it. Convolutions; of depthwise ones
 * is_3x3 alone. */
typedef struct {
    uint32_t is_3x3;           /* the kernels of 3 × 3 depthwise convolutions */
    uint32_t vector;           /* too few pixels to pack or decode rows for */
    uint32_t in_place;         /* rows are read where they are */
    uint32_t pointwise, strip; /* windows are pixels of the image, or parts of a strip */
    uint32_t form;             /* wpk_schedule */
    uint32_t blocks;           /* of rows, in each group of the convolution */
    uint32_t tile_pixels;      /* multiplied at a time */
    uint32_t windows;          /* gathered or copied at a time */
    uint32_t nbytes;           /* of scratch */
} wpn_layer_plan;

typedef struct {
    const char *core; /* as in board.json */
    uint32_t (*conv)(const wpk_conv_shape *shape, const wpk_weights *weights, uint32_t spare,
                     wpk_plan *plan);
    uint32_t (*depthwise)(const wpk_conv_shape *shape, const wpk_weights *weights);
    uint32_t (*fully_connected)(uint32_t batch, const wpk_weights *weights, wpk_plan *plan);
    uint32_t (*dequantise)(uint32_t n);
    void (*describe)(bool depthwise, const wpk_conv_shape *shape, const wpk_weights *weights,
                     uint32_t spare, wpn_layer_plan *plan);
} wpn_planning;

extern const wpn_planning wpn_planning_m55, wpn_planning_m4, wpn_planning_m3;

#ifdef __cplusplus
}
#endif

#endif
