/* Sums of products to outputs. */
#include "codec_pool.h"
#include "finish.h"
#include "pool_work.h"

/* How many products, each with an excess, a sum of this row of outputs is made of. */
static uint32_t products_of_row(const wpk_pool_work *w, int32_t row) {
    const wpk_conv_shape *const shape = w->shape;
    uint32_t rows = 0;
    for (int32_t i = 0; i < shape->kernel_h; ++i) {
        const int32_t at = row * shape->stride_h + i * shape->dilation_h - shape->pad_top;
        rows += at >= 0 && at < shape->in_h;
    }
    return rows * (uint32_t)shape->kernel_w * wpk_pool_groups(&w->weights->blob);
}

/* An output channel of a row, and the distance of its outputs. */
typedef struct {
    const wpk_requant *requant;
    wpk_channel channel;
    uint32_t start; /* of a sum */
    uint32_t step;
} filter;

/* `count` sums without the start, `sums_step` words apart, which become zero. */
static int8_t *finish_words(const filter *f, uint32_t *sums, uint32_t count, int8_t *y) {
    for (const uint32_t *const end = sums + count; sums != end; y += f->step) {
        *y = wpk_finish(f->requant, &f->channel, (int32_t)(f->start + *sums));
        *sums++ = 0;
    }
    return y;
}

/* A pair of sums: the low halves' and the high halves'. */
static inline uint32_t take_pair(uint32_t *sums, uint32_t *high) {
    const uint32_t all = sums[0];
    *high = sums[1];
    sums[0] = sums[1] = 0;
    return all - (*high << 16);
}

/* Sums of `words` words, of which all low halves are outputs and `highs` high halves, that lie
 * `apart` bytes behind. */
static void finish_pairs(const filter *f, uint32_t *sums, uint32_t words, uint32_t highs,
                         uint32_t apart, int8_t *y) {
    const uint32_t *const both = sums + 2 * highs, *const end = sums + 2 * words;
    const int32_t multiplier = f->channel.multiplier, half = f->channel.half;
    const int32_t shift = f->channel.shift;
    const uint32_t start = f->start, step = f->step;
    uint32_t high;
    if (f->channel.fast) {
        for (; sums != both; sums += 2, y += step) {
            const uint32_t low = take_pair(sums, &high);
            *y = wpk_finish_fast((int32_t)(start + low), multiplier, half, shift);
            y[apart] = wpk_finish_fast((int32_t)(start + high), multiplier, half, shift);
        }
        for (; sums != end; sums += 2, y += step) {
            const uint32_t low = take_pair(sums, &high);
            *y = wpk_finish_fast((int32_t)(start + low), multiplier, half, shift);
        }
        return;
    }
    for (; sums != end; sums += 2, y += step) {
        const uint32_t low = take_pair(sums, &high);
        *y = wpk_finish(f->requant, &f->channel, (int32_t)(start + low));
        if (sums < both) {
            y[apart] = wpk_finish(f->requant, &f->channel, (int32_t)(start + high));
        }
    }
}

void wpk_pool_finish_row(const wpk_pool_work *w, int32_t row) {
    const wpk_conv_shape *const shape = w->shape;
    const wpk_pool_plan *const p = w->plan;
    const uint32_t slot = (uint32_t)row % p->slots, pixel = (uint32_t)shape->out_c;
    const uint32_t left = (uint32_t)shape->out_w - w->column;
    const uint32_t width = left < p->columns ? left : p->columns;
    const uint32_t excess = products_of_row(w, row) * w->excess;
    const uint32_t sums_of_filter = p->wide ? p->words : 2 * p->words;
    uint32_t *const constants = w->constants + slot * p->filters;
    uint32_t *sums = w->sums + slot * wpk_pool_sums_of_row(w);
    int8_t *y = w->y + ((uint32_t)row * (uint32_t)shape->out_w + w->column) * pixel + w->first;
    for (uint32_t i = 0; i < w->filters; ++i, ++y, sums += sums_of_filter) {
        filter f = {w->requant, wpk_channel_of(w->requant, w->first + i, w->weights->cols), 0,
                    pixel};
        f.start = (uint32_t)f.channel.bias + constants[i] - excess;
        constants[i] = 0;
        if (p->wide) {
            finish_words(&f, sums, width, y);
        } else {
            const uint32_t lows = width < p->words ? width : p->words;
            finish_pairs(&f, sums, lows, width - lows, p->words * pixel, y);
        }
    }
}
