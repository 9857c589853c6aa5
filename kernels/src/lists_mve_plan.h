/* The plan of lists on Helium, a part of lists_plan.h. Private. */
#ifndef WPK_SRC_LISTS_MVE_PLAN_H
#define WPK_SRC_LISTS_MVE_PLAN_H

#include <stdbool.h>

#include "gemm_plan.h"
#include "wpk/weights.h"

enum {
    LANES = 8,
    TILE_CHANNELS = 16,
    MAX_VECTORS = 3,
    WPK_LIST_PIXELS = MAX_VECTORS * LANES,
    MAX_TILE_NBYTES = 8192,
    MIN_LISTS_NBYTES = 8192,
    MAX_LISTS_NBYTES = 20480
};
/* PAD: the inner loop takes two elements. MAX_COLS: with more, `low` and `high` might not hold a
 * sum. */
enum { PAD = 2, MAX_COLS = 480, MAX_SUM = (1 << 23) - (1 << 15), MAX_PRODUCT = 1 << 14 };

/* A row. */
typedef struct {
    int32_t bias, multiplier;
    int32_t shift;
    uint16_t pairs; /* of entries, at least 1 */
    uint16_t fast;  /* a right shift, and sums that `low` and `high` can hold */
    wpk_entry entry[];
} row_list;

/* Vectors of eight pixels in a tile; 0: the tile would be too large. */
static inline uint32_t tile_vectors(uint32_t cols) {
    const uint32_t most = cols > MAX_COLS ? 0 : MAX_TILE_NBYTES / LANES / cols;
    return most < MAX_VECTORS ? most : MAX_VECTORS;
}

/* Of a row of this many elements. */
static inline uint64_t list_nbytes(uint32_t elements) {
    return sizeof(row_list) + ((uint64_t)elements + PAD) * sizeof(wpk_entry);
}

static inline uint32_t stored_elements(const wpk_weights *weights) {
    return weights->codec->stored(&weights->blob);
}

/* Modelled cycles of one row (docs/CYCLE_MODEL.md) as a list, and as one of four dense rows. Both
 * are fits to measurements. */
static inline uint64_t list_cycles(const wpk_weights *weights, uint64_t elements, uint32_t runs,
                                   uint32_t pixels) {
    const uint32_t most = tile_vectors(weights->cols) * LANES;
    const uint64_t pairs = elements / 2 + 1, rows = weights->rows;
    const uint32_t rest = (pixels % most + LANES - 1) / LANES;
    uint64_t run = pixels / most * (pairs * (5 + 6 * (most / LANES)) + 35 + 32 * (most / LANES));
    if (rest != 0) {
        run += pairs * (5 + 6 * rest) + 35 + 32 * rest;
    }
    /* Transposing is shared by the rows that are listed at a time. */
    const uint64_t listed = MAX_LISTS_NBYTES / list_nbytes((uint32_t)elements) + 1;
    const uint64_t transposing = ((uint64_t)weights->cols + TILE_CHANNELS) * (pixels + 3) * 5 / 8 /
                                 (rows < listed ? rows : listed);
    return runs * (run + transposing) + 400 + 5 * elements;
}

static inline uint64_t dense_cycles(const wpk_weights *weights, uint64_t elements, uint32_t runs,
                                    uint32_t pixels) {
    const uint64_t cols = weights->cols;
    return runs * ((uint64_t)(pixels / 2) * (cols + 80) * 35 / 128 +
                   (uint64_t)(pixels % 2) * (cols + 60) / 4) +
           150 + 3 * elements + cols / 2;
}

/* Whether lists are faster than dense rows for so many runs of pixels, of a codec that has lists.
 */
static inline bool wpk_lists_pay(const wpk_weights *weights, uint32_t runs, uint32_t pixels) {
    if (tile_vectors(weights->cols) == 0 || (uint64_t)weights->rows * MAX_VECTORS * LANES > 65536) {
        return false;
    }
    const uint64_t elements = stored_elements(weights) / weights->rows;
    return list_cycles(weights, elements, runs, pixels) <
           dense_cycles(weights, elements, runs, pixels);
}

/* Bytes of a buffer for lists of up to `rows` rows at a time: `wanted` or more, but not more than
 * they are likely to need; a multiple of 16. */
static inline uint64_t wpk_lists_nbytes(const wpk_weights *weights, uint64_t wanted,
                                        uint32_t rows) {
    const uint64_t all = rows * list_nbytes(stored_elements(weights) / weights->rows + PAD);
    /* Tiles are transposed once per buffer: few large ones are better than many small ones. */
    uint64_t nbytes = wanted < MIN_LISTS_NBYTES ? MIN_LISTS_NBYTES : wanted;
    nbytes = nbytes < MAX_LISTS_NBYTES ? nbytes : MAX_LISTS_NBYTES;
    nbytes = nbytes < all ? nbytes : all;
    const uint64_t least = list_nbytes(weights->cols);
    return wpk_align16(nbytes < least ? least : nbytes);
}

/* How many of `rows` rows a block may have: nothing is kept for each of them but its list. */
static inline uint32_t wpk_lists_rows(const wpk_weights *weights, uint64_t nbytes, uint32_t rows) {
    (void)weights, (void)nbytes;
    return rows;
}

/* The channels of a tile are padded to whole vectors. */
static inline uint64_t tile_nbytes(uint32_t cols, uint32_t scale) {
    return (((uint64_t)cols + TILE_CHANNELS - 1) & ~(uint64_t)(TILE_CHANNELS - 1)) * scale;
}

/* Scratch of the lists' run: bytes, a multiple of 16. */
static inline uint64_t wpk_lists_run_nbytes(uint32_t cols) {
    return tile_nbytes(cols, tile_vectors(cols) * LANES);
}

#endif
