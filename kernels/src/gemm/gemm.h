/* The matrix product behind convolution and fully connected, one implementation per architecture
 * (gemm_*.c).
 *
 * A block of weight rows is brought into the form the inner loop wants, once per inference, and
 * multiplied with all pixels. A pixel is a vector of `cols` activations: all channels of a pixel of
 * the image, or a window that was gathered (im2col). */
#ifndef WPK_SRC_GEMM_H
#define WPK_SRC_GEMM_H

#include <stdint.h>

#include "gemm_plan.h"
#include "wpk/table.h"
#include "wpk/weights.h"

/* Rows ready to be multiplied. */
typedef struct {
    const void *rows; /* packed, or row-major int8 */
    uint32_t first;   /* output channel of the first one */
    uint32_t count;
    uint32_t cols;
    uint32_t stride;   /* bytes from row to row, if row-major */
    const void *order; /* Helium: u16, the column of each element of a pixel, or the element of
                          each column if rows are lists; NULL if they are the same. Of some codecs
                          what their layers make of it */
    const wpk_requant *requant;
    const void *channels; /* what wpk_gemm_channels wrote */
    uint32_t tile_pixels; /* pixels to convert at a time: as planned */
} wpk_block;

/* What is computed once for each output channel. */
void wpk_gemm_channels(const wpk_block *block, void *channels);

#if WPK_MVE
/* Pack one row group: a block of at most as many row-major rows as are packed together. */
void wpk_gemm_pack(const wpk_block *group, void *packed);

/* What a packed row group starts with, whatever group->rows is. Needs input_offset 0. */
void wpk_gemm_pack_channels(const wpk_block *group, void *packed);
#endif

/* Equally spaced pixels: pixel p at data + p · stride. */
typedef struct {
    const int8_t *data;
    uint32_t stride;
    uint32_t count;
} wpk_pixels;

/* Outputs of these pixels and all rows of the block: of pixel p at y + p · y_stride. */
void wpk_gemm_run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                  void *scratch);

/* The same for one pixel and row-major int8 rows, read once, in place. */
void wpk_gemm_vector(const wpk_block *block, const int8_t *x, int8_t *y);

/* The same with rows of a blob, whatever block->rows is; `start` is a cursor at any row. */
void wpk_gemm_dots(const wpk_block *block, const wpk_weights *weights, const wpk_cursor *start,
                   const int8_t *x, int8_t *y);

#endif
