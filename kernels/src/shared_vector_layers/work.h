/* What the parts of schedule PRODUCTS share. Private. */
#ifndef WPK_SRC_SV_WORK_H
#define WPK_SRC_SV_WORK_H

#include "../shared_vectors/kernels.h"
#include "layout.h"
#include "wpk/requant.h"

/* A layer, and the tile of outputs at hand. */
typedef struct {
    const wpk_conv_shape *shape;
    const wpk_weights *weights;
    const wpk_shared_vectors *shared;
    const wpk_requant *requant;
    const wpk_sv_layout *layout;
    const uint8_t *lut;
    wpk_levels levels;
    uint32_t excess, headroom;
    uint32_t segment_count;
    wpk_sv_segment segments[WPK_SV_MAX_STRIDE_W];
    uint32_t shifts[WPK_SV_MAX_KERNEL]; /* of each tap of a row of taps, in words */
    int8_t outside[WPK_SV_LANES];
    void *prepared;
    uint16_t *all_offsets; /* of the groups at hand, or of all */
    uint8_t *vectors;
    uint32_t *products, *constants, *sums;

    const int8_t *image; /* from the first channel of the filters' group on */
    int8_t *y;           /* the image's outputs */
    uint32_t first, filters, column;
    uint32_t group, groups; /* of channels, at hand: those whose products are there */
    uint16_t *offsets;      /* theirs: [kernel_h, filters, groups, kernel_w] */
} wpk_sv_work;

/* Products of an input row of the image with all vectors of the groups at hand. */
void wpk_sv_multiply_row(const wpk_sv_work *work, int32_t row);

/* Products of a row outside of the image, in the first column. */
void wpk_sv_multiply_outside(const wpk_sv_work *work);

/* Words of sums of a row of outputs. */
static inline uint32_t wpk_sv_sums_of_row(const wpk_sv_work *work) {
    return (work->layout->wide ? 1 : 2) * work->layout->filters * work->layout->words;
}

/* Those of slot `slot`. */
static inline uint32_t *wpk_sv_sums(const wpk_sv_work *work, uint32_t slot) {
    return work->sums + slot * wpk_sv_sums_of_row(work);
}

/* What a row of outputs gets from rows outside of the image, by filter, and behind that the excess
 * of all products in one of its sums. */
static inline uint32_t *wpk_sv_constants(const wpk_sv_work *work, uint32_t slot) {
    return work->constants + slot * (work->layout->filters + 1);
}

/* A convolution by schedule PRODUCTS. lut: the look-up table, where the plan looks up. */
void wpk_sv_conv_products(const wpk_conv_shape *shape, const wpk_weights *weights,
                          const wpk_requant *requant, const wpk_sv_layout *layout,
                          const uint8_t *lut, const int8_t *x, int8_t *y, uint8_t *scratch);

/* Sums of rows [top, bottom) of outputs, which are finished, to outputs; clears them. */
void wpk_sv_finish_rows(const wpk_sv_work *work, int32_t top, int32_t bottom);

#endif
