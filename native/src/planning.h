/* The plans of layers on any core: the kernels' own planning, and what the cost model asks of it.
 */
#ifndef WPCONVERT_NATIVE_PLANNING_H_
#define WPCONVERT_NATIVE_PLANNING_H_

#include "wpk/conv.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WPN_CORES = 3 };
extern const wpk_core wpn_cores[WPN_CORES];

/* As in board.json. */
const char *wpn_core_name(wpk_core core);

/* How a core computes a layer, as the cost model asks for it. Convolutions; of depthwise ones
 * is_3x3, nbytes and, if they are 3 × 3, tile_pixels and windows: the columns of a strip or row,
 * and the rows of outputs at a time. */
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

wpn_layer_plan wpn_describe_conv(wpk_core core, const wpk_conv_shape *shape,
                                 const wpk_weights *weights, uint32_t spare);
wpn_layer_plan wpn_describe_depthwise(wpk_core core, const wpk_conv_shape *shape,
                                      const wpk_weights *weights);

#ifdef __cplusplus
}
#endif

#endif
