/* How a convolution is cut into blocks of rows and tiles of pixels, and where things lie in
 * scratch. Private. */
#ifndef WPK_SRC_CONV_PLAN_H
#define WPK_SRC_CONV_PLAN_H

#include "../core/core.h"
#include "wpk/conv.h"

/* A plan, with all that follows from it for the layer. Offsets and sizes in bytes. */
typedef struct {
    bool in_place;   /* rows are read where they are, nothing is packed or decoded */
    bool pointwise;  /* a window is one pixel of the image: no gathering */
    bool vector;     /* too few pixels to pack or decode rows for */
    bool few_pixels; /* so few that what is done once per block counts */
    bool strip;      /* windows are parts of a strip: no gathering */
    bool indexed;    /* Helium: the codec packs or multiplies, no row is decoded */
    bool narrow;     /* activations lose bits after they were copied, so none is read in place */
    uint8_t form;    /* a wpk_schedule */
    const struct wpk_list_kernels *lists; /* for sparse rows as lists, or NULL */
    uint32_t group_rows, block_rows;
    uint32_t tile_pixels;
    uint32_t windows;      /* gathered or copied at a time */
    uint32_t order_nbytes; /* of the order of a row's elements, or what the codec has instead */
    /* In scratch: the block, channels, a decoded row group, an order, windows, a tile, decode
     * tables. */
    uint64_t block_nbytes, row_at, order_at, window_at, tile_at, tables_at;
} wpk_conv_layout;

static inline uint32_t wpk_conv_pixels(const wpk_conv_shape *shape) {
    return (uint32_t)shape->batch * (uint32_t)shape->out_h * (uint32_t)shape->out_w;
}

/* Output channels of a group. */
static inline uint32_t wpk_conv_group_rows(const wpk_conv_shape *shape) {
    return (uint32_t)(shape->out_c / (shape->in_c / shape->kernel_c));
}

/* Bytes of input and output. */
static inline uint64_t wpk_conv_activations(const wpk_conv_shape *s) {
    return (uint64_t)s->batch * ((uint64_t)s->in_h * (uint64_t)s->in_w * (uint64_t)s->in_c +
                                 (uint64_t)s->out_h * (uint64_t)s->out_w * (uint64_t)s->out_c);
}

/* Pointwise layers that skip no pixel multiply all of them in one run, others a row of outputs at a
 * time. */
static inline bool wpk_conv_is_one_run(const wpk_conv_shape *shape) {
    return shape->stride_h == 1 && shape->stride_w == 1 && shape->out_h == shape->in_h &&
           shape->out_w == shape->in_w;
}

wpk_conv_layout wpk_conv_layout_of(wpk_core core, const wpk_conv_shape *shape,
                                   const wpk_weights *weights, const wpk_rows_plan *plan);

/* Convolution with rows, whatever the codec: wpk_conv_plan and wpk_conv_s8 of most codecs. The
 * bytes may be more than 32 bits hold. */
uint64_t wpk_conv_rows_plan(wpk_core core, const wpk_conv_shape *shape, const wpk_weights *weights,
                            uint32_t spare, wpk_plan *plan);
void wpk_conv_rows_s8(const wpk_conv_shape *shape, const wpk_weights *weights, const wpk_plan *plan,
                      const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch);

#endif
