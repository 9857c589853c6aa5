/* Row groups of indices for the matrix product with Helium: wpk_layer_kernels says what they do. */
#ifndef WPK_SRC_SHARED_VECTORS_PACK_H
#define WPK_SRC_SHARED_VECTORS_PACK_H

#include "../gemm/gemm.h"

void wpk_pool_order_of(const wpk_blob *blob, uint32_t kernel_h, uint32_t kernel_w, bool transposed,
                       void *order);
void wpk_pool_pack(const wpk_block *group, const wpk_blob *blob, void *packed);
void wpk_pool_dots(const wpk_block *block, const wpk_weights *weights, const wpk_cursor *start,
                   const int8_t *x, int8_t *y);

#endif
