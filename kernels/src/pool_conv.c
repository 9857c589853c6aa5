#include "pool_conv.h"

#include "bytes.h"
#include "codec_pool.h"
#include "finish.h"
#include "pool_kernels.h"

/* A layer, and the tile of outputs at hand. */
typedef struct {
    const wpk_conv_shape *shape;
    const wpk_weights *weights;
    const wpk_pool *pool;
    const wpk_requant *requant;
    const wpk_pool_plan *plan;
    const uint8_t *lut;
    wpk_levels levels;
    uint32_t excess, headroom;
    uint32_t segment_count;
    wpk_pool_segment segments[WPK_POOL_MAX_STRIDE_W];
    uint32_t shifts[WPK_POOL_MAX_KERNEL]; /* of each tap of a row of taps, in words */
    int8_t outside[WPK_POOL_LANES];
    void *prepared;
    uint16_t *offsets; /* [kernel_h, filters, groups, kernel_w] */
    uint8_t *vectors;
    uint32_t *products, *constants, *sums;

    const int8_t *image; /* from the first channel of the filters' group on */
    int8_t *y;           /* the image's outputs */
    uint32_t first, filters, column;
    uint32_t group, groups; /* of channels, whose products are there */
} work;

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static void find_taps(work *w) {
    const wpk_conv_shape *const shape = w->shape;
    w->segment_count = wpk_pool_segments(shape, w->plan->words, w->segments);
    for (int32_t j = 0; j < shape->kernel_w; ++j) {
        const int32_t column = j * shape->dilation_w;
        for (uint32_t i = 0; i < w->segment_count; ++i) {
            if (w->segments[i].phase == (uint32_t)(column % shape->stride_w)) {
                w->shifts[j] = w->segments[i].first + (uint32_t)(column / shape->stride_w);
            }
        }
    }
}

/* Where the products of each tap of the filters lie, for the groups at hand. */
static void decode_offsets(const work *w) {
    const wpk_blob *const blob = &w->weights->blob;
    const uint32_t bits = wpk_pool_index_bits(blob), all = wpk_pool_groups(blob);
    const uint32_t kernel_w = (uint32_t)w->shape->kernel_w;
    const uint32_t rows = wpk_pool_rows(w->pool), pitch = 4 * w->plan->pitch;
    const uint32_t row_of_taps = w->filters * w->groups * kernel_w;
    for (uint32_t f = 0; f < w->filters; ++f) {
        const uint8_t *const row = wpk_pool_row(blob, w->first + f);
        uint16_t *to = w->offsets + f * w->groups * kernel_w;
        uint32_t tap = w->group;
        for (int32_t i = 0; i < w->shape->kernel_h; ++i, to += row_of_taps) {
            for (uint32_t j = 0; j < kernel_w; ++j, tap += all) {
                uint32_t table = 4 * w->shifts[j];
                uint16_t *at = to + j;
                const uint32_t end = tap + w->groups;
                for (uint32_t position = tap; position < end; ++position, at += kernel_w) {
                    *at = (uint16_t)(table + wpk_pool_index(row, bits, position) * pitch);
                    table += rows * pitch;
                }
            }
        }
    }
}

static uint32_t lanes_of(const work *w, uint32_t group) {
    return smaller(wpk_pool_depth(&w->weights->blob) - group * WPK_POOL_LANES, WPK_POOL_LANES);
}

/* `count` vectors of activations outside of the image. */
static void load_outside(const work *w, uint32_t lanes, uint32_t count, uint8_t *to,
                         uint32_t step) {
    wpk_pool_vectors(&w->levels, w->outside, 0, lanes, count, to, step);
}

/* The vectors of a run of columns, from `column` on, which may lie left of the image. */
static void load_run(const work *w, const int8_t *row, uint32_t lanes, int32_t column,
                     uint32_t count, uint8_t *to, uint32_t step) {
    const int32_t stride = w->shape->stride_w, in_w = w->shape->in_w;
    uint32_t left = column >= 0 ? 0 : (uint32_t)((stride - 1 - column) / stride);
    left = smaller(left, count);
    const int32_t begin = column + (int32_t)left * stride;
    uint32_t inside = begin >= in_w ? 0 : (uint32_t)((in_w - 1 - begin) / stride) + 1;
    inside = smaller(inside, count - left);
    if (left > 0) {
        load_outside(w, lanes, left, to, step);
    }
    if (inside > 0) {
        const uint32_t pixel = (uint32_t)w->shape->in_c;
        wpk_pool_vectors(&w->levels, row + (uint32_t)begin * pixel, (uint32_t)stride * pixel, lanes,
                         inside, to + left * step, step);
    }
    if (left + inside < count) {
        load_outside(w, lanes, count - left - inside, to + (left + inside) * step, step);
    }
}

/* The products of vectors that were loaded, to the table of group g of those at hand. */
static void multiply(const work *w, uint32_t g, uint32_t words) {
    const wpk_pool_plan *const p = w->plan;
    uint32_t *const to = w->products + g * wpk_pool_rows(w->pool) * p->pitch;
    if (p->looks_up) {
        const uint32_t bits = w->levels.bits;
        wpk_pool_planes(w->vectors, p->wide ? words : 2 * words, bits);
        (p->wide ? wpk_pool_products_lut_wide : wpk_pool_products_lut)(
            w->pool, w->lut, bits, w->vectors, words, to, p->pitch);
    } else if (p->wide) {
        wpk_pool_products_mac_wide(w->pool, w->excess, w->vectors, words, to, p->pitch);
    } else {
        wpk_pool_products_mac(w->pool, w->prepared, w->excess, w->vectors, words, to, p->pitch);
    }
}

/* Products of a row of the image. */
static void multiply_row(const work *w, int32_t row) {
    const wpk_conv_shape *const shape = w->shape;
    const bool wide = w->plan->wide;
    const uint32_t step = wide ? WPK_POOL_LANES : 2 * WPK_POOL_LANES;
    const int32_t first = (int32_t)w->column * shape->stride_w - shape->pad_left;
    for (uint32_t g = 0; g < w->groups; ++g) {
        const int8_t *const x = w->image + (uint32_t)(row * shape->in_w * shape->in_c) +
                                (w->group + g) * WPK_POOL_LANES;
        const uint32_t lanes = lanes_of(w, w->group + g);
        for (uint32_t i = 0; i < w->segment_count; ++i) {
            const wpk_pool_segment *const s = &w->segments[i];
            uint8_t *const to = w->vectors + s->first * step;
            const int32_t column = first + (int32_t)s->phase;
            load_run(w, x, lanes, column, s->width, to, step);
            if (!wide) {
                load_run(w, x, lanes, column + (int32_t)w->plan->words * shape->stride_w, s->width,
                         to + WPK_POOL_LANES, step);
            }
        }
        multiply(w, g, w->plan->pitch);
    }
}

/* Products of a row outside of the image, in the first column. */
static void multiply_outside(const work *w) {
    for (uint32_t g = 0; g < w->groups; ++g) {
        load_outside(w, lanes_of(w, w->group + g), w->plan->wide ? 1 : 2, w->vectors,
                     WPK_POOL_LANES);
        multiply(w, g, 1);
    }
}

/* What a row of taps outside of the image adds to all outputs of a filter. */
static void add_constants(const work *w, const uint16_t *offsets, uint32_t *constants) {
    const uint32_t kernel_w = (uint32_t)w->shape->kernel_w;
    for (uint32_t f = 0; f < w->filters; ++f) {
        for (uint32_t g = 0; g < w->groups; ++g) {
            for (uint32_t j = 0; j < kernel_w; ++j) {
                const uint32_t product = w->products[*offsets++ / 4 - w->shifts[j]];
                constants[f] += (w->plan->wide ? product : product & 0xffff) - w->excess;
            }
        }
    }
}

static uint32_t sums_of_row(const work *w) {
    return (w->plan->wide ? 1 : 2) * w->plan->filters * w->plan->words;
}

static uint32_t *sums_of_slot(const work *w, uint32_t slot) {
    return w->sums + slot * sums_of_row(w);
}

static void clear(uint32_t *words, uint32_t count) {
    wpk_fill((int8_t *)words, 0, 4 * count);
}

/* One input row of the padded image: to all rows of outputs that it reaches. */
static void add_row(const work *w, int32_t padded) {
    const wpk_conv_shape *const shape = w->shape;
    const wpk_pool_plan *const p = w->plan;
    const uint32_t taps = w->groups * (uint32_t)shape->kernel_w;
    const int32_t row = padded - shape->pad_top;
    const bool inside = row >= 0 && row < shape->in_h;
    bool multiplied = false;
    const uint16_t *offsets = w->offsets;
    for (int32_t i = 0; i < shape->kernel_h; ++i, offsets += w->filters * taps) {
        const int32_t at = padded - i * shape->dilation_h;
        if (at < 0 || at % shape->stride_h != 0 || at / shape->stride_h >= shape->out_h) {
            continue;
        }
        if (!multiplied && inside) {
            multiply_row(w, row);
        } else if (!multiplied) {
            multiply_outside(w);
        }
        multiplied = true;
        const uint32_t slot = (uint32_t)(at / shape->stride_h) % p->slots;
        uint32_t *const sums = sums_of_slot(w, slot);
        if (!inside) {
            add_constants(w, offsets, w->constants + slot * p->filters);
        } else if (p->wide) {
            wpk_pool_accumulate_wide(w->products, offsets, w->filters, taps, p->words, sums);
        } else {
            wpk_pool_accumulate(w->products, offsets, w->filters, taps, p->words, w->headroom,
                                sums);
        }
    }
}

/* How many products, each with an excess, a sum of this row of outputs is made of. */
static uint32_t products_of_row(const work *w, int32_t row) {
    const wpk_conv_shape *const shape = w->shape;
    uint32_t rows = 0;
    for (int32_t i = 0; i < shape->kernel_h; ++i) {
        const int32_t at = row * shape->stride_h + i * shape->dilation_h - shape->pad_top;
        rows += at >= 0 && at < shape->in_h;
    }
    return rows * (uint32_t)shape->kernel_w * wpk_pool_groups(&w->weights->blob);
}

/* Sums of a finished row of outputs to outputs; clears its slot. */
static void finish_row(const work *w, int32_t row) {
    const wpk_conv_shape *const shape = w->shape;
    const wpk_pool_plan *const p = w->plan;
    const uint32_t slot = (uint32_t)row % p->slots, pixel = (uint32_t)shape->out_c;
    const uint32_t width = smaller((uint32_t)shape->out_w - w->column, p->columns);
    const uint32_t halves = smaller(width, p->words);
    const uint32_t excess = products_of_row(w, row) * w->excess;
    uint32_t *sums = sums_of_slot(w, slot);
    uint32_t *const constants = w->constants + slot * p->filters;
    int8_t *const y =
        w->y + ((uint32_t)row * (uint32_t)shape->out_w + w->column) * pixel + w->first;
    for (uint32_t f = 0; f < w->filters; ++f) {
        const wpk_channel channel = wpk_channel_of(w->requant, w->first + f, w->weights->cols);
        const uint32_t start = (uint32_t)channel.bias + constants[f] - excess;
        for (uint32_t i = 0; i < p->words; ++i) {
            const uint32_t all = *sums, high = p->wide ? 0 : sums[1];
            if (i < halves) {
                const int32_t acc = (int32_t)(start + all - (high << 16));
                y[i * pixel + f] = wpk_finish(w->requant, &channel, acc);
            }
            if (!p->wide && i + p->words < width) {
                y[(i + p->words) * pixel + f] =
                    wpk_finish(w->requant, &channel, (int32_t)(start + high));
            }
            sums += p->wide ? 1 : 2;
        }
        constants[f] = 0;
    }
    clear(sums_of_slot(w, slot), sums_of_row(w));
}

/* A tile from top to bottom, in bands of rows of outputs. */
static void run_tile(work *w) {
    const wpk_conv_shape *const shape = w->shape;
    const wpk_pool_plan *const p = w->plan;
    const uint32_t groups = wpk_pool_groups(&w->weights->blob);
    int32_t begin = 0;
    clear(w->constants, p->slots * p->filters);
    clear(w->sums, p->slots * sums_of_row(w));
    for (int32_t top = 0, bottom; top < shape->out_h; top = bottom) {
        const int32_t left = shape->out_h - top;
        bottom = top + (left < (int32_t)p->rows ? left : (int32_t)p->rows);
        const int32_t end =
            (bottom - 1) * shape->stride_h + (shape->kernel_h - 1) * shape->dilation_h + 1;
        for (w->group = 0; w->group < groups; w->group += p->groups) {
            w->groups = smaller(p->groups, groups - w->group);
            decode_offsets(w);
            for (int32_t row = begin; row < end; ++row) {
                add_row(w, row);
            }
        }
        for (int32_t row = top; row < bottom; ++row) {
            finish_row(w, row);
        }
        begin = end;
    }
}

void wpk_pool_conv_products(const wpk_conv_shape *shape, const wpk_weights *weights,
                            const wpk_requant *requant, const wpk_pool_plan *plan,
                            const uint8_t *lut, const int8_t *x, int8_t *y, uint8_t *scratch) {
    const wpk_pool *const pool = weights->blob.pool;
    work w = {
        .shape = shape,
        .weights = weights,
        .pool = pool,
        .requant = requant,
        .plan = plan,
        .lut = lut,
        .levels = wpk_levels_of(weights->act_bits, requant->input_zero_point),
        .excess = wpk_pool_excess(pool, weights->act_bits),
        .headroom = plan->wide ? 1 : wpk_pool_headroom(pool, weights->act_bits),
        .prepared = scratch + plan->prepared_at,
        .offsets = (uint16_t *)(void *)(scratch + plan->offsets_at),
        .vectors = scratch + plan->vectors_at,
        .products = (uint32_t *)(void *)(scratch + plan->products_at),
        .constants = (uint32_t *)(void *)(scratch + plan->constants_at),
        .sums = (uint32_t *)(void *)(scratch + plan->sums_at),
    };
    wpk_fill(w.outside, requant->input_zero_point, WPK_POOL_LANES);
    find_taps(&w);
    if (!plan->looks_up) {
        wpk_pool_prepare(pool, w.excess, w.prepared);
    }
    const uint32_t rows = (uint32_t)shape->out_c;
    const uint32_t group_rows = rows / (uint32_t)(shape->in_c / shape->kernel_c);
    const uint32_t image = (uint32_t)(shape->in_h * shape->in_w * shape->in_c);
    const uint32_t outputs = (uint32_t)(shape->out_h * shape->out_w) * rows;
    for (uint32_t b = 0; b < (uint32_t)shape->batch; ++b) {
        w.y = y + b * outputs;
        for (w.first = 0; w.first < rows; w.first += w.filters) {
            const uint32_t group = w.first / group_rows;
            w.filters = smaller(plan->filters, (group + 1) * group_rows - w.first);
            w.image = x + b * image + group * (uint32_t)shape->kernel_c;
            for (w.column = 0; w.column < (uint32_t)shape->out_w; w.column += plan->columns) {
                run_tile(&w);
            }
        }
    }
}
