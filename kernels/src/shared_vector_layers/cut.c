#include "cut.h"

#include "../layers/conv_plan.h"
#include "../shared_vectors/kernels.h"

/* Instructions in 64ths, with those of the core (wpk_core_costs). Where a word is one product: a
 * multiplication; a word that is added for a tap. */
enum { WIDE_MULTIPLY = 2900, WIDE_TAP = 512 };
/* Of two words rather than four, in fourths of those; of a row of products
 * and group: preparing the loops; of a column of indices; of a call that adds products; of a
 * channel and of a row of its outputs. */
enum { TWO_WORDS = 3, ROW = 16000, COLUMN = 3500, CALL = 5000, CHANNEL = 4000, OUTPUT_ROW = 3000 };

enum { RUN_WORDS = 8 };

enum { MAX_GROUPS = 8, MAX_BLOCKS = 8, MAX_COLUMNS = 128, MIN_COLUMNS = 8, MAX_HALVINGS = 5 };

bool wpk_sv_products_fit(const wpk_conv_shape *shape) {
    return shape->kernel_h <= WPK_SV_MAX_KERNEL && shape->kernel_w <= WPK_SV_MAX_KERNEL &&
           shape->dilation_h <= WPK_SV_MAX_KERNEL && shape->dilation_w <= WPK_SV_MAX_KERNEL &&
           shape->stride_w <= WPK_SV_MAX_STRIDE_W;
}

/* What does not depend on the cut, and costs of it. */
typedef struct {
    const wpk_sv_layer *layer;
    wpk_sv_span span;
    uint32_t input_rows; /* that are multiplied */
    uint32_t tiles;      /* of a whole width, with all groups of filters */
    uint64_t word, run;  /* of products with all shared vectors */
    uint32_t tap, visit; /* of a chunk of words */
    uint32_t visit_taps;
} work;

/* Rows of outputs of a band: as many as fit the budget, in bands of equal height. */
static bool choose_rows(const work *w, wpk_sv_layout *p) {
    const uint32_t budget = w->layer->budget, height = w->span.height;
    const uint64_t slot = wpk_sv_constants_nbytes(p) + wpk_sv_sums_nbytes(p);
    /* Both are aligned. */
    const uint64_t fixed = p->constants_at + 32;
    uint32_t slots = 0;
    if (fixed + slot <= budget) {
        slots = (budget - (uint32_t)fixed) / (uint32_t)slot;
    }
    const uint32_t reach = w->span.reach;
    p->rows = slots >= height ? height : slots > reach ? slots - reach : 1;
    p->rows = wpk_ceil_div(height, wpk_ceil_div(height, p->rows));
    wpk_sv_lay_sums(&w->span, p);
    return p->nbytes <= budget;
}

/* Adding up products of a row of taps for a row of outputs of a filter. */
static uint64_t cost_of_sums(wpk_core core, const work *w, const wpk_sv_layout *p) {
    const uint32_t taps = (uint32_t)w->layer->shape->kernel_w * p->groups;
    const uint64_t chunk =
        (uint64_t)taps * w->tap + (uint64_t)wpk_ceil_div(taps, w->visit_taps) * w->visit;
    const uint32_t words = wpk_of(core)->costs.chunk_words;
    return p->words < words ? chunk * TWO_WORDS / 4 : chunk * (p->words / words);
}

static uint64_t cost_of(wpk_core core, const work *w, const wpk_sv_layout *p) {
    const wpk_sv_layer *const l = w->layer;
    const uint32_t height = (uint32_t)l->shape->out_h, kernel_h = (uint32_t)l->shape->kernel_h;
    const uint32_t bands = wpk_ceil_div(height, p->rows);
    const uint32_t blocks = wpk_ceil_div(l->group_rows, p->filters);
    const uint32_t tiles = wpk_ceil_div((uint32_t)l->shape->out_w, p->columns);
    const uint64_t products = w->word * p->pitch + w->run * wpk_ceil_div(p->pitch, RUN_WORDS) +
                              (uint64_t)p->vectors * WPK_SV_VECTOR + ROW;
    const uint64_t visits = (uint64_t)height * kernel_h * wpk_ceil_div(l->groups, p->groups);
    const uint64_t offsets = l->positions * (COLUMN + (uint64_t)p->filters * WPK_SV_INDEX);
    const uint64_t decoded = p->keeps ? 1 : (uint64_t)tiles * bands;
    const uint64_t outputs =
        (uint64_t)p->filters * (bands * (uint64_t)CHANNEL + height * (uint64_t)OUTPUT_ROW);
    return (uint64_t)w->tiles * blocks *
           (tiles * ((uint64_t)w->input_rows * l->groups * products +
                     visits * (CALL + p->filters * cost_of_sums(core, w, p)) + outputs) +
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
    wpk_sv_layout *best;
} choice;

/* Remembers the best. Returns whether more than one band or tile reads the same offsets. */
static bool try_cut(wpk_core core, const work *w, wpk_sv_layout *p, choice *c) {
    const bool fits = choose_rows(w, p);
    const uint64_t cost = fits ? cost_of(core, w, p) : p->nbytes;
    if ((fits && !c->fits) || (fits == c->fits && cost < c->least)) {
        c->fits = fits;
        c->least = cost;
        *c->best = *p;
    }
    return !fits || p->rows < (uint32_t)w->layer->shape->out_h ||
           p->columns < (uint32_t)w->layer->shape->out_w;
}

/* The cheapest of all; `p` has what does not depend on the cut. */
static uint64_t search(wpk_core core, const work *w, wpk_sv_layout p, wpk_sv_layout *best) {
    const wpk_sv_layer *const l = w->layer;
    uint32_t columns[1 + MAX_HALVINGS];
    const uint32_t widths = widths_of((uint32_t)l->shape->out_w, columns);
    choice c = {UINT64_MAX, false, best};
    for (uint32_t groups = 1; groups <= MAX_GROUPS && groups < 2 * l->groups; groups *= 2) {
        p.groups = wpk_smaller(groups, l->groups);
        for (uint32_t i = 0; i < widths; ++i) {
            p.columns = columns[i];
            for (uint32_t blocks = 1; blocks <= MAX_BLOCKS; ++blocks) {
                p.filters = wpk_ceil_div(l->group_rows, blocks);
                p.keeps = false;
                if (!wpk_sv_lay_rows(core, &w->span, &p)) {
                    break;
                }
                const bool rereads = try_cut(core, w, &p, &c);
                if (c.fits && p.nbytes <= l->budget && p.rows == (uint32_t)l->shape->out_h) {
                    blocks = MAX_BLOCKS; /* fewer filters would only be slower */
                }
                if (rereads) {
                    p.keeps = true;
                    wpk_sv_lay_rows(core, &w->span, &p);
                    try_cut(core, w, &p, &c);
                }
            }
        }
    }
    return c.least == UINT64_MAX ? c.least : cost_of(core, w, best);
}

static uint32_t rows_of_input(const wpk_conv_shape *s) {
    const uint64_t rows_of_taps = (uint64_t)s->out_h * (uint64_t)s->kernel_h;
    const uint64_t reached = (uint64_t)s->out_h * (uint64_t)s->stride_h + (uint64_t)s->kernel_h;
    const uint64_t least = rows_of_taps < reached ? rows_of_taps : reached;
    return least < (uint64_t)s->in_h ? (uint32_t)least : (uint32_t)s->in_h;
}

/* Of a product of each shared vector: for each word of a row, and for each run of words beside. */
static uint64_t cost_of_word(wpk_core core, const wpk_sv_layer *l, bool looks_up, uint64_t *run) {
    const wpk_core_costs *const costs = &wpk_of(core)->costs;
    const wpk_shared_vectors *const shared = l->shared;
    const uint32_t bits = l->weights->act_bits;
    const bool wide = shared->lut_bits == 16;
    const bool fast = looks_up && shared->lut_bits == 8 && bits <= WPK_SV_LUT_8_BITS;
    *run = (uint64_t)shared->size * (wide ? 0 : fast ? costs->fast_run : looks_up ? 0 : costs->run);
    if (fast) {
        return (uint64_t)shared->size * (costs->fast_plane * bits + costs->fast_look_up);
    }
    if (looks_up) {
        /* More registers are needed for entries of 4 bits. */
        const uint32_t plane = shared->lut_bits == 4 ? 2u * costs->plane : costs->plane;
        return (uint64_t)shared->size * (plane * bits + costs->look_up);
    }
    return (uint64_t)shared->size * (wide        ? WIDE_MULTIPLY
                                     : bits <= 4 ? costs->multiply_narrow
                                                 : costs->multiply);
}

/* Words of a run, to compare with. */
enum { COMMON_RUN = 4 };

bool wpk_sv_looks_up_faster(wpk_core core, const wpk_sv_layer *layer) {
    uint64_t run;
    uint64_t looked_up = COMMON_RUN * cost_of_word(core, layer, true, &run);
    looked_up += run;
    const uint64_t multiplied = COMMON_RUN * cost_of_word(core, layer, false, &run);
    return looked_up < multiplied + run;
}

uint64_t wpk_sv_cut(wpk_core core, const wpk_sv_layer *layer, bool looks_up,
                    wpk_sv_layout *layout) {
    const wpk_core_costs *const costs = &wpk_of(core)->costs;
    const wpk_shared_vectors *const shared = layer->shared;
    const wpk_conv_shape *const shape = layer->shape;
    const wpk_sv_layout start = {.schedule = WPK_TILES_PRODUCTS,
                                 .looks_up = looks_up,
                                 .builds = looks_up && shared->lut == NULL,
                                 .wide = shared->lut_bits == 16};
    work w = {
        .layer = layer,
        .span = wpk_sv_span_of(shape, layer->weights),
        .input_rows = rows_of_input(shape),
        .tiles = (uint32_t)shape->batch * (uint32_t)(shape->in_c / shape->kernel_c),
    };
    w.word = cost_of_word(core, layer, looks_up, &w.run);
    const uint32_t headroom = start.wide ? 1 : wpk_sv_headroom(shared, layer->weights->act_bits);
    const bool split = headroom <= 2;
    w.tap = start.wide ? costs->chunk_words * WIDE_TAP
            : split    ? costs->split_tap
                       : costs->packed_tap;
    w.visit = split ? costs->split_visit : costs->packed_visit;
    w.visit_taps = split ? costs->visit_taps : wpk_smaller(headroom, costs->visit_taps);
    const uint64_t cost = search(core, &w, start, layout);
    const uint64_t outputs = (uint64_t)wpk_conv_pixels(shape) * (uint64_t)shape->out_c;
    const uint64_t table = start.builds ? wpk_sv_table_cost(shared) : 0;
    return cost == UINT64_MAX ? cost : cost + outputs * WPK_SV_OUTPUT + table;
}
