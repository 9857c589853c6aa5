/* Convolution with sparse rows kept as lists of their elements: a multiply-accumulate is spent on
 * stored elements alone. Several pixels at a time are interleaved in a tile, so that an element
 * finds its column of all of them together. */
#ifndef WPK_SRC_LISTS_H
#define WPK_SRC_LISTS_H

#include "../codecs/list_kernels.h"
#include "../gemm/gemm.h"

struct wpk_list_kernels {
    /* List rows from block->first on, as many as fit, block->count at most; sets block->count and
     * block->rows. */
    void (*load)(wpk_block *block, const wpk_weights *weights, wpk_cursor *cursor, void *lists,
                 uint32_t nbytes);

    /* As wpk_gemm_run. */
    void (*run)(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                void *scratch);

    const struct wpk_list_kernels *grouped; /* for WPK_ROWS_GROUPED, or NULL */
};

extern const struct wpk_list_kernels wpk_groups;

#endif
