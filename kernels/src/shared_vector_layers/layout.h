/* Where the parts of a layer with shared vectors lie in scratch. Private. */
#ifndef WPK_SRC_SV_LAYOUT_H
#define WPK_SRC_SV_LAYOUT_H

#include "../base/arithmetic.h"
#include "../core/core.h"
#include "wpk/conv.h"
#include "wpk/shared_vectors.h"

/* wpk_tiles_plan.flags: products come from the look-up table; the offsets of all groups are kept,
 * for all bands and tiles. */
enum { WPK_SV_LOOKS_UP = 1, WPK_SV_KEEPS = 2 };

enum { WPK_SV_MAX_KERNEL = 16, WPK_SV_MAX_STRIDE_W = 8, WPK_SV_DIRECT_PIXELS = 4 };

/* With a horizontal stride, a row of products has a segment for each column modulo the stride that
 * a tap reads, so that neighbouring outputs read neighbouring words. In words. */
typedef struct {
    uint32_t phase, first, width;
} wpk_sv_segment;

/* What the layout of schedule PRODUCTS takes from the layer. */
typedef struct {
    const wpk_shared_vectors *shared;
    uint32_t height;           /* of the outputs */
    uint32_t taps, groups;     /* of a filter; of channels */
    uint32_t reach;            /* rows of outputs below its own that an input row adds to */
    uint32_t segments, margin; /* of a row of products; words beside those of the outputs */
} wpk_sv_span;

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
} wpk_sv_layout;

/* Of a plan of schedule DIRECT or PRODUCTS. */
wpk_sv_layout wpk_sv_layout_of(wpk_core core, const wpk_conv_shape *shape,
                               const wpk_weights *weights, const wpk_tiles_plan *plan);

/* The parts of that, for planning. wpk_sv_lay_rows: all that depends on filters, columns, groups
 * and what is kept; false if offsets would not fit. wpk_sv_lay_sums: what depends on rows, too.
 */
wpk_sv_layout wpk_sv_direct_layout(const wpk_blob *blob);
wpk_sv_span wpk_sv_span_of(const wpk_conv_shape *shape, const wpk_weights *weights);
bool wpk_sv_lay_rows(wpk_core core, const wpk_sv_span *span, wpk_sv_layout *layout);
void wpk_sv_lay_sums(const wpk_sv_span *span, wpk_sv_layout *layout);

/* Bytes of the constants and of the sums of a slot. */
static inline uint64_t wpk_sv_constants_nbytes(const wpk_sv_layout *layout) {
    return 4ull * (layout->filters + 1);
}

static inline uint64_t wpk_sv_sums_nbytes(const wpk_sv_layout *layout) {
    return (layout->wide ? 4ull : 8ull) * layout->filters * layout->words;
}

/* Segments of a row of products for `words` words of outputs, WPK_SV_MAX_STRIDE_W at most, and
 * how many there are. */
uint32_t wpk_sv_segments(const wpk_conv_shape *shape, uint32_t words, wpk_sv_segment *segments);

#endif
