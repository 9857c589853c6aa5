/* Sums of products to outputs. */
#include <stdbool.h>

#include "../gemm/finish.h"
#include "work.h"

/* An output channel of a row, and the distance of its outputs. */
typedef struct {
    const wpk_requant *requant;
    wpk_channel channel;
    uint32_t start; /* of a sum */
    uint32_t step;
} filter;

/* `count` sums without the start, `sums_step` words apart, which become zero. */
static void finish_words(const filter *f, uint32_t *sums, uint32_t count, int8_t *y) {
    for (const uint32_t *const end = sums + count; sums != end; y += f->step) {
        *y = wpk_finish(f->requant, &f->channel, (int32_t)(f->start + *sums));
        *sums++ = 0;
    }
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

/* The part of a row of outputs that a tile has: `highs` high halves and `lows` low ones. */
typedef struct {
    uint32_t lows, highs;
    uint32_t words_of_filter;
    bool wide;
} tile;

static void finish_row(const tile *t, const filter *f, uint32_t *sums, int8_t *y) {
    if (t->wide) {
        finish_words(f, sums, t->lows, y);
    } else {
        finish_pairs(f, sums, t->lows, t->highs, t->words_of_filter / 2 * f->step, y);
    }
}

void wpk_sv_finish_rows(const wpk_sv_work *w, int32_t top, int32_t bottom) {
    const wpk_sv_layout *const p = w->layout;
    const uint32_t pixel = (uint32_t)w->shape->out_c, width = (uint32_t)w->shape->out_w;
    const uint32_t left = width - w->column, columns = left < p->columns ? left : p->columns;
    const uint32_t lows = columns < p->words ? columns : p->words;
    const tile t = {lows, columns - lows, (p->wide ? 1 : 2) * p->words, p->wide};
    const uint32_t first = (uint32_t)top % p->slots, last = p->slots - 1;
    int8_t *y = w->y + ((uint32_t)top * width + w->column) * pixel + w->first;
    for (uint32_t i = 0; i < w->filters; ++i, ++y) {
        filter f = {w->requant, wpk_channel_of(w->requant, w->first + i, w->weights->cols), 0,
                    pixel};
        int8_t *to = y;
        uint32_t slot = first;
        for (int32_t row = top; row < bottom; ++row, to += width * pixel) {
            uint32_t *const constants = wpk_sv_constants(w, slot);
            f.start = (uint32_t)f.channel.bias + constants[i] - constants[p->filters];
            constants[i] = 0;
            finish_row(&t, &f, wpk_sv_sums(w, slot) + i * t.words_of_filter, to);
            slot = slot == last ? 0 : slot + 1;
        }
    }
    for (int32_t row = top; row < bottom; ++row) {
        wpk_sv_constants(w, (uint32_t)row % p->slots)[p->filters] = 0;
    }
}
