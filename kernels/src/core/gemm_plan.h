/* What planning a layer needs to know of the matrix product: how it cuts its work, and the bytes of
 * what it keeps in scratch, by architecture. A host compiles this for other cores too. */
#ifndef WPK_SRC_GEMM_PLAN_H
#define WPK_SRC_GEMM_PLAN_H

#include <stdint.h>

#include "wpk/arch.h"

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

static inline uint64_t wpk_align16(uint64_t nbytes) {
    return (nbytes + 15) & ~(uint64_t)15;
}

#if WPK_MVE

/* Of what a packed row group starts with. */
enum { WPK_QUAD_NBYTES = 128 };

/* Bytes of one packed row group of WPK_ROW_GROUP rows, a multiple of 16. */
static inline uint64_t wpk_gemm_group_nbytes(uint32_t cols) {
    /* A chunk more: the next one is loaded while the last one is multiplied. */
    return WPK_QUAD_NBYTES + WPK_ROW_GROUP * wpk_align16(cols) + 16;
}

/* Bytes of what is computed once for each output channel, a multiple of 16. */
static inline uint64_t wpk_gemm_channels_nbytes(uint32_t rows) {
    (void)rows;
    return 0;
}

/* Scratch of wpk_gemm_run: bytes, a multiple of 16. */
static inline uint64_t wpk_gemm_run_nbytes(uint32_t cols, uint32_t tile_pixels) {
    (void)cols, (void)tile_pixels;
    return 0;
}

#else

enum { WPK_CHANNEL_NBYTES = 16 };

static inline uint64_t wpk_gemm_group_nbytes(uint32_t cols) {
    return wpk_align16((uint64_t)WPK_ROW_GROUP * cols);
}

static inline uint64_t wpk_gemm_channels_nbytes(uint32_t rows) {
    return (uint64_t)rows * WPK_CHANNEL_NBYTES;
}

static inline uint64_t wpk_gemm_run_nbytes(uint32_t cols, uint32_t tile_pixels) {
#if WPK_DSP
    return ((uint64_t)cols + 3) / 4 * 8 * tile_pixels;
#elif WPK_THUMB2
    (void)tile_pixels;
    return wpk_align16((uint64_t)cols * WPK_TILE_PIXELS * sizeof(int16_t));
#else
    (void)cols, (void)tile_pixels;
    return 0;
#endif
}

#endif

#endif
