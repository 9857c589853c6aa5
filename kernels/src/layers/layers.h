/* Layers that a codec computes in its own way. */
#ifndef WPK_SRC_LAYERS_H
#define WPK_SRC_LAYERS_H

#include "../core/core.h"
#include "../gemm/gemm.h"
#include "wpk/conv.h"

/* As wpk_conv_plan, wpk_conv_s8 and their twins. */
struct wpk_layer_kernels {
    uint32_t (*conv_plan)(wpk_core core, const wpk_conv_shape *shape, const wpk_weights *weights,
                          uint32_t spare, wpk_plan *plan);
    void (*conv)(const wpk_conv_shape *shape, const wpk_weights *weights, const wpk_plan *plan,
                 const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch);
    uint32_t (*fully_connected_plan)(wpk_core core, uint32_t batch, const wpk_weights *weights,
                                     wpk_plan *plan);
    void (*fully_connected)(uint32_t batch, const wpk_weights *weights, const wpk_plan *plan,
                            const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch);

    /* What the general kernels do to windows that they have gathered, n activations in place;
     * called where act_bits is below 8. */
    void (*narrow)(const wpk_weights *weights, int8_t zero_point, int8_t *x, uint32_t n);

#if WPK_PLANS_HELIUM
    /* Bytes of what takes the place of block->order where `pack` and `dots` are called and no row
     * is decoded, a multiple of 16; 0 where rows are decoded. */
    uint32_t (*order_nbytes)(const wpk_blob *blob);
#endif
#if WPK_MVE
    /* Makes that, for rows or for the transposition of [kernel_h, kernel_w]; instead of
     * wpk_gemm_pack; instead of wpk_gemm_dots. */
    void (*order_of)(const wpk_blob *blob, uint32_t kernel_h, uint32_t kernel_w, bool transposed,
                     void *order);
    void (*pack)(const wpk_block *group, const wpk_blob *blob, void *packed);
    void (*dots)(const wpk_block *block, const wpk_weights *weights, const wpk_cursor *start,
                 const int8_t *x, int8_t *y);
#endif
};

static inline const struct wpk_layer_kernels *wpk_layers_of(const wpk_weights *weights) {
    return weights->dense != NULL ? NULL : weights->codec->layers;
}

#endif
