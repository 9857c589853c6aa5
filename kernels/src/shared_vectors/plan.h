/* How a layer of pool indices is planned for a core, and where things lie in scratch. Private. */
#ifndef WPK_SRC_POOL_PLAN_H
#define WPK_SRC_POOL_PLAN_H

#include "../base/arithmetic.h"
#include "../core/core.h"
#include "wpk/conv.h"

/* wpk_pool_plan.flags: products come from the look-up table; the offsets of all groups are kept,
 * for all bands and tiles. */
enum { WPK_POOL_LOOKS_UP = 1, WPK_POOL_KEEPS = 2 };

enum { WPK_POOL_MAX_KERNEL = 16, WPK_POOL_MAX_STRIDE_W = 8, WPK_POOL_DIRECT_PIXELS = 4 };

/* With a horizontal stride, a row of products has a segment for each column modulo the stride that
 * a tap reads, so that neighbouring outputs read neighbouring words. In words. */
typedef struct {
    uint32_t phase, first, width;
} wpk_pool_segment;

/* What the layout of schedule PRODUCTS takes from the layer. */
typedef struct {
    const wpk_pool *pool;
    uint32_t height;           /* of the outputs */
    uint32_t taps, groups;     /* of a filter; of channels */
    uint32_t reach;            /* rows of outputs below its own that an input row adds to */
    uint32_t segments, margin; /* of a row of products; words beside those of the outputs */
} wpk_pool_span;

/* A plan, with all that follows from it for the layer. A tile is `columns` columns of outputs of
 * `filters` filters. It is computed in bands of `rows` rows from top to bottom; sums of the `slots`
 * rows that a band's input rows add to are kept. Products of `groups` groups of channels are there
 * at a time. */
typedef struct {
    wpk_schedule schedule;
    bool looks_up; /* products come from the look-up table */
    bool builds;   /* the table is made in scratch */
    bool wide;
    bool keeps; /* the offsets of all groups, for all bands and tiles */
    uint32_t filters, columns, rows, groups, slots;
    uint32_t words;   /* of a row of outputs of a tile */
    uint32_t pitch;   /* of a row of products, in words */
    uint32_t vectors; /* for one row of products */
    /* Bytes from the start of scratch. */
    uint64_t prepared_at, offsets_at, vectors_at, products_at, constants_at, sums_at, nbytes;
} wpk_pool_layout;

/* Helium multiplies decoded rows faster than anything else. */
static inline bool wpk_pool_just_gathers(wpk_core core, const wpk_pool *pool) {
#ifdef WPK_POOL_FORCE
    (void)core, (void)pool;
    return false;
#else
    return wpk_of(core)->helium && pool->lut_shift == 0;
#endif
}

/* Of a plan of schedule DIRECT or PRODUCTS. */
wpk_pool_layout wpk_pool_layout_of(wpk_core core, const wpk_conv_shape *shape,
                                   const wpk_weights *weights, const wpk_pool_plan *plan);

/* The parts of that, for planning. wpk_pool_lay_rows: all that depends on filters, columns, groups
 * and what is kept; false if offsets would not fit. wpk_pool_lay_sums: what depends on rows, too.
 */
wpk_pool_layout wpk_pool_direct_layout(const wpk_blob *blob);
wpk_pool_span wpk_pool_span_of(const wpk_conv_shape *shape, const wpk_weights *weights);
bool wpk_pool_lay_rows(wpk_core core, const wpk_pool_span *span, wpk_pool_layout *layout);
void wpk_pool_lay_sums(const wpk_pool_span *span, wpk_pool_layout *layout);

/* Bytes of the constants and of the sums of a slot. */
static inline uint64_t wpk_pool_constants_nbytes(const wpk_pool_layout *layout) {
    return 4ull * (layout->filters + 1);
}

static inline uint64_t wpk_pool_sums_nbytes(const wpk_pool_layout *layout) {
    return (layout->wide ? 4ull : 8ull) * layout->filters * layout->words;
}

/* Segments of a row of products for `words` words of outputs, WPK_POOL_MAX_STRIDE_W at most, and
 * how many there are. */
uint32_t wpk_pool_segments(const wpk_conv_shape *shape, uint32_t words, wpk_pool_segment *segments);

/* A fully connected layer is a convolution of a row of `batch` pixels. */
static inline wpk_conv_shape wpk_pool_row_of_pixels(uint32_t batch, const wpk_weights *weights) {
    const int32_t pixels = (int32_t)batch, depth = (int32_t)weights->cols;
    const wpk_conv_shape shape = {
        .batch = 1,
        .in_h = 1,
        .in_w = pixels,
        .in_c = depth,
        .out_h = 1,
        .out_w = pixels,
        .out_c = (int32_t)weights->rows,
        .kernel_h = 1,
        .kernel_w = 1,
        .kernel_c = depth,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
    };
    return shape;
}

/* The layers of the codec. */
extern const struct wpk_layer_kernels wpk_pool_layers;

uint32_t wpk_pool_conv_plan(wpk_core core, const wpk_conv_shape *shape, const wpk_weights *weights,
                            uint32_t spare, wpk_plan *plan);
uint32_t wpk_pool_fully_connected_plan(wpk_core core, uint32_t batch, const wpk_weights *weights,
                                       wpk_plan *plan);

#endif
