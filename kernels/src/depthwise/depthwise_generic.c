/* Depthwise convolution of any shape: a few channels at a time over the whole image.
 *
 * Taps outside the image are left out: bias + Σ w · (x − offset) over all taps with x =
 * input_zero_point outside is (bias + (input_zero_point − offset) · Σ w) + Σ w · (x −
 * input_zero_point) over the taps inside.
 */
#include "../base/rescale_mve.h"
#include "depthwise.h"

/* The taps of a window that lie inside the image, as first and one past the last. */
typedef struct {
    int32_t first, end;
} range;

static range inside(int32_t start, int32_t dilation, int32_t kernel, int32_t size) {
    range taps = {0, kernel};
    if (start < 0) {
        taps.first = (-start + dilation - 1) / dilation;
    }
    if (start + (kernel - 1) * dilation >= size) {
        taps.end = start >= size ? 0 : (size - 1 - start) / dilation + 1;
    }
    if (taps.first > taps.end) {
        taps.first = taps.end;
    }
    return taps;
}

/* How the input channels of neighbouring output channels lie: next to each other, all the same, or
 * as the depth multiplier says. */
typedef enum { NEXT, SAME, ANY } spacing;

static spacing spacing_of(const wpk_conv_shape *s) {
    return s->in_c == s->out_c ? NEXT : s->in_c == 1 ? SAME : ANY;
}

static int32_t plain_bias(const wpk_conv_shape *shape, const int8_t *weights,
                          const wpk_requant *requant, int32_t c) {
    if (requant->input_zero_point == requant->input_offset) {
        return wpk_bias(requant, (uint32_t)c);
    }
    int32_t sum = 0;
    for (int32_t tap = 0; tap < shape->kernel_h * shape->kernel_w; ++tap) {
        sum += weights[tap * shape->out_c + c];
    }
    const uint32_t rest =
        (uint32_t)(requant->input_zero_point - requant->input_offset) * (uint32_t)sum;
    return (int32_t)((uint32_t)wpk_bias(requant, (uint32_t)c) + rest);
}

/* What the pixels of a layer share. Steps are bytes from tap to tap, in the image and in the
 * weights. */
typedef struct {
    const wpk_requant *requant;
    int32_t zero_point;
    int32_t x_row, x_column;
    int32_t weights_row, weights_column;
} layer;

/* The part of a window inside the image: its first tap and its size. */
typedef struct {
    const int8_t *x, *weights;
    int32_t rows, columns;
} window;

#if WPK_MVE
#include <arm_mve.h>

enum { LANES = 8 };

/* Of every other channel. */
typedef struct {
    int32_t bias[4], multiplier[4], left[4], right[4];
} half;

typedef struct {
    half even, odd;
    uint16_t input[LANES]; /* channel offsets */
    mve_pred16_t lanes;
    int32_t n;
} block;

static void prepare(block *b, const wpk_conv_shape *shape, const int8_t *weights,
                    const wpk_requant *requant, int32_t c) {
    const int32_t depth = shape->out_c / shape->in_c;
    b->n = shape->out_c - c;
    b->lanes = vctp16q((uint32_t)b->n);
    for (int32_t i = 0; i < LANES; ++i) {
        const int32_t channel = i < b->n ? c + i : shape->out_c - 1;
        const int32_t m = requant->multipliers == 1 ? 0 : channel;
        const int32_t shift = requant->shift[m];
        half *const own = (i & 1) != 0 ? &b->odd : &b->even;
        own->bias[i / 2] = plain_bias(shape, weights, requant, channel);
        own->multiplier[i / 2] = requant->multiplier[m];
        own->left[i / 2] = shift > 0 ? shift : 0;
        own->right[i / 2] = shift < 0 ? shift : 0;
        b->input[i] = (uint16_t)(channel / depth - c / depth);
    }
}

static inline int32x4_t requantise(const half *h, int32_t zero_point, int32x4_t acc) {
    return vaddq_n_s32(wpk_rescale_lanes(acc, h->left, h->multiplier, h->right), zero_point);
}

WPK_INLINE void pixel_of(const layer *l, const block *b, const window *w, int8_t *y, spacing kind) {
    const int32_t x_step = l->x_column, weights_step = l->weights_column;
    const int16_t zero_point = (int16_t)l->zero_point;
    const mve_pred16_t lanes = b->lanes;
    const uint16x8_t input = vldrhq_u16(b->input);
    int32x4_t even = vldrwq_s32(b->even.bias), odd = vldrwq_s32(b->odd.bias);
    const int8_t *row = w->x, *tap_row = w->weights;
    for (int32_t i = w->rows; i > 0; --i, row += l->x_row, tap_row += l->weights_row) {
        const int8_t *from = row, *tap = tap_row;
        for (int32_t j = w->columns; j > 0; --j, from += x_step, tap += weights_step) {
            const int16x8_t x = kind == NEXT   ? vldrbq_s16(from)
                                : kind == SAME ? vdupq_n_s16(*from)
                                               : vldrbq_gather_offset_z_s16(from, input, lanes);
            const int16x8_t centred = vsubq_n_s16(x, zero_point);
            const int16x8_t weights = kind == ANY ? vldrbq_z_s16(tap, lanes) : vldrbq_s16(tap);
            even = vaddq_s32(even, vmullbq_int_s16(centred, weights));
            odd = vaddq_s32(odd, vmulltq_int_s16(centred, weights));
        }
    }
    const wpk_requant *const requant = l->requant;
    even = requantise(&b->even, requant->output_zero_point, even);
    odd = requantise(&b->odd, requant->output_zero_point, odd);
    int16x8_t v = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), even), odd);
    v = vmaxq_s16(v, vdupq_n_s16((int16_t)requant->activation_min));
    v = vminq_s16(v, vdupq_n_s16((int16_t)requant->activation_max));
    vstrbq_p_s16(y, v, lanes);
}
#else
#include "../gemm/finish.h"

enum { LANES = 4 };

typedef struct {
    wpk_channel channels[LANES];
    int32_t n;              /* of the channels are there */
    bool fast;              /* all of them */
    int32_t channel, depth; /* the first channel, and channels per input channel */
} block;

static void prepare(block *b, const wpk_conv_shape *shape, const int8_t *weights,
                    const wpk_requant *requant, int32_t c) {
    const uint32_t taps = (uint32_t)(shape->kernel_h * shape->kernel_w);
    b->n = shape->out_c - c;
    b->channel = c;
    b->depth = shape->out_c / shape->in_c;
    b->fast = true;
    for (int32_t i = 0; i < LANES && i < b->n; ++i) {
        /* Zero point times weights can come on top of as much again. */
        b->channels[i] = wpk_channel_of(requant, (uint32_t)(c + i), 2 * taps);
        b->fast = b->fast && b->channels[i].fast;
        b->channels[i].bias = plain_bias(shape, weights, requant, c + i);
    }
}

/* One channel. Sums may wrap as they do on the device, so they are unsigned. */
static uint32_t sum_of(const layer *l, const window *w, int32_t lane, int32_t input, int32_t bias) {
    uint32_t acc = (uint32_t)bias;
    for (int32_t i = 0; i < w->rows; ++i) {
        const int8_t *from = w->x + input + i * l->x_row;
        const int8_t *tap = w->weights + lane + i * l->weights_row;
        for (int32_t j = w->columns; j > 0; --j, from += l->x_column, tap += l->weights_column) {
            acc += (uint32_t)((*from - l->zero_point) * *tap);
        }
    }
    return acc;
}

/* One tap of four channels. */
WPK_INLINE void multiply(uint32_t acc[LANES], const int8_t *x, const int8_t *tap,
                         int32_t zero_point, spacing kind) {
#if WPK_DSP
    const uint32_t weights = wpk_load_u32(tap);
    uint32_t x02, x13, w02, w13;
    if (kind == NEXT) {
        const uint32_t four = wpk_load_u32(x), addend = (uint16_t)-zero_point * 0x10001u;
        __asm__("sxtab16 %0, %1, %2" : "=r"(x02) : "r"(addend), "r"(four));
        __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(x13) : "r"(addend), "r"(four));
    } else {
        x02 = x13 = (uint16_t)(*x - zero_point) * 0x10001u;
    }
    __asm__("sxtb16 %0, %1" : "=r"(w02) : "r"(weights));
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(w13) : "r"(weights));
    __asm__("smlabb %0, %1, %2, %0" : "+r"(acc[0]) : "r"(x02), "r"(w02));
    __asm__("smlabb %0, %1, %2, %0" : "+r"(acc[1]) : "r"(x13), "r"(w13));
    __asm__("smlatt %0, %1, %2, %0" : "+r"(acc[2]) : "r"(x02), "r"(w02));
    __asm__("smlatt %0, %1, %2, %0" : "+r"(acc[3]) : "r"(x13), "r"(w13));
#else
    const int32_t apart = kind == NEXT ? 1 : 0;
    acc[0] += (uint32_t)((x[0] - zero_point) * tap[0]);
    acc[1] += (uint32_t)((x[apart] - zero_point) * tap[1]);
    acc[2] += (uint32_t)((x[2 * apart] - zero_point) * tap[2]);
    acc[3] += (uint32_t)((x[3 * apart] - zero_point) * tap[3]);
#endif
}

static inline int8_t finish(const wpk_channel *channel, uint32_t acc) {
    return wpk_finish_fast((int32_t)acc, channel->multiplier, channel->half, channel->shift);
}

WPK_INLINE void pixel_of(const layer *l, const block *b, const window *w, int8_t *y, spacing kind) {
    const wpk_channel *const channels = b->channels;
    if (kind == ANY) {
        for (int32_t i = 0; i < LANES && i < b->n; ++i) {
            const int32_t input = (b->channel + i) / b->depth - b->channel / b->depth;
            const uint32_t acc = sum_of(l, w, i, input, channels[i].bias);
            y[i] = wpk_finish(l->requant, &channels[i], (int32_t)acc);
        }
        return;
    }
    const int32_t zero_point = l->zero_point;
    const int32_t x_step = l->x_column, weights_step = l->weights_column;
    uint32_t acc[LANES] = {(uint32_t)channels[0].bias, (uint32_t)channels[1].bias,
                           (uint32_t)channels[2].bias, (uint32_t)channels[3].bias};
    const int8_t *row = w->x, *tap_row = w->weights;
    for (int32_t i = w->rows; i > 0; --i, row += l->x_row, tap_row += l->weights_row) {
        const int8_t *from = row, *tap = tap_row;
        for (int32_t j = w->columns; j > 0; --j, from += x_step, tap += weights_step) {
            multiply(acc, from, tap, zero_point, kind);
        }
    }
    if (b->fast) {
        y[0] = finish(&channels[0], acc[0]);
        y[1] = finish(&channels[1], acc[1]);
        y[2] = finish(&channels[2], acc[2]);
        y[3] = finish(&channels[3], acc[3]);
        return;
    }
    /* Copied, for a variable index would keep acc in memory from the start. */
    const uint32_t sums[LANES] = {acc[0], acc[1], acc[2], acc[3]};
    for (int32_t i = 0; i < LANES; ++i) {
        y[i] = wpk_finish(l->requant, &channels[i], (int32_t)sums[i]);
    }
}
#endif

typedef void (*pixel)(const layer *, const block *, const window *, int8_t *);

static void pixel_next(const layer *l, const block *b, const window *w, int8_t *y) {
    pixel_of(l, b, w, y, NEXT);
}

static void pixel_same(const layer *l, const block *b, const window *w, int8_t *y) {
    pixel_of(l, b, w, y, SAME);
}

static void pixel_any(const layer *l, const block *b, const window *w, int8_t *y) {
    pixel_of(l, b, w, y, ANY);
}

void wpk_depthwise_generic(const wpk_conv_shape *s, const int8_t *weights,
                           const wpk_requant *requant, const int8_t *x, int8_t *y) {
    static const pixel pixels_of[] = {[NEXT] = pixel_next, [SAME] = pixel_same, [ANY] = pixel_any};
    const spacing kind = spacing_of(s);
    const int32_t depth = s->out_c / s->in_c;
    const layer l = {.requant = requant,
                     .zero_point = requant->input_zero_point,
                     .x_row = s->dilation_h * s->in_w * s->in_c,
                     .x_column = s->dilation_w * s->in_c,
                     .weights_row = s->kernel_w * s->out_c,
                     .weights_column = s->out_c};
    for (int32_t c = 0; c < s->out_c; c += LANES) {
        block b;
        prepare(&b, s, weights, requant, c);
        /* The quick ways read all channels of a block in any case. */
        const pixel run = pixels_of[b.n < LANES ? ANY : kind];
        for (int32_t n = 0; n < s->batch; ++n) {
            const int8_t *const image = x + n * s->in_h * s->in_w * s->in_c + c / depth;
            int8_t *to = y + n * s->out_h * s->out_w * s->out_c + c;
            for (int32_t row = 0; row < s->out_h; ++row) {
                const int32_t top = row * s->stride_h - s->pad_top;
                const range rows = inside(top, s->dilation_h, s->kernel_h, s->in_h);
                const int32_t first = (top + rows.first * s->dilation_h) * s->in_w;
                const int8_t *const taps = weights + c + rows.first * l.weights_row;
                window w = {.rows = rows.end - rows.first};
                int32_t left = -s->pad_left;
                for (int32_t column = s->out_w; column > 0;
                     --column, left += s->stride_w, to += s->out_c) {
                    const range columns = inside(left, s->dilation_w, s->kernel_w, s->in_w);
                    w.x = image + (first + left + columns.first * s->dilation_w) * s->in_c;
                    w.weights = taps + columns.first * l.weights_column;
                    w.columns = columns.end - columns.first;
                    run(&l, &b, &w, to);
                }
            }
        }
    }
}
