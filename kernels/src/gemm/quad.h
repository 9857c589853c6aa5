/* A packed row group of the matrix product for Helium: a `quad`, and then the 16-byte chunks of
 * four rows interleaved (chunk 0 of row 0, 1, 2, 3, chunk 1 of row 0, …), zeros behind the last
 * column. One pointer then reads all four, which leaves registers for 4 rows × 2 pixels: 6 loads
 * for 8 × 16 multiply-accumulates. */
#ifndef WPK_SRC_QUAD_H
#define WPK_SRC_QUAD_H

#include "gemm.h"

#if WPK_MVE

/* How four channels become outputs. Vectors, for the assembly to load as they are. */
typedef struct {
    int32_t bias[WPK_M55_ROW_GROUP], left[WPK_M55_ROW_GROUP], multiplier[WPK_M55_ROW_GROUP],
        right[WPK_M55_ROW_GROUP];
    int32_t zero_point[WPK_M55_ROW_GROUP], low[WPK_M55_ROW_GROUP], high[WPK_M55_ROW_GROUP];
    uint32_t channels; /* those of the four that exist */
    uint32_t cols;
    uint32_t fast; /* all four shift to the right, and all of int8 is allowed */
    uint32_t reserved;
} wpk_quad;

_Static_assert(sizeof(wpk_quad) == WPK_M55_QUAD_NBYTES,
               "the rows behind it are aligned to 16 bytes");

/* Requantise the sums of four channels of one pixel, bias included, and store those that exist. */
void wpk_store_quad(const wpk_quad *q, int32_t a0, int32_t a1, int32_t a2, int32_t a3, int8_t *y);

/* 4 packed rows × `pairs` ≥ 1 pairs of neighbouring pixels. */
void wpk_multiply_pairs(const wpk_block *block, const wpk_quad *q, const int8_t *x, uint32_t stride,
                        uint32_t pairs, int8_t *y, uint32_t y_stride);

#endif

#endif
