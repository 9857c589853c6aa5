/* 3 × 3 depthwise convolution: four channels at a time, a band of the padded image in scratch.
 *
 * Copying four channels of the image first costs two instructions per element and gives the inner
 * loops a fixed layout without edges; weights and requantisation of a channel then stay where they
 * are for a whole band.
 */
#include "wpk/arch.h"

#if !WPK_MVE
#include "depthwise_3x3.h"

/* A channel ready to multiply: weights and bias are doubled for the fast requantisation, which
 * takes a right shift in its range and a bias that keeps |acc| below 2^30, folded or not. */
WPK_NOINLINE void prepare(wpk_dw_channel *channel, const wpk_conv_shape *s, const int8_t *weights,
                          const wpk_requant *requant, int32_t c) {
    const uint32_t m = requant->multipliers == 1 ? 0 : (uint32_t)c;
    const int32_t limit = (1 << 30) - 2 * 9 * 128 * 128, bias = wpk_bias(requant, (uint32_t)c);
    wpk_fast_rescale rescale = {0, 0, 0};
    const bool fast = bias > -limit && bias < limit &&
                      wpk_fast_rescale_init(&rescale, requant->multiplier[m], requant->shift[m],
                                            requant->output_zero_point);
    int32_t taps[9], sum = 0;
    const int8_t *w = weights + c;
    for (int32_t i = 0; i < 9; ++i, w += s->out_c) {
        sum += *w;
        taps[i] = fast ? 2 * *w : *w;
    }
    const int32_t folded = wpk_folded_bias(requant, c, sum);
    channel->bias = fast ? 2 * folded : folded;
    channel->multiplier = rescale.multiplier;
    channel->right = rescale.right;
    channel->offset = rescale.offset;
    wpk_dw_set_taps(channel, taps);
}

/* Where a channel's outputs go, and the clamp if it is not to all of int8. */
typedef struct {
    int32_t rows, out_w, out_c;
    int8_t *y;
    bool clamps;
    int32_t low, high;
} output;

/* Scalars of a channel. Copied out of wpk_dw_channel, which a store of int8 could change for all
 * the compiler knows. */
typedef struct {
    int32_t multiplier, right, offset;
} rescale;

WPK_INLINE int32_t finish(rescale r, int32_t acc) {
    return wpk_saturate_s8(wpk_rescale_fast(acc, r.multiplier, r.right, r.offset));
}

WPK_INLINE void run(const wpk_dw_channel *channel, const wpk_dw_planes *planes,
                    const wpk_dw_element *band, const output *out, int32_t stride) {
    const rescale r = {channel->multiplier, channel->right, channel->offset};
    const int32_t row_step = wpk_dw_row_step(planes), out_c = out->out_c, out_w = out->out_w;
    int8_t *y = out->y;
    for (int32_t row = out->rows; row > 0; --row, band += row_step * stride) {
        const wpk_dw_element *p = band;
        int32_t left = out_w;
        for (; left >= 4; left -= 4, p += 4 * stride * WPK_DW_COLUMN_STEP) {
            int32_t acc[4];
            wpk_dw_tile4(channel, p, row_step, stride, acc);
            int32_t a = finish(r, acc[0]), b = finish(r, acc[1]), c = finish(r, acc[2]),
                    d = finish(r, acc[3]);
            if (out->clamps) {
                a = wpk_clamp(a, out->low, out->high), b = wpk_clamp(b, out->low, out->high);
                c = wpk_clamp(c, out->low, out->high), d = wpk_clamp(d, out->low, out->high);
            }
            y[0] = (int8_t)a;
            y[out_c] = (int8_t)b;
            y += 2 * out_c;
            y[0] = (int8_t)c;
            y[out_c] = (int8_t)d;
            y += 2 * out_c;
        }
        for (; left > 0; left -= 2, p += 2 * stride * WPK_DW_COLUMN_STEP) {
            int32_t acc[2];
            wpk_dw_tile2(channel, p, row_step, stride, acc);
            int32_t a = finish(r, acc[0]), b = finish(r, acc[1]);
            if (out->clamps) {
                a = wpk_clamp(a, out->low, out->high), b = wpk_clamp(b, out->low, out->high);
            }
            *y = (int8_t)a;
            y += out_c;
            if (left > 1) {
                *y = (int8_t)b;
                y += out_c;
            }
        }
    }
}

/* The same for a channel that the fast requantisation does not take. */
WPK_NOINLINE void run_exactly(const wpk_dw_channel *channel, const wpk_dw_planes *planes,
                              const wpk_dw_element *band, const output *out, int32_t stride,
                              const wpk_requant *requant, uint32_t c) {
    const wpk_requant r = *requant;
    const int32_t multiplier = r.multiplier[r.multipliers == 1 ? 0 : c];
    const int32_t shift = r.shift[r.multipliers == 1 ? 0 : c];
    const int32_t row_step = wpk_dw_row_step(planes);
    int8_t *y = out->y;
    for (int32_t row = out->rows; row > 0; --row, band += row_step * stride) {
        const wpk_dw_element *p = band;
        for (int32_t left = out->out_w; left > 0; left -= 2, p += 2 * stride * WPK_DW_COLUMN_STEP) {
            int32_t acc[2];
            if (stride == 1) {
                wpk_dw_tile2(channel, p, row_step, 1, acc);
            } else {
                wpk_dw_tile2(channel, p, row_step, 2, acc);
            }
            for (int32_t i = 0; i < 2 && i < left; ++i, y += out->out_c) {
                const int32_t v =
                    wpk_wrapping_add(wpk_rescale(acc[i], multiplier, shift), r.output_zero_point);
                *y = (int8_t)wpk_clamp(v, out->low, out->high);
            }
        }
    }
}

WPK_NOINLINE void run_stride1(const wpk_dw_channel *channel, const wpk_dw_planes *planes,
                              const wpk_dw_element *band, const output *out) {
    run(channel, planes, band, out, 1);
}

WPK_NOINLINE void run_stride2(const wpk_dw_channel *channel, const wpk_dw_planes *planes,
                              const wpk_dw_element *band, const output *out) {
    run(channel, planes, band, out, 2);
}

/* Rows [first, first + planes->rows) of the image, which may lie outside, for channels c … c +
 * lanes − 1. */
WPK_NOINLINE void fill(const wpk_conv_shape *s, const wpk_dw_planes *planes, wpk_dw_element *band,
                       int32_t first, const int8_t *image, int32_t lanes, int32_t zero_point) {
    /* SAME and VALID windows of 3 columns never need more than the image and `left` columns before
     * it; columns that no window reads are left out. */
    const int32_t room = planes->pitch - s->pad_left;
    const int32_t columns = s->in_w < room ? s->in_w : room;
    for (int32_t row = 0; row < planes->rows; ++row, band += wpk_dw_row_step(planes)) {
        const int32_t from = first + row;
        const bool inside = from >= 0 && from < s->in_h;
        wpk_dw_fill_row(planes, band, inside ? s->pad_left : planes->pitch, inside ? columns : 0,
                        lanes, image + (inside ? from * s->in_w * s->in_c : 0), s->in_c,
                        zero_point);
    }
}

void wpk_depthwise_3x3(const wpk_conv_shape *s, const int8_t *weights, const wpk_requant *requant,
                       const int8_t *x, int8_t *y, void *scratch) {
    const wpk_dw_bands b = wpk_dw_bands_of(WPK_THIS_CORE, s);
    const int32_t stride = s->stride_h;
    const bool clamps = requant->activation_min != INT8_MIN || requant->activation_max != INT8_MAX;
    wpk_dw_element *const band = scratch;
    for (int32_t c = 0; c < s->out_c; c += WPK_DW_LANES) {
        const int32_t lanes = s->out_c - c < WPK_DW_LANES ? s->out_c - c : WPK_DW_LANES;
        wpk_dw_channel channels[WPK_DW_LANES];
        for (int32_t lane = 0; lane < lanes; ++lane) {
            prepare(&channels[lane], s, weights, requant, c + lane);
        }
        for (int32_t n = 0; n < s->batch; ++n) {
            const int8_t *const image = x + n * s->in_h * s->in_w * s->in_c + c;
            int8_t *to = y + n * s->out_h * s->out_w * s->out_c + c;
            for (int32_t row = 0; row < s->out_h; row += b.out_rows) {
                const int32_t rows = s->out_h - row < b.out_rows ? s->out_h - row : b.out_rows;
                const wpk_dw_planes planes = {b.planes.pitch, (rows - 1) * stride + 3};
                fill(s, &planes, band, row * stride - s->pad_top, image, lanes,
                     requant->input_zero_point);
                for (int32_t lane = 0; lane < lanes; ++lane) {
                    const wpk_dw_element *const plane = band + lane * wpk_dw_channel_step(&planes);
                    const output out = {rows,
                                        s->out_w,
                                        s->out_c,
                                        to + lane,
                                        clamps,
                                        requant->activation_min,
                                        requant->activation_max};
                    if (channels[lane].right == 0) {
                        run_exactly(&channels[lane], &planes, plane, &out, stride, requant,
                                    (uint32_t)(c + lane));
                    } else if (stride == 1) {
                        run_stride1(&channels[lane], &planes, plane, &out);
                    } else {
                        run_stride2(&channels[lane], &planes, plane, &out);
                    }
                }
                to += rows * s->out_w * s->out_c;
            }
        }
    }
}

#endif
