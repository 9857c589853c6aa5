/* Pixels transposed for lists on Helium: a tile of 8, 16 or 24 pixels, in which a column of eight
 * pixels is one vector. */
#ifndef WPK_SRC_TILE_H
#define WPK_SRC_TILE_H

#include "lists.h"

#if WPK_MVE

enum { WPK_TILE_LANES = 8, WPK_TILE_MAX_VECTORS = 3, WPK_TILE_CHANNELS = 16 };

/* Vectors of eight pixels in a tile; 0: there are too many columns for lists. */
static inline uint32_t wpk_tile_vectors(uint32_t cols) {
    /* With more columns, lists could not hold a sum. */
    enum { MAX_COLS = 480, MAX_NBYTES = 8192 };
    const uint32_t most = cols > MAX_COLS ? 0 : MAX_NBYTES / WPK_TILE_LANES / cols;
    return most < WPK_TILE_MAX_VECTORS ? most : WPK_TILE_MAX_VECTORS;
}

/* Bytes of a tile, whose columns are padded to whole vectors of them. */
uint64_t wpk_tile_nbytes(uint32_t cols);

/* Pixel first + p, column c to tile[c · scale + p]. Pixels behind the last are it once more. */
void wpk_tile_load(const wpk_pixels *pixels, uint32_t first, uint32_t count, uint32_t cols,
                   uint32_t scale, int8_t *tile);

/* What is fastest for rows of a codec; as wpk_list_kernels.choose. */
const struct wpk_list_kernels *wpk_choose_lists(const wpk_weights *weights, uint32_t runs,
                                                uint32_t pixels, bool reordered);

#endif

#endif
