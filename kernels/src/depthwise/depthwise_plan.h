/* How a 3 × 3 depthwise convolution is cut into bands, and the bytes of one. Private. */
#ifndef WPK_SRC_DEPTHWISE_PLAN_H
#define WPK_SRC_DEPTHWISE_PLAN_H

#include "../base/arithmetic.h"
#include "../core/core.h"
#include "wpk/depthwise.h"

/* Whether the 3 × 3 kernels take the layer. */
bool wpk_depthwise_is_3x3(wpk_core core, const wpk_conv_shape *shape);

/* Room for decoded weights, a multiple of 16. */
uint64_t wpk_depthwise_decoded_nbytes(const wpk_weights *weights);

/* Helium: columns of 16 channels of four rows. The weights' are the three of the kernel and an
 * empty one on both sides. */
enum {
    WPK_DW_CHANNELS = 16,
    WPK_DW_COLUMN_NBYTES = 4 * WPK_DW_CHANNELS,
    WPK_DW_WEIGHT_NBYTES = 5 * WPK_DW_COLUMN_NBYTES
};

/* Strips are groups of four interleaved rows; each gives `out_rows` rows of outputs. */
typedef struct {
    int32_t columns; /* of a strip that are filled */
    int32_t pitch;   /* bytes from strip to strip */
    int32_t behind;  /* bytes read behind the last strip */
    int32_t strips;  /* in scratch at a time */
    int32_t out_rows, in_rows;
} wpk_dw_strips;

static inline wpk_dw_strips wpk_dw_strips_of(wpk_core core, const wpk_conv_shape *s) {
    const bool one = s->stride_h == 1;
    /* Outputs are made in pairs at stride 1, in fours at stride 2; what the last of these reads in
     * vain is the beginning of the next strip. */
    const int32_t columns = s->stride_h * s->out_w + 2;
    const int32_t read = one ? s->out_w + (s->out_w & 1) + 2 : 2 * ((s->out_w + 3) & ~3) + 2;
    wpk_dw_strips l = {.columns = columns,
                       .pitch = columns * WPK_DW_COLUMN_NBYTES,
                       .behind = (read - columns) * WPK_DW_COLUMN_NBYTES,
                       .strips = 1,
                       .out_rows = one ? 2 : 1,
                       .in_rows = one ? 4 : 3};
    const int32_t wanted = (s->out_h + l.out_rows - 1) / l.out_rows;
    while (l.strips < wanted &&
           (int64_t)(l.strips + 1) * l.pitch + l.behind <= wpk_of(core)->band_nbytes) {
        ++l.strips;
    }
    return l;
}

/* Without Helium: channels that are handled together, what a word of the image holds. */
enum { WPK_DW_LANES = 4 };

/* A band of the padded image for four channels, in the layout of the core. A row has `pitch`
 * columns. */
typedef struct {
    int32_t pitch, rows;
} wpk_dw_planes;

/* How the image is cut into bands. */
typedef struct {
    wpk_dw_planes planes;
    int32_t out_rows; /* of a full band */
} wpk_dw_bands;

static inline uint64_t wpk_dw_planes_nbytes(wpk_core core, int64_t pitch, int64_t rows) {
    return (uint64_t)(pitch * rows) * WPK_DW_LANES * wpk_of(core)->band_value_nbytes;
}

static inline wpk_dw_bands wpk_dw_bands_of(wpk_core core, const wpk_conv_shape *s) {
    const int32_t stride = s->stride_h;
    wpk_dw_bands b;
    /* Outputs are made in pairs, and windows are read in pairs of columns. */
    b.planes.pitch = (s->out_w + (s->out_w & 1)) * stride + 2;
    b.out_rows = 1;
    while (b.out_rows < s->out_h &&
           wpk_dw_planes_nbytes(core, b.planes.pitch, b.out_rows * stride + 3) <=
               wpk_of(core)->band_nbytes) {
        ++b.out_rows;
    }
    b.planes.rows = (b.out_rows - 1) * stride + 3;
    return b;
}

/* Scratch of the 3 × 3 kernels. */
static inline uint64_t wpk_dw_nbytes(wpk_core core, const wpk_conv_shape *s) {
    if (wpk_of(core)->helium) {
        const wpk_dw_strips l = wpk_dw_strips_of(core, s);
        return WPK_DW_WEIGHT_NBYTES + (uint64_t)l.pitch * (uint32_t)l.strips + (uint32_t)l.behind;
    }
    const wpk_dw_bands b = wpk_dw_bands_of(core, s);
    return wpk_dw_planes_nbytes(core, b.planes.pitch, b.planes.rows);
}

#endif
