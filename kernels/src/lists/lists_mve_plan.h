/* Which form of sparse rows is fastest on Helium, a part of lists_plan.h. Private. */
#ifndef WPK_SRC_LISTS_MVE_PLAN_H
#define WPK_SRC_LISTS_MVE_PLAN_H

#include <stdbool.h>

#include "../gemm/gemm_plan.h"
#include "wpk/plan.h"
#include "wpk/weights.h"

enum { WPK_TILE_LANES = 8, WPK_TILE_MAX_VECTORS = 3, WPK_TILE_CHANNELS = 16 };
enum { WPK_GROUP_ELEMENTS = 16, WPK_GROUP_PIXELS = 4, WPK_GROUPS_HEAD_NBYTES = 16 };

/* Of a row of this many groups. */
static inline uint64_t wpk_groups_nbytes(uint32_t count) {
    return WPK_GROUPS_HEAD_NBYTES + (uint64_t)count * sizeof(wpk_group);
}

/* Whether the codec has `groups` on this core: a host that plans for it has them not. */
static inline bool wpk_has_groups(const wpk_codec *codec) {
#define WPK_CODEC(code, name, groups) ((groups) != 0 && codec->number == (code)) ||
    return
#include "wpk/codecs.def"
        false;
}

/* Vectors of eight pixels in a tile; 0: there are too many columns for lists. */
static inline uint32_t wpk_tile_vectors(uint32_t cols) {
    /* With more columns, lists could not hold a sum. */
    enum { MAX_COLS = 480, MAX_NBYTES = 8192 };
    const uint32_t most = cols > MAX_COLS ? 0 : MAX_NBYTES / WPK_TILE_LANES / cols;
    return most < WPK_TILE_MAX_VECTORS ? most : WPK_TILE_MAX_VECTORS;
}

/* Bytes of a tile, whose columns are padded to whole vectors of them. */
static inline uint64_t wpk_tile_nbytes(uint32_t cols) {
    return wpk_align16(cols) * wpk_tile_vectors(cols) * WPK_TILE_LANES;
}

/* Modelled cycles of one row (docs/CYCLE_MODEL.md) as a list, as one of four dense rows, and in
 * groups. All are fits to measurements. */
static inline uint64_t wpk_list_cycles(const wpk_weights *weights, uint64_t elements, uint32_t runs,
                                       uint32_t pixels) {
    /* About what is listed at a time. */
    enum { LISTED_NBYTES = 16384 };
    const uint32_t most = wpk_tile_vectors(weights->cols) * WPK_TILE_LANES;
    const uint64_t pairs = elements / 2 + 1, rows = weights->rows;
    const uint32_t rest = (pixels % most + WPK_TILE_LANES - 1) / WPK_TILE_LANES;
    uint64_t run = pixels / most *
                   (pairs * (5 + 6 * (most / WPK_TILE_LANES)) + 35 + 32 * (most / WPK_TILE_LANES));
    if (rest != 0) {
        run += pairs * (5 + 6 * rest) + 35 + 32 * rest;
    }
    /* Transposing is shared by the rows that are listed at a time. */
    const uint64_t listed = LISTED_NBYTES / (sizeof(wpk_entry) * elements + 16) + 1;
    const uint64_t transposing = ((uint64_t)weights->cols + WPK_TILE_CHANNELS) * (pixels + 3) * 5 /
                                 8 / (rows < listed ? rows : listed);
    return runs * (run + transposing) + 400 + 5 * elements;
}

static inline uint64_t wpk_dense_cycles(const wpk_weights *weights, uint64_t elements,
                                        uint32_t runs, uint32_t pixels) {
    const uint64_t cols = weights->cols;
    return runs * ((uint64_t)(pixels / 2) * (cols + 80) * 35 / 128 +
                   (uint64_t)(pixels % 2) * (cols + 60) / 4) +
           150 + 3 * elements + cols / 2;
}

static inline uint64_t wpk_group_cycles(uint64_t elements, uint32_t runs, uint32_t pixels) {
    const uint64_t groups = elements / WPK_GROUP_ELEMENTS + 1;
    return runs * (groups * (pixels * 18 + (pixels / 4 + pixels % 4) * 4) + pixels * 12) +
           groups * 40 + 400;
}

/* What is fastest for so many runs of pixels, of a codec that has lists. reordered: rows follow
 * wpk_block.order. */
static inline wpk_schedule wpk_lists_choose_mve(const wpk_weights *weights, uint32_t runs,
                                                uint32_t pixels, bool reordered) {
    const uint64_t elements = weights->codec->stored(&weights->blob) / weights->rows;
    wpk_schedule best = WPK_ROWS_DENSE;
    uint64_t least = wpk_dense_cycles(weights, elements, runs, pixels);
    if (wpk_tile_vectors(weights->cols) != 0 &&
        (uint64_t)weights->rows * WPK_TILE_MAX_VECTORS * WPK_TILE_LANES <= 65536) {
        const uint64_t cycles = wpk_list_cycles(weights, elements, runs, pixels);
        best = cycles < least ? WPK_ROWS_LISTED : best;
        least = cycles < least ? cycles : least;
    }
    /* Where cycles are nearly the same: half the instructions. */
    if (wpk_has_groups(weights->codec) && !reordered &&
        wpk_group_cycles(elements, runs, pixels) * 10 < least * 11) {
        best = WPK_ROWS_GROUPED;
    }
    return best;
}

#endif
