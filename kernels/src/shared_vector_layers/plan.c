#include "plan.h"

#include "../layers/conv_plan.h"
#include "../shared_vectors/indices.h"
#include "cut.h"

/* Instructions in 64ths: gathering an activation for decoded rows; decoding a vector; of schedule
 * DIRECT, a look-up and what a vector takes beside. */
enum { COPY = 64, DECODE = 3000, DIRECT = 450, DIRECT_VECTOR = 900 };

/* Scratch that is taken where no memory is idle: a share of the activations, and what any layer
 * may have. */
enum { SHARE = 4, SMALL_NBYTES = 12288 };

/* Of activations, and rows at least, that are decoded at a time. */
enum { ROWS_SHARE = 16, LEAST_ROWS = 4 };

/* A layout and its scratch; where rows are gathered their plan instead of a layout. */
typedef struct {
    wpk_sv_layout layout;
    wpk_plan rows;
    uint64_t cost; /* UINT64_MAX: there is none */
} way;

/* Helium multiplies decoded rows faster than anything else. */
static bool just_gathers(wpk_core core, const wpk_shared_vectors *shared) {
#ifdef WPK_SV_FORCE
    (void)core, (void)shared;
    return false;
#else
    return wpk_of(core)->helium && shared->lut_shift == 0;
#endif
}

static way way_direct(const wpk_sv_layer *l) {
    const uint64_t pixels = wpk_conv_pixels(l->shape), rows = l->group_rows;
    way w = {.layout = wpk_sv_direct_layout(&l->weights->blob)};
    const uint64_t looks = rows * (l->weights->act_bits * DIRECT + DIRECT_VECTOR);
    const uint64_t reads = wpk_ceil_div((uint32_t)pixels, WPK_SV_DIRECT_PIXELS) * rows;
    w.cost = pixels * (l->positions * (WPK_SV_VECTOR + looks) + rows * WPK_SV_OUTPUT) +
             reads * l->positions * DECODE + (w.layout.builds ? wpk_sv_table_cost(l->shared) : 0);
    return w;
}

static way way_gather(wpk_core core, const wpk_sv_layer *l) {
    const uint64_t pixels = wpk_conv_pixels(l->shape), rows = (uint64_t)l->shape->out_c;
    way w = {.layout = {.schedule = WPK_ROWS_DENSE}};
    w.layout.nbytes = wpk_conv_rows_plan(core, l->shape, l->weights, l->spare, &w.rows);
    /* Windows are gathered again for each block of decoded rows. */
    const uint64_t block = wpk_larger(wpk_larger(l->activations / ROWS_SHARE, l->spare),
                                      (uint64_t)LEAST_ROWS * l->weights->cols);
    const uint64_t blocks = 1 + rows * l->weights->cols / block;
    const uint64_t gathered =
        blocks * (COPY + (l->weights->act_bits < 8 ? wpk_of(core)->costs.drop : 0));
    w.cost = rows * l->positions * DECODE + pixels * rows * WPK_SV_OUTPUT +
             pixels * l->weights->cols * (rows * wpk_of(core)->costs.dense + gathered);
    return w;
}

static way way_products(wpk_core core, const wpk_sv_layer *l, bool looks_up) {
    way w = {0};
    w.cost = wpk_sv_cut(core, l, looks_up, &w.layout);
    return w;
}

/* Tests force a schedule where it can be used at all: WPK_SV_FORCE, and 1 or 0 for products by
 * look-up or not. */
#ifdef WPK_SV_FORCE
#ifndef WPK_SV_FORCE_LUT
#define WPK_SV_FORCE_LUT 0
#endif
enum { FORCED = true };
static bool is_forced(const wpk_sv_layout *p) {
    return p->schedule == WPK_SV_FORCE &&
           (p->schedule != WPK_TILES_PRODUCTS || p->looks_up == WPK_SV_FORCE_LUT);
}
#else
enum { FORCED = false };
static bool is_forced(const wpk_sv_layout *p) {
    (void)p;
    return false;
}
#endif

/* Which way, and its scratch. */
static uint32_t chosen(const way *w, wpk_plan *plan) {
    const wpk_sv_layout *const p = &w->layout;
    if (p->schedule == WPK_ROWS_DENSE) {
        *plan = w->rows;
    } else {
        plan->tiles = (wpk_tiles_plan){
            .schedule = (uint8_t)p->schedule,
            .flags = (uint8_t)((p->looks_up ? WPK_SV_LOOKS_UP : 0) | (p->keeps ? WPK_SV_KEEPS : 0)),
            .columns = (uint8_t)p->columns,
            .groups = (uint8_t)p->groups,
            .filters = p->filters,
            .rows = p->rows,
        };
    }
    return p->nbytes < UINT32_MAX ? (uint32_t)p->nbytes : UINT32_MAX;
}

uint32_t wpk_sv_conv_plan(wpk_core core, const wpk_conv_shape *shape, const wpk_weights *weights,
                          uint32_t spare, wpk_plan *plan) {
    const wpk_shared_vectors *const shared = wpk_sv_of(&weights->blob);
    const uint64_t activations = wpk_conv_activations(shape);
    const uint64_t budget = wpk_larger(wpk_larger(activations / SHARE, SMALL_NBYTES), spare);
    const wpk_sv_layer l = {
        .shape = shape,
        .weights = weights,
        .shared = shared,
        .activations = activations,
        .spare = spare,
        .budget = budget < UINT32_MAX ? (uint32_t)budget : UINT32_MAX,
        .group_rows = wpk_conv_group_rows(shape),
        .groups = wpk_sv_groups(&weights->blob),
        .positions = wpk_sv_positions(&weights->blob),
    };
    const way none = {.cost = UINT64_MAX};
    const bool multiplies = shared->lut_shift == 0, looks_up = shared->lut_mode != WPK_LUT_NONE;
    const bool products = wpk_sv_products_fit(shape);
    way ways[4] = {multiplies ? way_gather(core, &l) : none, none, none, none};
    if (just_gathers(core, shared)) {
        return chosen(&ways[0], plan);
    }
    ways[1] = looks_up ? way_direct(&l) : none;
    /* Searching takes time itself. A stored table takes no memory. */
    const bool faster = looks_up && wpk_sv_looks_up_faster(core, &l);
    if (products && multiplies && (FORCED || !faster || shared->lut == NULL)) {
        ways[2] = way_products(core, &l, false);
    }
    if (products && looks_up && (FORCED || faster || !multiplies)) {
        ways[3] = way_products(core, &l, true);
    }
    const way *best = &none;
    for (uint32_t i = 0; i < 4; ++i) {
        if (ways[i].cost != UINT64_MAX && is_forced(&ways[i].layout)) {
            return chosen(&ways[i], plan);
        }
        best = ways[i].cost < best->cost ? &ways[i] : best;
    }
    return chosen(best, plan);
}

uint32_t wpk_sv_fully_connected_plan(wpk_core core, uint32_t batch, const wpk_weights *weights,
                                     wpk_plan *plan) {
    const wpk_conv_shape shape = wpk_sv_row_of_pixels(batch, weights);
    return wpk_sv_conv_plan(core, &shape, weights, 0, plan);
}
