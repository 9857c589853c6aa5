/* Sums of products to outputs. */
#include "finish.h"
#include "pool_work.h"

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

/* One row of a filter. */
static void finish_row(const wpk_pool_work *w, const filter *f, uint32_t *sums, int8_t *y) {
    const uint32_t words = w->plan->words, left = (uint32_t)w->shape->out_w - w->column;
    const uint32_t width = left < w->plan->columns ? left : w->plan->columns;
    if (w->plan->wide) {
        finish_words(f, sums, width, y);
    } else {
        const uint32_t lows = width < words ? width : words;
        finish_pairs(f, sums, lows, width - lows, words * f->step, y);
    }
}

void wpk_pool_finish_rows(const wpk_pool_work *w, int32_t top, int32_t bottom) {
    const wpk_pool_plan *const p = w->plan;
    const uint32_t pixel = (uint32_t)w->shape->out_c, width = (uint32_t)w->shape->out_w;
    const uint32_t sums_of_filter = p->wide ? p->words : 2 * p->words;
    int8_t *y = w->y + ((uint32_t)top * width + w->column) * pixel + w->first;
    for (uint32_t i = 0; i < w->filters; ++i, ++y) {
        filter f = {w->requant, wpk_channel_of(w->requant, w->first + i, w->weights->cols), 0,
                    pixel};
        int8_t *to = y;
        for (int32_t row = top; row < bottom; ++row, to += width * pixel) {
            const uint32_t slot = (uint32_t)row % p->slots;
            uint32_t *const constants = wpk_pool_constants(w, slot);
            f.start = (uint32_t)f.channel.bias + constants[i] - constants[p->filters];
            constants[i] = 0;
            finish_row(w, &f, wpk_pool_sums(w, slot) + i * sums_of_filter, to);
        }
    }
    for (int32_t row = top; row < bottom; ++row) {
        wpk_pool_constants(w, (uint32_t)row % p->slots)[p->filters] = 0;
    }
}
