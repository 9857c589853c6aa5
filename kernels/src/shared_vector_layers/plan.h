/* How a layer with shared vectors is planned for a core. Private. */
#ifndef WPK_SRC_SV_PLAN_H
#define WPK_SRC_SV_PLAN_H

#include "../core/core.h"
#include "../gemm/gemm.h"
#include "wpk/conv.h"

/* A fully connected layer is a convolution of a row of `batch` pixels. */
static inline wpk_conv_shape wpk_sv_row_of_pixels(uint32_t batch, const wpk_weights *weights) {
    const int32_t pixels = (int32_t)batch, depth = (int32_t)weights->cols;
    return (wpk_conv_shape){
        .batch = 1,
        .in_h = 1,
        .in_w = pixels,
        .in_c = depth,
        .out_h = 1,
        .out_w = pixels,
        .out_c = (int32_t)weights->rows,
        .kernel_h = 1,
        .kernel_w = 1,
        .kernel_c = depth,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
    };
}

/* With Helium, row groups of indices for the matrix product: wpk_layer_kernels says what they do.
 */
void wpk_sv_order_of(const wpk_blob *blob, uint32_t kernel_h, uint32_t kernel_w, bool transposed,
                     void *order);
void wpk_sv_pack(const wpk_block *group, const wpk_blob *blob, void *packed);
void wpk_sv_dots(const wpk_block *block, const wpk_weights *weights, const wpk_cursor *start,
                 const int8_t *x, int8_t *y);

/* The layers of the codec. */
extern const struct wpk_layer_kernels wpk_sv_layers;

uint32_t wpk_sv_conv_plan(wpk_core core, const wpk_conv_shape *shape, const wpk_weights *weights,
                          uint32_t spare, wpk_plan *plan);
uint32_t wpk_sv_fully_connected_plan(wpk_core core, uint32_t batch, const wpk_weights *weights,
                                     wpk_plan *plan);

#endif
