/* Pixels transposed for lists on Helium: a tile of 8, 16 or 24 pixels, in which a column of eight
 * pixels is one vector. */
#ifndef WPK_SRC_TILE_H
#define WPK_SRC_TILE_H

#include "lists.h"
#include "lists_plan.h"

#if WPK_MVE

/* Pixel first + p, column c to tile[c · scale + p]. Pixels behind the last are it once more. */
void wpk_tile_load(const wpk_pixels *pixels, uint32_t first, uint32_t count, uint32_t cols,
                   uint32_t scale, int8_t *tile);

#endif

#endif
