#include "plan.h"

#include "../layers/conv_plan.h"
#include "cut.h"
#include "indices.h"

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
    wpk_pool_layout layout;
    wpk_plan rows;
    uint64_t cost; /* UINT64_MAX: there is none */
} way;

static way way_direct(const wpk_pool_layer *l) {
    const uint64_t pixels = wpk_conv_pixels(l->shape), rows = l->group_rows;
    way w = {.layout = wpk_pool_direct_layout(&l->weights->blob)};
    const uint64_t looks = rows * (l->weights->act_bits * DIRECT + DIRECT_VECTOR);
    const uint64_t reads = wpk_ceil_div((uint32_t)pixels, WPK_POOL_DIRECT_PIXELS) * rows;
    w.cost = pixels * (l->positions * (WPK_POOL_VECTOR + looks) + rows * WPK_POOL_OUTPUT) +
             reads * l->positions * DECODE + (w.layout.builds ? wpk_pool_table_cost(l->pool) : 0);
    return w;
}

static way way_gather(wpk_core core, const wpk_pool_layer *l) {
    const uint64_t pixels = wpk_conv_pixels(l->shape), rows = (uint64_t)l->shape->out_c;
    way w = {.layout = {.schedule = WPK_ROWS_DENSE}};
    w.layout.nbytes = wpk_conv_rows_plan(core, l->shape, l->weights, l->spare, &w.rows);
    /* Windows are gathered again for each block of decoded rows. */
    const uint64_t block = wpk_larger(wpk_larger(l->activations / ROWS_SHARE, l->spare),
                                      (uint64_t)LEAST_ROWS * l->weights->cols);
    const uint64_t blocks = 1 + rows * l->weights->cols / block;
    const uint64_t gathered =
        blocks * (COPY + (l->weights->act_bits < 8 ? wpk_of(core)->costs.drop : 0));
    w.cost = rows * l->positions * DECODE + pixels * rows * WPK_POOL_OUTPUT +
             pixels * l->weights->cols * (rows * wpk_of(core)->costs.dense + gathered);
    return w;
}

static way way_products(wpk_core core, const wpk_pool_layer *l, bool looks_up) {
    way w = {0};
    w.cost = wpk_pool_cut(core, l, looks_up, &w.layout);
    return w;
}

/* Tests force a schedule where it can be used at all: WPK_POOL_FORCE, and 1 or 0 for products by
 * look-up or not. */
#ifdef WPK_POOL_FORCE
#ifndef WPK_POOL_FORCE_LUT
#define WPK_POOL_FORCE_LUT 0
#endif
enum { FORCED = true };
static bool is_forced(const wpk_pool_layout *p) {
    return p->schedule == WPK_POOL_FORCE &&
           (p->schedule != WPK_POOL_PRODUCTS || p->looks_up == WPK_POOL_FORCE_LUT);
}
#else
enum { FORCED = false };
static bool is_forced(const wpk_pool_layout *p) {
    (void)p;
    return false;
}
#endif

/* Which way, and its scratch. */
static uint32_t chosen(const way *w, wpk_plan *plan) {
    const wpk_pool_layout *const p = &w->layout;
    if (p->schedule == WPK_ROWS_DENSE) {
        *plan = w->rows;
    } else {
        plan->pool = (wpk_pool_plan){
            .schedule = (uint8_t)p->schedule,
            .flags =
                (uint8_t)((p->looks_up ? WPK_POOL_LOOKS_UP : 0) | (p->keeps ? WPK_POOL_KEEPS : 0)),
            .columns = (uint8_t)p->columns,
            .groups = (uint8_t)p->groups,
            .filters = p->filters,
            .rows = p->rows,
        };
    }
    return p->nbytes < UINT32_MAX ? (uint32_t)p->nbytes : UINT32_MAX;
}

uint32_t wpk_pool_conv_plan(wpk_core core, const wpk_conv_shape *shape, const wpk_weights *weights,
                            uint32_t spare, wpk_plan *plan) {
    const wpk_pool *const pool = weights->blob.pool;
    const uint64_t activations =
        (uint64_t)shape->batch *
        ((uint64_t)shape->in_h * (uint64_t)shape->in_w * (uint64_t)shape->in_c +
         (uint64_t)shape->out_h * (uint64_t)shape->out_w * (uint64_t)shape->out_c);
    const uint64_t budget = wpk_larger(wpk_larger(activations / SHARE, SMALL_NBYTES), spare);
    const wpk_pool_layer l = {
        .shape = shape,
        .weights = weights,
        .pool = pool,
        .activations = activations,
        .spare = spare,
        .budget = budget < UINT32_MAX ? (uint32_t)budget : UINT32_MAX,
        .group_rows = (uint32_t)(shape->out_c / (shape->in_c / shape->kernel_c)),
        .groups = wpk_pool_groups(&weights->blob),
        .positions = wpk_pool_positions(&weights->blob),
    };
    const way none = {.cost = UINT64_MAX};
    const bool multiplies = pool->lut_shift == 0, looks_up = pool->lut_mode != WPK_LUT_NONE;
    const bool products = wpk_pool_products_fit(shape);
    way ways[4] = {multiplies ? way_gather(core, &l) : none, none, none, none};
    if (wpk_pool_just_gathers(core, pool)) {
        return chosen(&ways[0], plan);
    }
    ways[1] = looks_up ? way_direct(&l) : none;
    /* Searching takes time itself. A stored table takes no memory. */
    const bool faster = looks_up && wpk_pool_looks_up_faster(core, &l);
    if (products && multiplies && (FORCED || !faster || pool->lut == NULL)) {
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

uint32_t wpk_pool_fully_connected_plan(wpk_core core, uint32_t batch, const wpk_weights *weights,
                                       wpk_plan *plan) {
    const wpk_conv_shape shape = wpk_pool_row_of_pixels(batch, weights);
    return wpk_pool_conv_plan(core, &shape, weights, 0, plan);
}
