/* How schedule PRODUCTS cuts a layer. Private. */
#ifndef WPK_SRC_SV_CUT_H
#define WPK_SRC_SV_CUT_H

#include "layout.h"

/* Instructions in 64ths, whatever the schedule: reading an index; loading a vector of activations;
 * an output from its sum; an entry of a look-up table that is made. */
enum { WPK_SV_INDEX = 600, WPK_SV_VECTOR = 2600, WPK_SV_OUTPUT = 900, WPK_SV_ENTRY = 200 };

/* What does not depend on how the layer is cut. */
typedef struct {
    const wpk_conv_shape *shape;
    const wpk_weights *weights;
    const wpk_shared_vectors *shared;
    uint64_t activations;   /* bytes of them */
    uint32_t spare, budget; /* of scratch, in bytes */
    uint32_t group_rows, groups, positions;
} wpk_sv_layer;

static inline uint64_t wpk_sv_table_cost(const wpk_shared_vectors *shared) {
    return (uint64_t)WPK_SV_PATTERNS * shared->pitch * WPK_SV_ENTRY;
}

/* Whether the schedule takes windows of this kind. */
bool wpk_sv_products_fit(const wpk_conv_shape *shape);

/* Whether products by look-up take less than by multiplication, a table aside. */
bool wpk_sv_looks_up_faster(wpk_core core, const wpk_sv_layer *layer);

/* The cheapest way to cut that fits the budget, or else one that takes little memory; the estimate
 * of its instructions in 64ths, or UINT64_MAX if there is none. */
uint64_t wpk_sv_cut(wpk_core core, const wpk_sv_layer *layer, bool looks_up, wpk_sv_layout *layout);

#endif
