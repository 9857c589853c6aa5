/* A convolution by schedule PRODUCTS. */
#include "../base/bytes.h"
#include "../layers/conv_plan.h"
#include "../shared_vectors/indices.h"
#include "work.h"

static void find_taps(wpk_sv_work *w) {
    const wpk_conv_shape *const shape = w->shape;
    w->segment_count = wpk_sv_segments(shape, w->layout->words, w->segments);
    for (int32_t j = 0; j < shape->kernel_w; ++j) {
        const int32_t column = j * shape->dilation_w;
        for (uint32_t i = 0; i < w->segment_count; ++i) {
            if (w->segments[i].phase == (uint32_t)(column % shape->stride_w)) {
                w->shifts[j] = w->segments[i].first + (uint32_t)(column / shape->stride_w);
            }
        }
    }
}

/* The offsets of one tap and group of `count` filters: their indices are `step` bytes apart, from
 * bit `bit` of a byte on, and offsets lie `to_step` apart. Its loops need all registers for
 * themselves. */
__attribute__((noinline)) static void decode_column(const uint8_t *from, uint32_t step,
                                                    uint32_t bits, uint32_t bit, uint32_t count,
                                                    uint32_t pitch, uint32_t start, uint16_t *to,
                                                    uint32_t to_step) {
    const uint32_t mask = (1u << bits) - 1;
    if (bit + bits <= 8) {
#pragma GCC unroll 4
        for (; count > 0; --count, from += step, to += to_step) {
            *to = (uint16_t)((*from >> bit & mask) * pitch + start);
        }
    } else {
#pragma GCC unroll 4
        for (; count > 0; --count, from += step, to += to_step) {
            *to = (uint16_t)((wpk_load_u16(from) >> bit & mask) * pitch + start);
        }
    }
}

/* Where the products of each tap of the filters lie, for the groups at hand. */
static void decode_groups(const wpk_sv_work *w) {
    const wpk_blob *const blob = &w->weights->blob;
    const uint32_t bits = wpk_sv_index_bits(blob), all = wpk_sv_groups(blob);
    const uint32_t kernel_w = (uint32_t)w->shape->kernel_w, taps = w->groups * kernel_w;
    const uint32_t step = (uint32_t)wpk_sv_row_nbytes(blob), pitch = 4 * w->layout->pitch;
    const uint32_t table = wpk_sv_rows(w->shared) * pitch;
    const uint8_t *const first = wpk_sv_row(blob, w->first);
    uint16_t *to = w->offsets;
    uint32_t tap = w->group;
    for (int32_t i = 0; i < w->shape->kernel_h; ++i, to += w->filters * taps) {
        for (uint32_t j = 0; j < kernel_w; ++j, tap += all) {
            for (uint32_t g = 0; g < w->groups; ++g) {
                const uint32_t position = tap + g, bit = position % 8 * bits;
                decode_column(first + position / 8 * bits + bit / 8, step, bits, bit % 8,
                              w->filters, pitch, 4 * w->shifts[j] + g * table,
                              to + g * kernel_w + j, taps);
            }
        }
    }
}

/* Groups from `group` on become those at hand. */
static void take_groups(wpk_sv_work *w, uint32_t group) {
    const wpk_sv_layout *const p = w->layout;
    const uint32_t taps = (uint32_t)(w->shape->kernel_h * w->shape->kernel_w);
    w->group = group;
    w->groups = wpk_smaller(p->groups, wpk_sv_groups(&w->weights->blob) - group);
    w->offsets = w->all_offsets + (p->keeps ? taps * p->filters * group : 0);
}

/* What a row of taps outside of the image adds to all outputs of a filter. */
static void add_constants(const wpk_sv_work *w, const uint16_t *offsets, uint32_t *constants) {
    const uint32_t mask = w->layout->wide ? UINT32_MAX : UINT16_MAX, *const shifts = w->shifts;
    const uint32_t kernel_w = (uint32_t)w->shape->kernel_w, *const products = w->products;
    for (uint32_t f = 0; f < w->filters; ++f) {
        uint32_t sum = 0;
        for (const uint16_t *const end = offsets + w->groups * kernel_w; offsets != end;) {
            for (uint32_t j = 0; j < kernel_w; ++j) {
                sum += products[*offsets++ / 4 - shifts[j]] & mask;
            }
        }
        constants[f] += sum;
    }
}

static void clear(uint32_t *words, uint32_t count) {
    wpk_fill((int8_t *)words, 0, 4 * count);
}

/* One input row of the padded image: to all rows of outputs that it reaches. */
static void add_row(const wpk_sv_work *w, int32_t padded) {
    const wpk_conv_shape *const shape = w->shape;
    const wpk_sv_layout *const p = w->layout;
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
            wpk_sv_multiply_row(w, row);
        } else if (!multiplied) {
            wpk_sv_multiply_outside(w);
        }
        multiplied = true;
        const uint32_t slot = (uint32_t)(at / shape->stride_h) % p->slots;
        uint32_t *const sums = wpk_sv_sums(w, slot), *const constants = wpk_sv_constants(w, slot);
        constants[p->filters] += taps * w->excess;
        if (!inside) {
            add_constants(w, offsets, constants);
        } else if (p->wide) {
            wpk_sv_accumulate_wide(w->products, offsets, w->filters, taps, p->words, sums);
        } else {
            wpk_sv_accumulate(w->products, offsets, w->filters, taps, p->words, w->headroom, sums);
        }
    }
}

/* A tile from top to bottom, in bands of rows of outputs. */
static void run_tile(wpk_sv_work *w) {
    const wpk_conv_shape *const shape = w->shape;
    const wpk_sv_layout *const p = w->layout;
    const uint32_t groups = wpk_sv_groups(&w->weights->blob);
    int32_t begin = 0;
    clear(w->constants, p->slots * (p->filters + 1));
    clear(w->sums, p->slots * wpk_sv_sums_of_row(w));
    for (int32_t top = 0, bottom; top < shape->out_h; top = bottom) {
        const int32_t left = shape->out_h - top;
        bottom = top + (left < (int32_t)p->rows ? left : (int32_t)p->rows);
        const int32_t end =
            (bottom - 1) * shape->stride_h + (shape->kernel_h - 1) * shape->dilation_h + 1;
        for (uint32_t group = 0; group < groups; group += p->groups) {
            take_groups(w, group);
            if (!p->keeps) {
                decode_groups(w);
            }
            for (int32_t row = begin; row < end; ++row) {
                add_row(w, row);
            }
        }
        wpk_sv_finish_rows(w, top, bottom);
        begin = end;
    }
}

void wpk_sv_conv_products(const wpk_conv_shape *shape, const wpk_weights *weights,
                          const wpk_requant *requant, const wpk_sv_layout *layout,
                          const uint8_t *lut, const int8_t *x, int8_t *y, uint8_t *scratch) {
    const wpk_shared_vectors *const shared = wpk_sv_of(&weights->blob);
    wpk_sv_work w = {
        .shape = shape,
        .weights = weights,
        .shared = shared,
        .requant = requant,
        .layout = layout,
        .lut = lut,
        .levels = wpk_levels_of(weights->act_bits, requant->input_zero_point),
        .excess = wpk_sv_excess(shared, weights->act_bits),
        .headroom = layout->wide ? 1 : wpk_sv_headroom(shared, weights->act_bits),
        .prepared = scratch + layout->prepared_at,
        .all_offsets = (uint16_t *)(void *)(scratch + layout->offsets_at),
        .vectors = scratch + layout->vectors_at,
        .products = (uint32_t *)(void *)(scratch + layout->products_at),
        .constants = (uint32_t *)(void *)(scratch + layout->constants_at),
        .sums = (uint32_t *)(void *)(scratch + layout->sums_at),
    };
    wpk_fill(w.outside, requant->input_zero_point, WPK_SV_LANES);
    find_taps(&w);
    if (!layout->looks_up) {
        wpk_sv_prepare(shared, w.excess, w.levels.bits, w.prepared);
    }
    const uint32_t groups = wpk_sv_groups(&weights->blob), rows = (uint32_t)shape->out_c;
    const uint32_t group_rows = wpk_conv_group_rows(shape);
    const uint32_t image = (uint32_t)(shape->in_h * shape->in_w * shape->in_c);
    const uint32_t outputs = (uint32_t)(shape->out_h * shape->out_w) * rows;
    for (uint32_t b = 0; b < (uint32_t)shape->batch; ++b) {
        w.y = y + b * outputs;
        for (w.first = 0; w.first < rows; w.first += w.filters) {
            const uint32_t group = w.first / group_rows;
            w.filters = wpk_smaller(layout->filters, (group + 1) * group_rows - w.first);
            w.image = x + b * image + group * (uint32_t)shape->kernel_c;
            for (uint32_t g = 0; layout->keeps && g < groups; g += layout->groups) {
                take_groups(&w, g);
                decode_groups(&w);
            }
            for (w.column = 0; w.column < (uint32_t)shape->out_w; w.column += layout->columns) {
                run_tile(&w);
            }
        }
    }
}
