/* Whether sparse rows are to be multiplied as lists, and the bytes that takes. Private. */
#ifndef WPK_SRC_LISTS_PLAN_H
#define WPK_SRC_LISTS_PLAN_H

#include "../gemm/gemm_plan.h"
#include "lists_mve_plan.h"
#include "wpk/plan.h"
#include "wpk/weights.h"

/* WPK_LIST_PAD: lists are padded with elements of value 0 to a multiple of it, which is what the
 * inner loop takes at a time. The others are those of a tile without Helium. */
enum { WPK_LIST_PAD = 2, WPK_LIST_PIXELS = 8, WPK_LIST_SCALE = WPK_LIST_PIXELS * 2 };

/* Of a row of this many elements. */
static inline uint64_t wpk_list_nbytes(wpk_core core, uint32_t elements) {
    return wpk_of(core)->list_head_nbytes + ((uint64_t)elements + WPK_LIST_PAD) * sizeof(wpk_entry);
}

/* What is fastest for so many runs of pixels, of a codec that has lists. reordered: rows follow
 * wpk_block.order. */
static inline wpk_schedule wpk_lists_choose(wpk_core core, const wpk_weights *weights,
                                            uint32_t runs, uint32_t pixels, bool reordered) {
    if (wpk_of(core)->helium) {
        return wpk_lists_choose_mve(weights, runs, pixels, reordered);
    }
    const uint64_t stored = weights->codec->stored(&weights->blob);
    const bool pay =
        stored * 100 <= (uint64_t)weights->rows * weights->cols * wpk_of(core)->list_max_density;
    return pay && (uint64_t)weights->cols * WPK_LIST_SCALE <= 65536 ? WPK_ROWS_LISTED
                                                                    : WPK_ROWS_DENSE;
}

/* Windows to gather at a time. */
static inline uint32_t wpk_lists_pixels(wpk_core core, wpk_schedule form) {
    if (!wpk_of(core)->helium) {
        return WPK_LIST_PIXELS;
    }
    return form == WPK_ROWS_GROUPED ? WPK_GROUP_PIXELS : WPK_TILE_MAX_VECTORS * WPK_TILE_LANES;
}

/* Bytes of a buffer for lists of up to `rows` rows at a time: `wanted` or more, but not more than
 * they are likely to need; a multiple of 16. */
static inline uint64_t wpk_lists_nbytes(wpk_core core, const wpk_weights *weights,
                                        wpk_schedule form, uint64_t wanted, uint32_t rows) {
    /* Lists of this many rows are good: without Helium activations are converted once per buffer,
     * with it they are transposed. */
    enum { GOOD_ROWS = 24, GOOD_NBYTES = 8192, MOST_NBYTES = 20480, GROUPS_NBYTES = 4096 };
    if (wpk_of(core)->helium && form == WPK_ROWS_GROUPED) {
        const uint64_t least = wpk_groups_nbytes(weights->cols / WPK_GROUP_ELEMENTS + 1);
        return wpk_align16(least > GROUPS_NBYTES ? least : GROUPS_NBYTES);
    }
    /* Room for the longest row there can be, and for several of average length. */
    const uint64_t least = wpk_list_nbytes(core, weights->cols);
    const uint32_t elements = weights->codec->stored(&weights->blob) / weights->rows;
    if (wpk_of(core)->helium) {
        const uint64_t all = rows * wpk_list_nbytes(core, elements + WPK_LIST_PAD);
        uint64_t nbytes = wanted < GOOD_NBYTES ? GOOD_NBYTES : wanted;
        nbytes = nbytes < MOST_NBYTES ? nbytes : MOST_NBYTES;
        nbytes = nbytes < all ? nbytes : all;
        return wpk_align16(nbytes < least ? least : nbytes);
    }
    const uint64_t row = wpk_list_nbytes(core, elements), all = rows * row + rows * row / 8;
    const uint64_t several = GOOD_ROWS * row < GOOD_NBYTES ? GOOD_ROWS * row : GOOD_NBYTES;
    wanted = wanted < several ? several : wanted;
    wanted = wanted < all ? wanted : all;
    return wpk_align16(wanted < least ? least : wanted);
}

/* How many of `rows` rows a block may have. With Helium nothing is kept for each of them but its
 * list; without, a buffer of so many bytes may hold so many, and where rows are so short that it
 * would hold more, the next block has them. */
static inline uint32_t wpk_lists_rows(wpk_core core, const wpk_weights *weights, uint64_t nbytes,
                                      uint32_t rows) {
    enum { ROWS_MARGIN = 4 };
    if (wpk_of(core)->helium) {
        return rows;
    }
    const uint32_t elements = weights->codec->stored(&weights->blob) / weights->rows;
    const uint64_t likely = nbytes / wpk_list_nbytes(core, elements) + ROWS_MARGIN;
    return likely < rows ? (uint32_t)likely : rows;
}

/* Scratch of the lists' run: bytes, a multiple of 16. */
static inline uint64_t wpk_lists_run_nbytes(wpk_core core, wpk_schedule form, uint32_t cols) {
    if (!wpk_of(core)->helium) {
        return (uint64_t)cols * WPK_LIST_SCALE;
    }
    return form == WPK_ROWS_GROUPED ? 0 : wpk_tile_nbytes(cols);
}

#endif
