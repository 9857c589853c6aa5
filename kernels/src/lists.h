/* Convolution with sparse rows kept as lists of their elements, for cores without Helium: a
 * multiply-accumulate is spent on stored elements alone. Eight pixels at a time are widened to 16
 * bits and interleaved, so that an element finds its column of all eight together. */
#ifndef WPK_SRC_LISTS_H
#define WPK_SRC_LISTS_H

#include <stdbool.h>

#include "gemm.h"

struct wpk_list_kernels {
    uint32_t windows; /* windows to gather at a time */

    /* What is fastest for so many runs of pixels: these kernels, others of the same core, or NULL
     * if that is dense rows. reordered: rows follow wpk_block.order. */
    const struct wpk_list_kernels *(*choose)(const wpk_weights *weights, uint32_t runs,
                                             uint32_t pixels, bool reordered);

    /* Bytes of a buffer for lists, at least `wanted`; a multiple of 16. */
    uint64_t (*nbytes)(const wpk_weights *weights, uint64_t wanted);

    /* List rows from block->first on, as many as fit, block->count at most; sets block->count and
     * block->rows. */
    void (*load)(wpk_block *block, const wpk_weights *weights, wpk_cursor *cursor, void *lists,
                 uint32_t nbytes);

    /* As wpk_gemm_run. */
    uint64_t (*run_nbytes)(uint32_t cols);
    void (*run)(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                void *scratch);
};

extern const struct wpk_list_kernels wpk_lists, wpk_groups;
#define WPK_LIST_KERNELS (&wpk_lists)

#endif
