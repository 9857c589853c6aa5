/* Products of rows of pixels with every shared vector. */
#include "../shared_vectors/indices.h"
#include "work.h"

static uint32_t lanes_of(const wpk_sv_work *w, uint32_t group) {
    return wpk_smaller(wpk_sv_depth(&w->weights->blob) - group * WPK_SV_LANES, WPK_SV_LANES);
}

/* `count` vectors of activations outside of the image. */
static void load_outside(const wpk_sv_work *w, uint32_t lanes, uint32_t count, uint8_t *to,
                         uint32_t step) {
    wpk_sv_vectors(&w->levels, w->outside, 0, lanes, count, to, step);
}

/* The vectors of a run of columns, from `column` on, which may lie left of the image. */
static void load_run(const wpk_sv_work *w, const int8_t *row, uint32_t lanes, int32_t column,
                     uint32_t count, uint8_t *to, uint32_t step) {
    const int32_t stride = w->shape->stride_w, in_w = w->shape->in_w;
    uint32_t left = column >= 0 ? 0 : (uint32_t)((stride - 1 - column) / stride);
    left = wpk_smaller(left, count);
    const int32_t begin = column + (int32_t)left * stride;
    uint32_t inside = begin >= in_w ? 0 : (uint32_t)((in_w - 1 - begin) / stride) + 1;
    inside = wpk_smaller(inside, count - left);
    if (left > 0) {
        load_outside(w, lanes, left, to, step);
    }
    if (inside > 0) {
        const uint32_t pixel = (uint32_t)w->shape->in_c;
        wpk_sv_vectors(&w->levels, row + (uint32_t)begin * pixel, (uint32_t)stride * pixel, lanes,
                       inside, to + left * step, step);
    }
    if (left + inside < count) {
        load_outside(w, lanes, count - left - inside, to + (left + inside) * step, step);
    }
}

/* The products of vectors that were loaded, to the table of group g of those at hand. */
static void multiply(const wpk_sv_work *w, uint32_t g, uint32_t words) {
    const wpk_sv_layout *const p = w->layout;
    uint32_t *const to = w->products + g * wpk_sv_rows(w->shared) * p->pitch;
    if (p->looks_up) {
        const uint32_t bits = w->levels.bits;
        wpk_sv_planes(w->vectors, p->wide ? words : 2 * words, bits);
        (p->wide ? wpk_sv_products_lut_wide : wpk_sv_products_lut)(w->shared, w->lut, bits,
                                                                   w->vectors, words, to, p->pitch);
    } else if (p->wide) {
        wpk_sv_products_mac_wide(w->shared, w->excess, w->vectors, words, to, p->pitch);
    } else {
        wpk_sv_products_mac(w->shared, w->prepared, w->excess, w->levels.bits, w->vectors, words,
                            to, p->pitch);
    }
}

void wpk_sv_multiply_row(const wpk_sv_work *w, int32_t row) {
    const wpk_conv_shape *const shape = w->shape;
    const bool wide = w->layout->wide;
    const uint32_t step = wide ? WPK_SV_LANES : 2 * WPK_SV_LANES;
    const int32_t first = (int32_t)w->column * shape->stride_w - shape->pad_left;
    for (uint32_t g = 0; g < w->groups; ++g) {
        const int8_t *const x =
            w->image + (uint32_t)(row * shape->in_w * shape->in_c) + (w->group + g) * WPK_SV_LANES;
        const uint32_t lanes = lanes_of(w, w->group + g);
        for (uint32_t i = 0; i < w->segment_count; ++i) {
            const wpk_sv_segment *const s = &w->segments[i];
            uint8_t *const to = w->vectors + s->first * step;
            const int32_t column = first + (int32_t)s->phase;
            load_run(w, x, lanes, column, s->width, to, step);
            if (!wide) {
                load_run(w, x, lanes, column + (int32_t)w->layout->words * shape->stride_w,
                         s->width, to + WPK_SV_LANES, step);
            }
        }
        multiply(w, g, w->layout->pitch);
    }
}

void wpk_sv_multiply_outside(const wpk_sv_work *w) {
    for (uint32_t g = 0; g < w->groups; ++g) {
        load_outside(w, lanes_of(w, w->group + g), w->layout->wide ? 1 : 2, w->vectors,
                     WPK_SV_LANES);
        multiply(w, g, 1);
    }
}
