/* What planning a layer needs to know of the matrix product: the bytes of what it keeps in scratch,
 * multiples of 16. Private. */
#ifndef WPK_SRC_GEMM_PLAN_H
#define WPK_SRC_GEMM_PLAN_H

#include "../base/arithmetic.h"
#include "../core/core.h"

/* Of a row group that is packed, or as it is decoded. */
static inline uint64_t wpk_gemm_group_nbytes(wpk_core core, uint32_t cols) {
    const uint32_t rows = wpk_of(core)->row_group;
    if (!wpk_of(core)->packs) {
        return wpk_align16((uint64_t)rows * cols);
    }
    return rows * (wpk_align16(cols) + wpk_of(core)->row_head_nbytes);
}

/* Of what is computed once for each output channel. */
static inline uint64_t wpk_gemm_channels_nbytes(wpk_core core, uint32_t rows) {
    return (uint64_t)rows * wpk_of(core)->channel_nbytes;
}

/* Where a tile may be smaller than usual, it has so many pixels. */
enum { WPK_SMALL_TILE_PIXELS = 4 };

/* Scratch of wpk_gemm_run: a tile of activations. */
static inline uint64_t wpk_gemm_run_nbytes(wpk_core core, uint32_t cols, uint32_t tile_pixels) {
    const uint32_t multiple = wpk_of(core)->tile_cols, value = wpk_of(core)->tile_value_nbytes;
    if (wpk_of(core)->tile_pixels == WPK_SMALL_TILE_PIXELS) {
        return wpk_align16((uint64_t)cols * value * WPK_SMALL_TILE_PIXELS);
    }
    return ((uint64_t)cols + multiple - 1) / multiple * (multiple * value) * tile_pixels;
}

#endif
