/* The matrix product behind convolution and fully connected, one implementation per architecture
 * (gemm_*.c).
 *
 * A block of weight rows is brought into the form the inner loop wants, once per inference, and
 * multiplied with all pixels. A pixel is a vector of `cols` activations: all channels of a pixel of
 * the image, or a window that was gathered (im2col). */
#ifndef WPK_SRC_GEMM_H
#define WPK_SRC_GEMM_H

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/table.h"
#include "wpk/weights.h"

/* WPK_ROW_GROUP rows are packed together. WPK_PACKED: whether rows are packed at all. WPK_REREADS:
 * whether activations are converted once per block, so that few large blocks are better than many
 * small ones. WPK_MIN_PACKED_PIXELS: from how many pixels on packing pays. */
#if WPK_MVE
enum {
    WPK_ROW_GROUP = 4,
    WPK_PACKED = 1,
    WPK_REREADS = 0,
    WPK_MIN_PACKED_PIXELS = 4,
    WPK_TILE_PIXELS = 4
};
#elif WPK_DSP
enum {
    WPK_ROW_GROUP = 1,
    WPK_PACKED = 0,
    WPK_REREADS = 1,
    WPK_MIN_PACKED_PIXELS = 2,
    WPK_TILE_PIXELS = 8
};
#else
enum {
    WPK_ROW_GROUP = 2,
    WPK_PACKED = 0,
    WPK_REREADS = 1,
    WPK_MIN_PACKED_PIXELS = 2,
    WPK_TILE_PIXELS = 4
};
#endif

/* Rows ready to be multiplied. */
typedef struct {
    const void *rows; /* packed, or row-major int8 */
    uint32_t first;   /* output channel of the first one */
    uint32_t count;
    uint32_t cols;
    uint32_t stride;       /* bytes from row to row, if row-major */
    const uint16_t *order; /* Helium: the column of each element of a pixel, or the element of each
                              column if rows are lists; NULL if they are the same */
    const wpk_requant *requant;
    const void *channels; /* what wpk_gemm_channels wrote */
    uint32_t tile_pixels; /* pixels to convert at a time: 4 or WPK_TILE_PIXELS */
} wpk_block;

/* Bytes of one packed row group of WPK_ROW_GROUP rows, a multiple of 16. */
uint64_t wpk_gemm_group_nbytes(uint32_t cols);

/* Bytes of what is computed once for each output channel, a multiple of 16. */
uint32_t wpk_gemm_channels_nbytes(uint32_t rows);
void wpk_gemm_channels(const wpk_block *block, void *channels);

/* Pack one row group: a block of at most WPK_ROW_GROUP row-major rows. */
void wpk_gemm_pack(const wpk_block *group, void *packed);

/* Equally spaced pixels: pixel p at data + p · stride. */
typedef struct {
    const int8_t *data;
    uint32_t stride;
    uint32_t count;
} wpk_pixels;

/* Scratch of wpk_gemm_run: bytes, a multiple of 16. */
uint64_t wpk_gemm_run_nbytes(uint32_t cols, uint32_t tile_pixels);

/* Outputs of these pixels and all rows of the block: of pixel p at y + p · y_stride. */
void wpk_gemm_run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                  void *scratch);

/* The same for one pixel and row-major int8 rows, read once, in place. */
void wpk_gemm_vector(const wpk_block *block, const int8_t *x, int8_t *y);

/* The same with rows of a blob, whatever block->rows is; `start` is a cursor at any row. */
void wpk_gemm_dots(const wpk_block *block, const wpk_weights *weights, const wpk_cursor *start,
                   const int8_t *x, int8_t *y);

#endif
