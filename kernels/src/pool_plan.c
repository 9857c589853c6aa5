#include "pool_plan.h"

#include "codec_pool.h"
#include "conv_plan.h"
#include "gemm_plan.h"
#include "pool_cut.h"

/* Instructions, by core, in 64ths: of a multiply-accumulate with decoded rows; gathering an
 * activation for them, and dropping its lower bits; decoding a vector; of schedule DIRECT, a
 * look-up and what a vector takes beside. */
enum {
    DENSE = WPK_MVE   ? 6
            : WPK_DSP ? 70
                      : 128,
    COPY = 64,
    DROP = WPK_MVE   ? 200
           : WPK_DSP ? 200
                     : 350,
    DECODE = 3000,
    DIRECT = 450,
    DIRECT_VECTOR = 900
};

/* Scratch that is taken where no memory is idle: a share of the activations, and what any layer
 * may have. */
enum { SHARE = 4, SMALL_NBYTES = 12288 };

/* Of activations, and rows at least, that are decoded at a time. */
enum { ROWS_SHARE = 16, LEAST_ROWS = 4 };

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint64_t plan_direct(const wpk_pool_layer *l, wpk_pool_plan *plan) {
    const uint64_t pixels = wpk_conv_pixels(l->shape), rows = l->group_rows;
    wpk_pool_plan p = {.schedule = WPK_POOL_DIRECT, .builds = l->pool->lut == NULL};
    p.offsets_at = p.builds ? wpk_pool_lut_nbytes(l->pool) : 0;
    p.vectors_at = p.offsets_at + wpk_align16(l->positions);
    p.nbytes = p.vectors_at + (uint64_t)WPK_POOL_DIRECT_PIXELS * WPK_POOL_LANES * l->positions;
    p.nbytes = wpk_align16(p.nbytes);
    *plan = p;
    const uint64_t looks = rows * (l->weights->act_bits * DIRECT + DIRECT_VECTOR);
    const uint64_t reads = wpk_pool_ceil_div((uint32_t)pixels, WPK_POOL_DIRECT_PIXELS) * rows;
    return pixels * (l->positions * (WPK_POOL_VECTOR + looks) + rows * WPK_POOL_OUTPUT) +
           reads * l->positions * DECODE + (p.builds ? wpk_pool_table_cost(l->pool) : 0);
}

static uint64_t plan_gather(const wpk_pool_layer *l, wpk_pool_plan *plan) {
    const uint64_t pixels = wpk_conv_pixels(l->shape), rows = (uint64_t)l->shape->out_c;
    const wpk_pool_plan p = {.schedule = WPK_POOL_GATHER,
                             .nbytes = wpk_conv_rows_scratch_nbytes(l->shape, l->weights)};
    *plan = p;
    /* Windows are gathered again for each block of decoded rows. */
    const uint64_t block = larger(larger(l->activations / ROWS_SHARE, l->shape->spare),
                                  (uint64_t)LEAST_ROWS * l->weights->cols);
    const uint64_t blocks = 1 + rows * l->weights->cols / block;
    const uint64_t gathered = blocks * (COPY + (l->weights->act_bits < 8 ? DROP : 0));
    return rows * l->positions * DECODE + pixels * rows * WPK_POOL_OUTPUT +
           pixels * l->weights->cols * (rows * DENSE + gathered);
}

/* Tests force a schedule where it can be used at all: WPK_POOL_FORCE, and 1 or 0 for products by
 * look-up or not. */
#ifdef WPK_POOL_FORCE
#ifndef WPK_POOL_FORCE_LUT
#define WPK_POOL_FORCE_LUT 0
#endif
enum { FORCED = true };
static bool is_forced(const wpk_pool_plan *p) {
    return p->schedule == WPK_POOL_FORCE &&
           (p->schedule != WPK_POOL_PRODUCTS || p->looks_up == WPK_POOL_FORCE_LUT);
}
#else
enum { FORCED = false };
static bool is_forced(const wpk_pool_plan *p) {
    (void)p;
    return false;
}
#endif

wpk_pool_plan wpk_pool_plan_of(const wpk_conv_shape *shape, const wpk_weights *weights) {
    const wpk_pool *const pool = weights->blob.pool;
    const uint64_t activations =
        (uint64_t)shape->batch *
        ((uint64_t)shape->in_h * (uint64_t)shape->in_w * (uint64_t)shape->in_c +
         (uint64_t)shape->out_h * (uint64_t)shape->out_w * (uint64_t)shape->out_c);
    const uint64_t budget = larger(larger(activations / SHARE, SMALL_NBYTES), shape->spare);
    const wpk_pool_layer l = {
        .shape = shape,
        .weights = weights,
        .pool = pool,
        .activations = activations,
        .budget = budget < UINT32_MAX ? (uint32_t)budget : UINT32_MAX,
        .group_rows = (uint32_t)(shape->out_c / (shape->in_c / shape->kernel_c)),
        .groups = wpk_pool_groups(&weights->blob),
        .positions = wpk_pool_positions(&weights->blob),
    };
    wpk_pool_plan ways[4], best = {0};
    uint64_t costs[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}, least = UINT64_MAX;
    const bool multiplies = pool->lut_shift == 0, looks_up = pool->lut_mode != WPK_LUT_NONE;
    const bool products = wpk_pool_products_fit(shape);
    costs[0] = multiplies ? plan_gather(&l, &ways[0]) : UINT64_MAX;
    if (wpk_pool_just_gathers(pool)) {
        return ways[0];
    }
    costs[1] = looks_up ? plan_direct(&l, &ways[1]) : UINT64_MAX;
    /* Searching takes time itself. A stored table takes no memory. */
    const bool faster = looks_up && wpk_pool_looks_up_faster(&l);
    if (products && multiplies && (FORCED || !faster || pool->lut == NULL)) {
        costs[2] = wpk_pool_cut(&l, false, &ways[2]);
    }
    if (products && looks_up && (FORCED || faster || !multiplies)) {
        costs[3] = wpk_pool_cut(&l, true, &ways[3]);
    }
    for (uint32_t i = 0; i < 4; ++i) {
        if (costs[i] != UINT64_MAX && is_forced(&ways[i])) {
            return ways[i];
        }
        if (costs[i] < least) {
            least = costs[i];
            best = ways[i];
        }
    }
    return best;
}

uint32_t wpk_pool_conv_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    const wpk_pool_plan p = wpk_pool_plan_of(shape, weights);
    return p.nbytes < UINT32_MAX ? (uint32_t)p.nbytes : UINT32_MAX;
}

uint32_t wpk_pool_fully_connected_scratch_nbytes(uint32_t batch, const wpk_weights *weights) {
    const wpk_conv_shape shape = wpk_pool_row_of_pixels(batch, weights);
    return wpk_pool_conv_scratch_nbytes(&shape, weights);
}
