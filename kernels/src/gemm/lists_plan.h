/* Whether sparse rows are to be multiplied as lists, and the bytes that takes. Private. A host
 * compiles this for other cores too. */
#ifndef WPK_SRC_LISTS_PLAN_H
#define WPK_SRC_LISTS_PLAN_H

#include <stdbool.h>

#include "../core/gemm_plan.h"
#include "wpk/plan.h"
#include "wpk/weights.h"

#if WPK_MVE
#include "lists_mve_plan.h"
#else

/* PAD: lists are padded with elements of value 0 to a multiple of it, which is what the inner loop
 * takes at a time. */
enum {
    WPK_LIST_PIXELS = 8,
    TILE_PIXELS = WPK_LIST_PIXELS,
    SCALE = TILE_PIXELS * sizeof(int16_t),
    PAD = 2
};
/* Activations are converted once per block, which pays with this many rows. */
enum { GOOD_ROWS = 24, MAX_LISTS_NBYTES = 8192, ROWS_MARGIN = 4 };

/* Per cent of the elements that may be stored. */
#if WPK_DSP
enum { MAX_DENSITY = 45 };
#else
enum { MAX_DENSITY = 65 };
#endif

/* A list: the number of entries, with padding, and the entries. */
typedef struct {
    uint32_t count;
    wpk_entry entry[];
} row_list;

/* Of a row of this many elements. */
static inline uint64_t list_nbytes(uint32_t elements) {
    return sizeof(row_list) + ((uint64_t)elements + PAD) * sizeof(wpk_entry);
}

/* What is fastest for so many runs of pixels, of a codec that has lists. reordered: rows follow
 * wpk_block.order. */
static inline wpk_schedule wpk_lists_choose(const wpk_weights *weights, uint32_t runs,
                                            uint32_t pixels, bool reordered) {
    (void)runs, (void)pixels, (void)reordered;
    const uint64_t stored = weights->codec->stored(&weights->blob);
    const bool pay = stored * 100 <= (uint64_t)weights->rows * weights->cols * MAX_DENSITY;
    return pay && (uint64_t)weights->cols * SCALE <= 65536 ? WPK_ROWS_LISTED : WPK_ROWS_DENSE;
}

/* Windows to gather at a time. */
static inline uint32_t wpk_lists_pixels(wpk_schedule form) {
    (void)form;
    return TILE_PIXELS;
}

/* Of a row of average length. */
static inline uint64_t wpk_lists_row_nbytes(const wpk_weights *weights) {
    return list_nbytes(weights->codec->stored(&weights->blob) / weights->rows);
}

/* Bytes of a buffer for lists of up to `rows` rows at a time: `wanted` or more, but not more than
 * they are likely to need; a multiple of 16. */
static inline uint64_t wpk_lists_nbytes(const wpk_weights *weights, wpk_schedule form,
                                        uint64_t wanted, uint32_t rows) {
    (void)form;
    /* Room for the longest row there can be, and for several of average length. */
    const uint64_t least = list_nbytes(weights->cols);
    const uint64_t row = wpk_lists_row_nbytes(weights), all = rows * row + rows * row / 8;
    const uint64_t several =
        GOOD_ROWS * row < MAX_LISTS_NBYTES ? GOOD_ROWS * row : MAX_LISTS_NBYTES;
    wanted = wanted < several ? several : wanted;
    wanted = wanted < all ? wanted : all;
    return wpk_align16(wanted < least ? least : wanted);
}

/* How many of `rows` rows a buffer of so many bytes may hold. Where rows are so short that it would
 * hold more, the next block has them. */
static inline uint32_t wpk_lists_rows(const wpk_weights *weights, uint64_t nbytes, uint32_t rows) {
    const uint64_t likely = nbytes / wpk_lists_row_nbytes(weights) + ROWS_MARGIN;
    return likely < rows ? (uint32_t)likely : rows;
}

/* Scratch of the lists' run: bytes, a multiple of 16. */
static inline uint64_t wpk_lists_run_nbytes(wpk_schedule form, uint32_t cols) {
    (void)form;
    return (uint64_t)cols * SCALE;
}

#endif

#endif
