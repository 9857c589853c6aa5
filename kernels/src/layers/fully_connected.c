#include "wpk/fully_connected.h"

#include "../gemm/gemm.h"
#include "layers.h"

WPK_CORE_API uint32_t wpk_fully_connected_plan_for(wpk_core core, uint32_t batch,
                                                   const wpk_weights *weights, wpk_plan *plan) {
    const struct wpk_layer_kernels *const layers = wpk_layers_of(weights);
    if (layers != NULL) {
        return layers->fully_connected_plan(core, batch, weights, plan);
    }
    plan->schedule = WPK_ROWS_DENSE;
    return wpk_tables_nbytes(weights);
}

uint32_t wpk_fully_connected_plan(uint32_t batch, const wpk_weights *weights, wpk_plan *plan) {
    return wpk_fully_connected_plan_for(WPK_THIS_CORE, batch, weights, plan);
}

void wpk_fully_connected_s8(uint32_t batch, const wpk_weights *weights, const wpk_plan *plan,
                            const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch) {
    const struct wpk_layer_kernels *const layers = wpk_layers_of(weights);
    if (layers != NULL) {
        layers->fully_connected(batch, weights, plan, requant, x, y, scratch);
        return;
    }
    const wpk_cursor start = wpk_first_row(weights, scratch);
    const wpk_block block = {
        .rows = weights->dense,
        .count = weights->rows,
        .cols = weights->cols,
        .stride = weights->cols,
        .requant = requant,
    };
    for (uint32_t b = 0; b < batch; ++b, x += weights->cols, y += weights->rows) {
        if (weights->dense != NULL) {
            wpk_gemm_vector(&block, x, y);
        } else {
            wpk_gemm_dots(&block, weights, &start, x, y);
        }
    }
}
