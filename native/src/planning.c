#include "planning.h"

#include "depthwise/depthwise_plan.h"
#include "layers/conv_plan.h"
#include "layers/layers.h"
#include "lists/lists_plan.h"

const wpk_core wpn_cores[WPN_CORES] = {&wpk_cortex_m55, &wpk_cortex_m4, &wpk_cortex_m3};

const char *wpn_core_name(wpk_core core) {
    return core->name;
}

/* Bytes of a row of average length as a list. */
static uint64_t listed_nbytes(wpk_core core, wpk_schedule form, const wpk_weights *weights) {
    const uint32_t elements = weights->codec->stored(&weights->blob) / weights->rows;
    if (form == WPK_ROWS_GROUPED) {
        return wpk_groups_nbytes(elements / WPK_GROUP_ELEMENTS + 1);
    }
    /* Half of the lists have an element of padding. */
    return wpk_of(core)->list_head_nbytes + (elements + WPK_LIST_PAD / 2) * sizeof(wpk_entry);
}

wpn_layer_plan wpn_describe_depthwise(wpk_core core, const wpk_conv_shape *shape,
                                      const wpk_weights *weights) {
    wpn_layer_plan plan = {.is_3x3 = wpk_depthwise_is_3x3(core, shape),
                           .nbytes = wpk_depthwise_scratch_nbytes_for(core, shape, weights)};
    if (plan.is_3x3 && wpk_of(core)->helium) {
        const wpk_dw_strips cut = wpk_dw_strips_of(core, shape);
        plan.tile_pixels = (uint32_t)cut.columns;
        plan.windows = (uint32_t)(cut.strips * cut.out_rows);
    } else if (plan.is_3x3) {
        const wpk_dw_bands cut = wpk_dw_bands_of(core, shape);
        plan.tile_pixels = (uint32_t)cut.planes.pitch;
        plan.windows = (uint32_t)cut.out_rows;
    }
    return plan;
}

wpn_layer_plan wpn_describe_conv(wpk_core core, const wpk_conv_shape *shape,
                                 const wpk_weights *weights, uint32_t spare) {
    wpk_plan chosen;
    const uint64_t nbytes = wpk_conv_rows_plan(core, shape, weights, spare, &chosen);
    const wpk_conv_layout p = wpk_conv_layout_of(core, shape, weights, &chosen.rows);
    uint64_t rows = p.block_rows;
    uint32_t tile_pixels = p.tile_pixels;
    if (p.form != WPK_ROWS_DENSE) {
        const uint64_t fit = p.block_nbytes / listed_nbytes(core, (wpk_schedule)p.form, weights);
        rows = fit < 1 ? 1 : fit < rows ? fit : rows;
        tile_pixels = wpk_of(core)->helium && p.form == WPK_ROWS_LISTED
                          ? wpk_tile_vectors(weights->cols) * WPK_TILE_LANES
                          : p.windows;
    }
    return (wpn_layer_plan){
        .vector = p.vector,
        .in_place = p.in_place,
        .pointwise = p.pointwise,
        .strip = p.strip,
        .form = p.form,
        .blocks = (uint32_t)((p.group_rows + rows - 1) / rows),
        .tile_pixels = tile_pixels,
        .windows = p.windows,
        .nbytes = nbytes < UINT32_MAX ? (uint32_t)nbytes : UINT32_MAX,
    };
}
