#include "pool_plan.h"

#include "codec_pool.h"
#include "conv_plan.h"
#include "gemm_plan.h"
#include "pool_kernels.h"

/* Instructions, by core, in 64ths: of a dense multiply-accumulate; of a word of products by
 * multiplication, and by look-up, there for each plane and beside that; of a word that is added for
 * a tap, and of a visit of its sums; of a look-up of schedule DIRECT. */
#if WPK_MVE
enum {
    DENSE = 6,
    MULTIPLY = 1100,
    PLANE = 200,
    LOOK_UP = 500,
    ADD = 200,
    VISIT = 200,
    DIRECT = 400
};
#else
enum {
    DENSE = WPK_DSP ? 95 : 150,
    MULTIPLY = 1000,
    PLANE = 346,
    LOOK_UP = 358,
    ADD = 180,
    VISIT = 180,
    DIRECT = 450
};
#endif
/* Dropping the lower bits of an activation of a window that was gathered, decoding an index, making
 * an entry of the table, loading a vector, a call of the inner loop. */
enum { NARROW = WPK_MVE ? 200 : 640, INDEX = 1400, ENTRY = 4000, VECTOR = 5000, CALL = 800 };

/* Scratch that is taken where no memory is idle: a share of the activations, and what any layer
 * may have. */
enum { SHARE = 4, SMALL_NBYTES = 8192, MAX_OFFSET = UINT16_MAX };
enum {
    MAX_GROUPS = 8,
    MAX_ROWS = 64,
    MAX_BLOCKS = 8,
    MAX_COLUMNS = 128,
    MIN_COLUMNS = 8,
    MAX_HALVINGS = 5
};

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

uint32_t wpk_pool_segments(const wpk_conv_shape *shape, uint32_t words,
                           wpk_pool_segment *segments) {
    uint32_t count = 0, first = 0;
    for (int32_t phase = 0; phase < shape->stride_w; ++phase) {
        int32_t last = -1;
        for (int32_t j = 0; j < shape->kernel_w; ++j) {
            const int32_t column = j * shape->dilation_w;
            last = column % shape->stride_w == phase ? column / shape->stride_w : last;
        }
        if (last >= 0) {
            const wpk_pool_segment segment = {(uint32_t)phase, first, words + (uint32_t)last};
            first += segment.width;
            segments[count++] = segment;
        }
    }
    return count;
}

static bool products_fit(const wpk_conv_shape *shape) {
    return shape->kernel_h <= WPK_POOL_MAX_KERNEL && shape->kernel_w <= WPK_POOL_MAX_KERNEL &&
           shape->dilation_h <= WPK_POOL_MAX_KERNEL && shape->dilation_w <= WPK_POOL_MAX_KERNEL &&
           shape->stride_w <= WPK_POOL_MAX_STRIDE_W;
}

/* What does not depend on how the layer is cut. */
typedef struct {
    const wpk_conv_shape *shape;
    const wpk_weights *weights;
    const wpk_pool *pool;
    uint64_t activations, budget;
    uint32_t group_rows, groups, positions;
    uint32_t reach;            /* rows of outputs below its own that an input row adds to */
    uint32_t segments, margin; /* of a row of products; words beside those of the outputs */
    uint64_t word_cost;        /* of products of one word with the whole pool */
    uint64_t table_cost;       /* of making the look-up table */
    uint64_t table_nbytes;
} layer;

static uint32_t ceil_div(uint32_t a, uint32_t b) {
    return a / b + (a % b != 0);
}

/* The rest of a plan of given filters, columns, rows and groups; false if offsets would not fit. */
static bool lay_out(const layer *l, wpk_pool_plan *p) {
    const wpk_conv_shape *const shape = l->shape;
    /* Inner loops take four words at a time. */
    p->words = p->wide ? p->columns : (p->columns + 1) / 2;
    p->words = p->words > 2 ? (p->words + 3) & ~3u : p->words;
    p->pitch = l->segments * p->words + l->margin;
    p->vectors = p->wide ? p->pitch : 2 * p->pitch;
    p->slots = smaller(p->rows + l->reach, (uint32_t)shape->out_h);
    const uint64_t products = 4ull * p->groups * wpk_pool_rows(l->pool) * p->pitch;
    const uint64_t taps = (uint64_t)shape->kernel_h * (uint64_t)shape->kernel_w;
    p->prepared_at = p->builds ? wpk_pool_lut_nbytes(l->pool) : 0;
    p->offsets_at =
        p->prepared_at + (p->looks_up ? 0 : wpk_align16(wpk_pool_prepared_nbytes(l->pool)));
    p->vectors_at = p->offsets_at + wpk_align16(2 * taps * p->groups * p->filters);
    p->products_at = p->vectors_at + wpk_align16(8ull * p->vectors);
    p->constants_at = p->products_at + products;
    p->sums_at = p->constants_at + wpk_align16(4ull * p->slots * (p->filters + 1));
    p->nbytes =
        p->sums_at + wpk_align16((p->wide ? 4ull : 8ull) * p->slots * p->filters * p->words);
    return products <= MAX_OFFSET + 1;
}

static uint64_t cost_of(const layer *l, const wpk_pool_plan *p) {
    const wpk_conv_shape *const s = l->shape;
    const uint64_t tiles = ceil_div((uint32_t)s->out_w, p->columns) * (uint64_t)s->batch;
    const uint64_t blocks =
        ceil_div(l->group_rows, p->filters) * ((uint64_t)s->in_c / (uint64_t)s->kernel_c);
    const uint64_t reached = (uint64_t)s->out_h * (uint64_t)s->stride_h + (uint64_t)s->kernel_h;
    const uint64_t input_rows = reached < (uint64_t)s->in_h ? reached : (uint64_t)s->in_h;
    const uint64_t products =
        input_rows * l->groups * (p->pitch * l->word_cost + p->vectors * (uint64_t)VECTOR);
    const uint64_t visits =
        (uint64_t)s->out_h * (uint64_t)s->kernel_h * p->filters * ceil_div(l->groups, p->groups);
    const uint64_t adds =
        visits * (CALL + p->words * ((uint64_t)s->kernel_w * p->groups * ADD + VISIT));
    const uint64_t indices =
        ceil_div((uint32_t)s->out_h, p->rows) * l->positions * p->filters * (uint64_t)INDEX;
    return tiles * blocks * (products + adds + indices);
}

/* The cheapest way to cut that fits the budget, or else the one that takes the least memory. */
static uint64_t choose_cut(const layer *l, wpk_pool_plan *best) {
    const uint32_t width = (uint32_t)l->shape->out_w, height = (uint32_t)l->shape->out_h;
    const wpk_pool_plan start = *best;
    uint64_t least = UINT64_MAX;
    bool found = false;
    /* All of a row, or a power of two less. */
    uint32_t widths = 0, columns[1 + MAX_HALVINGS];
    if (width <= MAX_COLUMNS) {
        columns[widths++] = width;
    }
    for (uint32_t part = MAX_COLUMNS; part >= MIN_COLUMNS; part /= 2) {
        if (part < width) {
            columns[widths++] = part;
        }
    }
    for (uint32_t groups = 1; groups <= MAX_GROUPS && groups < 2 * l->groups; groups *= 2) {
        for (uint32_t i = 0; i < widths; ++i) {
            for (uint32_t rows = 1; rows < 2 * height && rows <= MAX_ROWS; rows *= 2) {
                for (uint32_t blocks = 1; blocks <= MAX_BLOCKS; blocks *= 2) {
                    wpk_pool_plan p = start;
                    p.groups = smaller(groups, l->groups);
                    p.columns = columns[i];
                    p.rows = smaller(rows, height);
                    p.filters = (l->group_rows + blocks - 1) / blocks;
                    if (!lay_out(l, &p)) {
                        continue;
                    }
                    const bool fits = p.nbytes <= l->budget;
                    const uint64_t cost = fits ? cost_of(l, &p) : p.nbytes;
                    if ((fits && !found) || (fits == found && cost < least)) {
                        found = fits;
                        least = cost;
                        *best = p;
                    }
                }
            }
        }
    }
    return least == UINT64_MAX ? least : cost_of(l, best);
}

static uint64_t plan_products(const layer *l, bool looks_up, wpk_pool_plan *plan) {
    const wpk_pool *const pool = l->pool;
    wpk_pool_plan p = {.schedule = WPK_POOL_PRODUCTS,
                       .looks_up = looks_up,
                       .builds = looks_up && pool->lut == NULL,
                       .wide = pool->lut_bits == 16};
    layer with = *l;
    /* More registers are needed for entries of 4 bits. */
    const uint64_t plane = pool->lut_bits == 4 ? 2 * PLANE : PLANE;
    const uint64_t planes = plane * l->weights->act_bits + LOOK_UP;
    with.word_cost = pool->size * (looks_up ? planes : MULTIPLY);
    wpk_pool_segment segments[WPK_POOL_MAX_STRIDE_W];
    with.segments = wpk_pool_segments(l->shape, 0, segments);
    with.margin = segments[with.segments - 1].first + segments[with.segments - 1].width;
    with.reach = (uint32_t)((l->shape->kernel_h - 1) * l->shape->dilation_h / l->shape->stride_h);
    const uint64_t cost = choose_cut(&with, &p);
    *plan = p;
    return cost == UINT64_MAX ? cost : cost + (p.builds ? l->table_cost : 0);
}

static uint64_t plan_direct(const layer *l, wpk_pool_plan *plan) {
    const uint64_t pixels = wpk_conv_pixels(l->shape);
    wpk_pool_plan p = {.schedule = WPK_POOL_DIRECT, .builds = l->pool->lut == NULL};
    p.offsets_at = p.builds ? l->table_nbytes : 0;
    p.vectors_at = p.offsets_at + wpk_align16(l->positions);
    p.nbytes = p.vectors_at + (uint64_t)WPK_POOL_DIRECT_PIXELS * WPK_POOL_LANES * l->positions;
    p.nbytes = wpk_align16(p.nbytes);
    *plan = p;
    const uint64_t rows = l->group_rows;
    return pixels * l->positions * (VECTOR + rows * l->weights->act_bits * DIRECT) +
           ceil_div((uint32_t)pixels, WPK_POOL_DIRECT_PIXELS) * rows * l->positions * INDEX +
           (p.builds ? l->table_cost : 0);
}

static uint64_t plan_gather(const layer *l, wpk_pool_plan *plan) {
    const uint64_t pixels = wpk_conv_pixels(l->shape), rows = (uint64_t)l->shape->out_c;
    const wpk_pool_plan p = {.schedule = WPK_POOL_GATHER,
                             .nbytes = wpk_conv_rows_scratch_nbytes(l->shape, l->weights)};
    *plan = p;
    const uint64_t narrow = l->weights->act_bits < 8 ? NARROW : 0;
    return rows * l->positions * 2 * INDEX + pixels * l->weights->cols * (rows * DENSE + narrow);
}

/* Tests force a schedule where it can be used at all: WPK_POOL_FORCE, and 1 or 0 for products by
 * look-up or not. */
#ifdef WPK_POOL_FORCE
#ifndef WPK_POOL_FORCE_LUT
#define WPK_POOL_FORCE_LUT 0
#endif
static bool is_forced(const wpk_pool_plan *p) {
    return p->schedule == WPK_POOL_FORCE &&
           (p->schedule != WPK_POOL_PRODUCTS || p->looks_up == WPK_POOL_FORCE_LUT);
}
#else
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
    const layer l = {
        .shape = shape,
        .weights = weights,
        .pool = pool,
        .budget = larger(larger(activations / SHARE, SMALL_NBYTES), shape->spare),
        .group_rows = (uint32_t)(shape->out_c / (shape->in_c / shape->kernel_c)),
        .groups = wpk_pool_groups(&weights->blob),
        .positions = wpk_pool_positions(&weights->blob),
        .table_cost = (uint64_t)WPK_POOL_PATTERNS * pool->pitch * ENTRY,
        .table_nbytes = wpk_pool_lut_nbytes(pool),
    };
    wpk_pool_plan ways[4], best = {0};
    uint64_t costs[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}, least = UINT64_MAX;
    const bool multiplies = pool->lut_shift == 0, looks_up = pool->lut_mode != WPK_LUT_NONE;
    const bool products = products_fit(shape);
    costs[0] = multiplies ? plan_gather(&l, &ways[0]) : UINT64_MAX;
    costs[1] = looks_up ? plan_direct(&l, &ways[1]) : UINT64_MAX;
    costs[2] = products && multiplies ? plan_products(&l, false, &ways[2]) : UINT64_MAX;
    costs[3] = products && looks_up ? plan_products(&l, true, &ways[3]) : UINT64_MAX;
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
