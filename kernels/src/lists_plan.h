/* Whether sparse rows are to be multiplied as lists (lists.c), and the bytes that takes. Private.
 */
#ifndef WPK_SRC_LISTS_PLAN_H
#define WPK_SRC_LISTS_PLAN_H

#include <stdbool.h>

#include "gemm_plan.h"
#include "wpk/weights.h"

/* PAD: lists are padded with elements of value 0 to a multiple of it, which is what the inner loop
 * takes at a time. */
enum { TILE_PIXELS = 8, SCALE = TILE_PIXELS * sizeof(int16_t), PAD = 2 };
/* Activations are converted once per block, which pays with this many rows. */
enum { GOOD_ROWS = 24, MAX_LISTS_NBYTES = 16384 };

/* Per cent of the elements that may be stored. */
#if WPK_MVE
enum { MAX_DENSITY = 0 };
#elif WPK_DSP
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

/* Whether lists are faster than dense rows, and possible. */
static inline bool wpk_lists_pay(const wpk_weights *weights) {
    if (MAX_DENSITY == 0 || weights->dense != NULL || weights->codec->list_kernels == NULL ||
        weights->codec->list == NULL || (uint64_t)weights->cols * SCALE > 65536) {
        return false;
    }
    return (uint64_t)weights->codec->stored(&weights->blob) * 100 <=
           (uint64_t)weights->rows * weights->cols * MAX_DENSITY;
}

/* Bytes of a buffer for lists, at least `wanted`; a multiple of 16. */
static inline uint64_t wpk_lists_nbytes(const wpk_weights *weights, uint64_t wanted) {
    /* Room for the longest row there can be, and for several of average length. */
    const uint64_t least = list_nbytes(weights->cols);
    const uint64_t row = list_nbytes(weights->codec->stored(&weights->blob) / weights->rows);
    const uint64_t several =
        GOOD_ROWS * row < MAX_LISTS_NBYTES ? GOOD_ROWS * row : MAX_LISTS_NBYTES;
    wanted = wanted < several ? several : wanted;
    return wpk_align16(wanted < least ? least : wanted);
}

/* Scratch of the lists' run: bytes, a multiple of 16. */
static inline uint64_t wpk_lists_run_nbytes(uint32_t cols) {
    return (uint64_t)cols * SCALE;
}

#endif
