/* Depthwise convolution of any shape: a few channels at a time over the whole image.
 *
 * Taps outside the image are left out: bias + Σ w · (x − offset) over all taps with x =
 * input_zero_point outside is (bias + (input_zero_point − offset) · Σ w) + Σ w · (x −
 * input_zero_point) over the taps inside.
 */
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

/* One output pixel's window. */
typedef struct {
    range rows, columns;
    int32_t top, left;
} window;

/* How the input channels of neighbouring output channels lie: next to each other, all the same, or
 * as the depth multiplier says. */
typedef enum { NEXT, SAME, ANY } spacing;

static spacing spacing_of(const wpk_conv_shape *s) {
    return s->in_c == s->out_c ? NEXT : s->in_c == 1 ? SAME : ANY;
}

static int32_t plain_bias(const wpk_conv_shape *shape, const int8_t *weights,
                          const wpk_requant *requant, int32_t c) {
    int32_t sum = 0;
    for (int32_t tap = 0; tap < shape->kernel_h * shape->kernel_w; ++tap) {
        sum += weights[tap * shape->out_c + c];
    }
    const uint32_t rest =
        (uint32_t)(requant->input_zero_point - requant->input_offset) * (uint32_t)sum;
    return (int32_t)((uint32_t)wpk_bias(requant, (uint32_t)c) + rest);
}

/* The first tap of row i of a window, in the image. */
static inline const int8_t *row_of(const wpk_conv_shape *s, const window *w, const int8_t *image,
                                   int32_t i) {
    const int32_t column = w->left + w->columns.first * s->dilation_w;
    return image + ((w->top + i * s->dilation_h) * s->in_w + column) * s->in_c;
}

#if WPK_MVE
#include <arm_mve.h>

enum { LANES = 4 };

typedef struct {
    int32x4_t bias, multiplier, left, right;
    uint32x4_t input; /* channel offsets */
    mve_pred16_t lanes;
    int32_t n;
} block;

static block prepare(const wpk_conv_shape *shape, const int8_t *weights, const wpk_requant *requant,
                     int32_t c) {
    int32_t bias[LANES], multiplier[LANES], left[LANES], right[LANES];
    uint32_t input[LANES];
    const int32_t depth = shape->out_c / shape->in_c;
    for (int32_t i = 0; i < LANES; ++i) {
        const int32_t channel = c + i < shape->out_c ? c + i : shape->out_c - 1;
        const int32_t m = requant->multipliers == 1 ? 0 : channel;
        bias[i] = plain_bias(shape, weights, requant, channel);
        multiplier[i] = requant->multiplier[m];
        left[i] = requant->shift[m] > 0 ? requant->shift[m] : 0;
        right[i] = requant->shift[m] < 0 ? requant->shift[m] : 0;
        input[i] = (uint32_t)(channel / depth);
    }
    const block b = {vldrwq_s32(bias),  vldrwq_s32(multiplier),
                     vldrwq_s32(left),  vldrwq_s32(right),
                     vldrwq_u32(input), vctp32q((uint32_t)(shape->out_c - c)),
                     shape->out_c - c};
    return b;
}

static int32x4_t requantise(const block *b, const wpk_requant *requant, int32x4_t acc) {
    int32x4_t v = vqrdmulhq_s32(vshlq_s32(acc, b->left), b->multiplier);
    const int32x4_t sign = vandq_s32(vshrq_n_s32(v, 31), vshrq_n_s32(b->right, 31));
    v = vaddq_n_s32(vrshlq_s32(vaddq_s32(v, sign), b->right), requant->output_zero_point);
    v = vmaxq_s32(v, vdupq_n_s32(requant->activation_min));
    return vminq_s32(v, vdupq_n_s32(requant->activation_max));
}

static inline __attribute__((always_inline)) void pixel_of(
    const wpk_conv_shape *s, const wpk_requant *requant, const block *b, const window *w,
    const int8_t *weights, const int8_t *image, int8_t *y, spacing kind) {
    const int32_t zero_point = requant->input_zero_point, step = s->dilation_w * s->in_c,
                  out_c = s->out_c;
    const mve_pred16_t lanes = b->lanes;
    const int8_t *const first = kind == NEXT ? image + vgetq_lane_u32(b->input, 0) : image;
    int32x4_t acc = b->bias;
    for (int32_t i = w->rows.first; i < w->rows.end; ++i) {
        const int8_t *from = row_of(s, w, first, i);
        const int8_t *tap = weights + (i * s->kernel_w + w->columns.first) * out_c;
        for (int32_t j = w->columns.end - w->columns.first; j > 0;
             --j, from += step, tap += out_c) {
            if (kind == ANY) {
                const int32x4_t x = vldrbq_gather_offset_z_s32(from, b->input, lanes);
                acc =
                    vaddq_s32(acc, vmulq_s32(vsubq_n_s32(x, zero_point), vldrbq_z_s32(tap, lanes)));
            } else if (kind == NEXT) {
                acc = vaddq_s32(
                    acc, vmulq_s32(vsubq_n_s32(vldrbq_s32(from), zero_point), vldrbq_s32(tap)));
            } else {
                acc = vmlaq_n_s32(acc, vldrbq_s32(tap), *from - zero_point);
            }
        }
    }
    vstrbq_p_s32(y, requantise(b, requant, acc), lanes);
}
#else

enum { LANES = 4 };

typedef struct {
    int32_t bias[LANES];
    int32_t channel, input, n; /* n of the channels are there */
} block;

static block prepare(const wpk_conv_shape *shape, const int8_t *weights, const wpk_requant *requant,
                     int32_t c) {
    block b = {{0}, c, c / (shape->out_c / shape->in_c), shape->out_c - c};
    for (int32_t i = 0; i < LANES && i < b.n; ++i) {
        b.bias[i] = plain_bias(shape, weights, requant, c + i);
    }
    return b;
}

/* One channel. Sums may wrap as they do on the device, so they are unsigned. */
static void one(const wpk_conv_shape *s, const wpk_requant *requant, const block *b, int32_t lane,
                const window *w, const int8_t *weights, const int8_t *image, int8_t *y) {
    const int32_t zero_point = requant->input_zero_point, step = s->dilation_w * s->in_c,
                  out_c = s->out_c;
    const int32_t input = (b->channel + lane) / (out_c / s->in_c);
    uint32_t acc = (uint32_t)b->bias[lane];
    for (int32_t i = w->rows.first; i < w->rows.end; ++i) {
        const int8_t *from = row_of(s, w, image + input, i);
        const int8_t *tap = weights + lane + (i * s->kernel_w + w->columns.first) * out_c;
        for (int32_t j = w->columns.end - w->columns.first; j > 0;
             --j, from += step, tap += out_c) {
            acc += (uint32_t)((*from - zero_point) * *tap);
        }
    }
    y[lane] = wpk_requantise(requant, (uint32_t)(b->channel + lane), (int32_t)acc);
}

static inline __attribute__((always_inline)) void pixel_of(
    const wpk_conv_shape *s, const wpk_requant *requant, const block *b, const window *w,
    const int8_t *weights, const int8_t *image, int8_t *y, spacing kind) {
    if (kind == ANY) {
        for (int32_t lane = 0; lane < LANES && lane < b->n; ++lane) {
            one(s, requant, b, lane, w, weights, image, y);
        }
        return;
    }
    const int32_t zero_point = requant->input_zero_point, step = s->dilation_w * s->in_c,
                  out_c = s->out_c;
    const int32_t apart = kind == NEXT ? 1 : 0;
    uint32_t a0 = (uint32_t)b->bias[0], a1 = (uint32_t)b->bias[1], a2 = (uint32_t)b->bias[2],
             a3 = (uint32_t)b->bias[3];
    for (int32_t i = w->rows.first; i < w->rows.end; ++i) {
        const int8_t *from = row_of(s, w, image + b->input, i);
        const int8_t *tap = weights + (i * s->kernel_w + w->columns.first) * out_c;
        for (int32_t j = w->columns.end - w->columns.first; j > 0;
             --j, from += step, tap += out_c) {
            a0 += (uint32_t)((from[0] - zero_point) * tap[0]);
            a1 += (uint32_t)((from[apart] - zero_point) * tap[1]);
            a2 += (uint32_t)((from[2 * apart] - zero_point) * tap[2]);
            a3 += (uint32_t)((from[3 * apart] - zero_point) * tap[3]);
        }
    }
    y[0] = wpk_requantise(requant, (uint32_t)b->channel, (int32_t)a0);
    y[1] = wpk_requantise(requant, (uint32_t)b->channel + 1, (int32_t)a1);
    y[2] = wpk_requantise(requant, (uint32_t)b->channel + 2, (int32_t)a2);
    y[3] = wpk_requantise(requant, (uint32_t)b->channel + 3, (int32_t)a3);
}
#endif

typedef void (*pixel)(const wpk_conv_shape *, const wpk_requant *, const block *, const window *,
                      const int8_t *, const int8_t *, int8_t *);

static void pixel_next(const wpk_conv_shape *s, const wpk_requant *requant, const block *b,
                       const window *w, const int8_t *weights, const int8_t *image, int8_t *y) {
    pixel_of(s, requant, b, w, weights, image, y, NEXT);
}

static void pixel_same(const wpk_conv_shape *s, const wpk_requant *requant, const block *b,
                       const window *w, const int8_t *weights, const int8_t *image, int8_t *y) {
    pixel_of(s, requant, b, w, weights, image, y, SAME);
}

static void pixel_any(const wpk_conv_shape *s, const wpk_requant *requant, const block *b,
                      const window *w, const int8_t *weights, const int8_t *image, int8_t *y) {
    pixel_of(s, requant, b, w, weights, image, y, ANY);
}

void wpk_depthwise_generic(const wpk_conv_shape *s, const int8_t *weights,
                           const wpk_requant *requant, const int8_t *x, int8_t *y) {
    static const pixel pixels_of[] = {[NEXT] = pixel_next, [SAME] = pixel_same, [ANY] = pixel_any};
    const spacing kind = spacing_of(s);
    const int32_t pixels = s->out_h * s->out_w;
    for (int32_t c = 0; c < s->out_c; c += LANES) {
        const block b = prepare(s, weights, requant, c);
        /* The quick ways read four channels in any case. */
        const pixel run = pixels_of[b.n < LANES ? ANY : kind];
        for (int32_t n = 0; n < s->batch; ++n) {
            const int8_t *const image = x + n * s->in_h * s->in_w * s->in_c;
            int8_t *to = y + n * pixels * s->out_c + c;
            window w;
            for (int32_t row = 0; row < s->out_h; ++row) {
                w.top = row * s->stride_h - s->pad_top;
                w.rows = inside(w.top, s->dilation_h, s->kernel_h, s->in_h);
                for (int32_t column = 0; column < s->out_w; ++column, to += s->out_c) {
                    w.left = column * s->stride_w - s->pad_left;
                    w.columns = inside(w.left, s->dilation_w, s->kernel_w, s->in_w);
                    run(s, requant, &b, &w, weights + c, image, to);
                }
            }
        }
    }
}
