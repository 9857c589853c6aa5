#include "cut.h"

#include "../core/gemm_plan.h"
#include "../layers/conv_plan.h"
#include "kernels.h"

/* Instructions, by core, in 64ths: of a word of products by multiplication (with up to four bits:
 * NARROW), and for each pool vector and run of words beside; by look-up, for each plane and beside,
 * with a loop for the core (FAST) and without, and for each pool vector and run. Of a chunk of
 * words that is added for a tap, and of a visit of its sums, where the halves of words are added by
 * themselves and where they are not. */
#if WPK_MVE
enum {
    MULTIPLY = 1100,
    NARROW = 1100,
    RUN = 0,
    RUN_WORDS = 8,
    PLANE = 200,
    LOOK_UP = 500,
    FAST_PLANE = 200,
    FAST_LOOK_UP = 500,
    FAST_RUN = 0,
    CHUNK_WORDS = 1,
    SPLIT_TAP = 200,
    SPLIT_VISIT = 200,
    PACKED_TAP = 200,
    PACKED_VISIT = 200,
    VISIT_TAPS = 64
};
#else
enum {
    MULTIPLY = 768,
    NARROW = WPK_DSP ? 512 : 768,
    RUN = WPK_DSP ? 512 : 640,
    RUN_WORDS = 8,
    PLANE = 346,
    LOOK_UP = 358,
    FAST_PLANE = 128,
    FAST_LOOK_UP = WPK_DSP ? 224 : 256,
    FAST_RUN = 160,
    CHUNK_WORDS = 4,
    SPLIT_TAP = 704,
    SPLIT_VISIT = 768,
    PACKED_TAP = 448,
    PACKED_VISIT = 960,
    VISIT_TAPS = 12
};
#endif
/* Where a word is one product: a multiplication; a chunk for a tap. */
enum { WIDE_MULTIPLY = 2900, WIDE_TAP = CHUNK_WORDS * 512 };
/* Of two words rather than four, in fourths of those; of a row of products
 * and group: preparing the loops; of a column of indices; of a call that adds products; of a
 * channel and of a row of its outputs. */
enum { TWO_WORDS = 3, ROW = 16000, COLUMN = 3500, CALL = 5000, CHANNEL = 4000, OUTPUT_ROW = 3000 };

enum { MAX_GROUPS = 8, MAX_BLOCKS = 8, MAX_COLUMNS = 128, MIN_COLUMNS = 8, MAX_HALVINGS = 5 };

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

bool wpk_pool_products_fit(const wpk_conv_shape *shape) {
    return shape->kernel_h <= WPK_POOL_MAX_KERNEL && shape->kernel_w <= WPK_POOL_MAX_KERNEL &&
           shape->dilation_h <= WPK_POOL_MAX_KERNEL && shape->dilation_w <= WPK_POOL_MAX_KERNEL &&
           shape->stride_w <= WPK_POOL_MAX_STRIDE_W;
}

/* What does not depend on the cut, and costs of it. */
typedef struct {
    const wpk_pool_layer *layer;
    wpk_pool_span span;
    uint32_t input_rows; /* that are multiplied */
    uint32_t tiles;      /* of a whole width, with all groups of filters */
    uint64_t word, run;  /* of products with the whole pool */
    uint32_t tap, visit; /* of a chunk of words */
    uint32_t visit_taps;
} work;

/* Rows of outputs of a band: as many as fit the budget, in bands of equal height. */
static bool choose_rows(const work *w, wpk_pool_layout *p) {
    const uint32_t budget = w->layer->budget, height = w->span.height;
    const uint64_t slot = wpk_pool_constants_nbytes(p) + wpk_pool_sums_nbytes(p);
    /* Both are aligned. */
    const uint64_t fixed = p->constants_at + 32;
    uint32_t slots = 0;
    if (fixed + slot <= budget) {
        slots = (budget - (uint32_t)fixed) / (uint32_t)slot;
    }
    const uint32_t reach = w->span.reach;
    p->rows = slots >= height ? height : slots > reach ? slots - reach : 1;
    p->rows = wpk_pool_ceil_div(height, wpk_pool_ceil_div(height, p->rows));
    wpk_pool_lay_sums(&w->span, p);
    return p->nbytes <= budget;
}

/* Adding up products of a row of taps for a row of outputs of a filter. */
static uint64_t cost_of_sums(const work *w, const wpk_pool_layout *p) {
    const uint32_t taps = (uint32_t)w->layer->shape->kernel_w * p->groups;
    const uint64_t chunk =
        (uint64_t)taps * w->tap + (uint64_t)wpk_pool_ceil_div(taps, w->visit_taps) * w->visit;
    return p->words < CHUNK_WORDS ? chunk * TWO_WORDS / 4 : chunk * (p->words / CHUNK_WORDS);
}

static uint64_t cost_of(const work *w, const wpk_pool_layout *p) {
    const wpk_pool_layer *const l = w->layer;
    const uint32_t height = (uint32_t)l->shape->out_h, kernel_h = (uint32_t)l->shape->kernel_h;
    const uint32_t bands = wpk_pool_ceil_div(height, p->rows);
    const uint32_t blocks = wpk_pool_ceil_div(l->group_rows, p->filters);
    const uint32_t tiles = wpk_pool_ceil_div((uint32_t)l->shape->out_w, p->columns);
    const uint64_t products = w->word * p->pitch + w->run * wpk_pool_ceil_div(p->pitch, RUN_WORDS) +
                              (uint64_t)p->vectors * WPK_POOL_VECTOR + ROW;
    const uint64_t visits = (uint64_t)height * kernel_h * wpk_pool_ceil_div(l->groups, p->groups);
    const uint64_t offsets = l->positions * (COLUMN + (uint64_t)p->filters * WPK_POOL_INDEX);
    const uint64_t decoded = p->keeps ? 1 : (uint64_t)tiles * bands;
    const uint64_t outputs =
        (uint64_t)p->filters * (bands * (uint64_t)CHANNEL + height * (uint64_t)OUTPUT_ROW);
    return (uint64_t)w->tiles * blocks *
           (tiles * ((uint64_t)w->input_rows * l->groups * products +
                     visits * (CALL + p->filters * cost_of_sums(w, p)) + outputs) +
            decoded * offsets);
}

/* Widths of tiles: all of a row, or a power of two below. Returns how many. */
static uint32_t widths_of(uint32_t width, uint32_t *columns) {
    uint32_t count = 0;
    if (width <= MAX_COLUMNS) {
        columns[count++] = width;
    }
    for (uint32_t part = MAX_COLUMNS; part >= MIN_COLUMNS; part /= 2) {
        if (part < width) {
            columns[count++] = part;
        }
    }
    return count;
}

typedef struct {
    uint64_t least; /* cost, or bytes while nothing fits */
    bool fits;
    wpk_pool_layout *best;
} choice;

/* Remembers the best. Returns whether more than one band or tile reads the same offsets. */
static bool try_cut(const work *w, wpk_pool_layout *p, choice *c) {
    const bool fits = choose_rows(w, p);
    const uint64_t cost = fits ? cost_of(w, p) : p->nbytes;
    if ((fits && !c->fits) || (fits == c->fits && cost < c->least)) {
        c->fits = fits;
        c->least = cost;
        *c->best = *p;
    }
    return !fits || p->rows < (uint32_t)w->layer->shape->out_h ||
           p->columns < (uint32_t)w->layer->shape->out_w;
}

/* The cheapest of all; `p` has what does not depend on the cut. */
static uint64_t search(const work *w, wpk_pool_layout p, wpk_pool_layout *best) {
    const wpk_pool_layer *const l = w->layer;
    uint32_t columns[1 + MAX_HALVINGS];
    const uint32_t widths = widths_of((uint32_t)l->shape->out_w, columns);
    choice c = {UINT64_MAX, false, best};
    for (uint32_t groups = 1; groups <= MAX_GROUPS && groups < 2 * l->groups; groups *= 2) {
        p.groups = smaller(groups, l->groups);
        for (uint32_t i = 0; i < widths; ++i) {
            p.columns = columns[i];
            for (uint32_t blocks = 1; blocks <= MAX_BLOCKS; ++blocks) {
                p.filters = wpk_pool_ceil_div(l->group_rows, blocks);
                p.keeps = false;
                if (!wpk_pool_lay_rows(&w->span, &p)) {
                    break;
                }
                const bool rereads = try_cut(w, &p, &c);
                if (c.fits && p.nbytes <= l->budget && p.rows == (uint32_t)l->shape->out_h) {
                    blocks = MAX_BLOCKS; /* fewer filters would only be slower */
                }
                if (rereads) {
                    p.keeps = true;
                    wpk_pool_lay_rows(&w->span, &p);
                    try_cut(w, &p, &c);
                }
            }
        }
    }
    return c.least == UINT64_MAX ? c.least : cost_of(w, best);
}

static uint32_t rows_of_input(const wpk_conv_shape *s) {
    const uint64_t rows_of_taps = (uint64_t)s->out_h * (uint64_t)s->kernel_h;
    const uint64_t reached = (uint64_t)s->out_h * (uint64_t)s->stride_h + (uint64_t)s->kernel_h;
    const uint64_t least = rows_of_taps < reached ? rows_of_taps : reached;
    return least < (uint64_t)s->in_h ? (uint32_t)least : (uint32_t)s->in_h;
}

/* Of a product of each pool vector: for each word of a row, and for each run of words beside. */
static uint64_t cost_of_word(const wpk_pool_layer *l, bool looks_up, uint64_t *run) {
    const wpk_pool *const pool = l->pool;
    const uint32_t bits = l->weights->act_bits;
    const bool wide = pool->lut_bits == 16;
    const bool fast = looks_up && pool->lut_bits == 8 && bits <= WPK_POOL_LUT_8_BITS;
    *run = (uint64_t)pool->size * (wide ? 0 : fast ? FAST_RUN : looks_up ? 0 : RUN);
    if (fast) {
        return (uint64_t)pool->size * (FAST_PLANE * bits + FAST_LOOK_UP);
    }
    if (looks_up) {
        /* More registers are needed for entries of 4 bits. */
        const uint32_t plane = pool->lut_bits == 4 ? 2 * PLANE : PLANE;
        return (uint64_t)pool->size * (plane * bits + LOOK_UP);
    }
    return (uint64_t)pool->size * (wide ? WIDE_MULTIPLY : bits <= 4 ? NARROW : MULTIPLY);
}

/* Words of a run, to compare with. */
enum { COMMON_RUN = 4 };

bool wpk_pool_looks_up_faster(const wpk_pool_layer *layer) {
    uint64_t run;
    uint64_t looked_up = COMMON_RUN * cost_of_word(layer, true, &run);
    looked_up += run;
    const uint64_t multiplied = COMMON_RUN * cost_of_word(layer, false, &run);
    return looked_up < multiplied + run;
}

uint64_t wpk_pool_cut(const wpk_pool_layer *layer, bool looks_up, wpk_pool_layout *layout) {
    const wpk_pool *const pool = layer->pool;
    const wpk_conv_shape *const shape = layer->shape;
    const wpk_pool_layout start = {.schedule = WPK_POOL_PRODUCTS,
                                   .looks_up = looks_up,
                                   .builds = looks_up && pool->lut == NULL,
                                   .wide = pool->lut_bits == 16};
    work w = {
        .layer = layer,
        .span = wpk_pool_span_of(shape, layer->weights),
        .input_rows = rows_of_input(shape),
        .tiles = (uint32_t)shape->batch * (uint32_t)(shape->in_c / shape->kernel_c),
    };
    w.word = cost_of_word(layer, looks_up, &w.run);
    const uint32_t headroom = start.wide ? 1 : wpk_pool_headroom(pool, layer->weights->act_bits);
    const bool split = headroom <= 2;
    w.tap = start.wide ? WIDE_TAP : split ? SPLIT_TAP : PACKED_TAP;
    w.visit = split ? SPLIT_VISIT : PACKED_VISIT;
    w.visit_taps = split ? VISIT_TAPS : smaller(headroom, VISIT_TAPS);
    const uint64_t cost = search(&w, start, layout);
    const uint64_t outputs = (uint64_t)wpk_conv_pixels(shape) * (uint64_t)shape->out_c;
    const uint64_t table = start.builds ? wpk_pool_table_cost(pool) : 0;
    return cost == UINT64_MAX ? cost : cost + outputs * WPK_POOL_OUTPUT + table;
}
