/* Which kernels are fastest for the sparse rows of a layer on Helium. */
#include "codec_sparse.h"
#include "tile.h"

#if WPK_MVE

/* About what is listed at a time. */
enum { LISTED_NBYTES = 16384 };

/* Modelled cycles of one row (docs/CYCLE_MODEL.md) as a list, and as one of four dense rows. Both
 * are fits to measurements. */
static uint64_t list_cycles(const wpk_weights *weights, uint64_t elements, uint32_t runs,
                            uint32_t pixels) {
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

static uint64_t dense_cycles(const wpk_weights *weights, uint64_t elements, uint32_t runs,
                             uint32_t pixels) {
    const uint64_t cols = weights->cols;
    return runs * ((uint64_t)(pixels / 2) * (cols + 80) * 35 / 128 +
                   (uint64_t)(pixels % 2) * (cols + 60) / 4) +
           150 + 3 * elements + cols / 2;
}

static uint64_t group_cycles(uint64_t elements, uint32_t runs, uint32_t pixels) {
    const uint64_t groups = elements / 16 + 1;
    return runs * (groups * (pixels * 18 + (pixels / 4 + pixels % 4) * 4) + pixels * 12) +
           groups * 40 + 400;
}

const struct wpk_list_kernels *wpk_choose_lists(const wpk_weights *weights, uint32_t runs,
                                                uint32_t pixels, bool reordered) {
    const uint64_t elements = weights->blob.section_nbytes[SECTION_VALUES] / weights->rows;
    const struct wpk_list_kernels *best = NULL;
    uint64_t least = dense_cycles(weights, elements, runs, pixels);
    if (weights->codec->list != NULL && wpk_tile_vectors(weights->cols) != 0 &&
        (uint64_t)weights->rows * WPK_TILE_MAX_VECTORS * WPK_TILE_LANES <= 65536) {
        const uint64_t cycles = list_cycles(weights, elements, runs, pixels);
        best = cycles < least ? &wpk_lists : best;
        least = cycles < least ? cycles : least;
    }
    /* Where cycles are nearly the same: half the instructions. */
    if (weights->codec->groups != NULL && !reordered &&
        group_cycles(elements, runs, pixels) * 10 < least * 11) {
        best = &wpk_groups;
    }
    return best;
}

#endif
