/* 3 × 3 depthwise convolution with Helium.
 *
 * VMLADAV.S8 multiplies and adds up 16 pairs, so one of them makes an output if all its pixels are
 * in one vector. Four rows of the image are interleaved, sixteen channels at a time:
 *
 *     scratch [column][channel][row 0 … 3]        a word per column and channel
 *
 * and four columns of one channel, gathered as four words, hold the windows of 2 × 2 outputs at
 * stride 1. The weights in that layout, moved by a column and by a row, pick out each of the four.
 * At stride 2 four columns hold one output.
 */
#include "depthwise.h"

#if WPK_MVE
#include "depthwise_3x3_mve.h"

/* One column of a strip: vectors of sixteen channels from four rows, interleaved. */
static inline void put(int8_t *to, int8x16_t r0, int8x16_t r1, int8x16_t r2, int8x16_t r3) {
    const int8x16x4_t rows = {{r0, r1, r2, r3}};
    vst4q_s8(to, rows);
}

static void fill_weights(const wpk_conv_shape *s, const int8_t *weights, mve_pred16_t lanes,
                         int8_t *to) {
    const int8x16_t zero = vdupq_n_s8(0);
    put(to, zero, zero, zero, zero);
    put(to + 4 * WPK_DW_COLUMN_NBYTES, zero, zero, zero, zero);
    for (int32_t j = 0; j < 3; ++j) {
        const int8_t *const tap = weights + j * s->out_c;
        put(to + (1 + j) * WPK_DW_COLUMN_NBYTES, vldrbq_z_s8(tap, lanes),
            vldrbq_z_s8(tap + 3 * s->out_c, lanes), vldrbq_z_s8(tap + 6 * s->out_c, lanes), zero);
    }
}

/* n columns from four rows of the image, which advance by a step each. Only `lanes` channels are
 * read. */
static inline void copy_columns(const int8_t *const row[4], const int32_t step[4], int32_t n,
                                mve_pred16_t lanes, int8_t *to) {
    const int8_t *r0 = row[0], *r1 = row[1], *r2 = row[2], *r3 = row[3];
    __asm__ volatile(
        "vmsr p0, %[lanes]\n\t"
        "dls lr, %[n]\n"
        "1:\n\t"
        "vpstttt\n\t"
        "vldrbt.u8 q0, [%[r0]]\n\t"
        "vldrbt.u8 q1, [%[r1]]\n\t"
        "vldrbt.u8 q2, [%[r2]]\n\t"
        "vldrbt.u8 q3, [%[r3]]\n\t"
        "add %[r0], %[r0], %[s0]\n\t"
        "add %[r1], %[r1], %[s1]\n\t"
        "add %[r2], %[r2], %[s2]\n\t"
        "add %[r3], %[r3], %[s3]\n\t"
        "vst40.8 {q0, q1, q2, q3}, [%[to]]\n\t"
        "vst41.8 {q0, q1, q2, q3}, [%[to]]\n\t"
        "vst42.8 {q0, q1, q2, q3}, [%[to]]\n\t"
        "vst43.8 {q0, q1, q2, q3}, [%[to]]!\n\t"
        "le lr, 1b"
        : [r0] "+&r"(r0), [r1] "+&r"(r1), [r2] "+&r"(r2), [r3] "+&r"(r3), [to] "+&r"(to)
        : [s0] "r"(step[0]), [s1] "r"(step[1]), [s2] "r"(step[2]), [s3] "r"(step[3]), [n] "r"(n),
          [lanes] "r"((uint32_t)lanes)
        : "q0", "q1", "q2", "q3", "lr", "p0", "memory");
}

/* n columns of the zero point. */
static inline int8_t *put_border(int8_t *to, int32_t n, int8x16_t outside) {
    for (int32_t i = 0; i < n * WPK_DW_COLUMN_NBYTES; i += WPK_DW_CHANNELS) {
        vstrbq_s8(to + i, outside);
    }
    return to + n * WPK_DW_COLUMN_NBYTES;
}

/* The strip whose first row is row `first` of the image, which may lie outside. */
WPK_NOINLINE void fill_strip(const wpk_conv_shape *s, const wpk_dw_strips *l, const int8_t *image,
                             int32_t first, mve_pred16_t lanes, int8_t zero_point, int8_t *to) {
    const int8x16_t outside = vdupq_n_s8(zero_point);
    int8_t border[WPK_DW_CHANNELS];
    vstrbq_s8(border, outside);
    const int8_t *row[4];
    int32_t step[4];
    for (int32_t i = 0; i < 4; ++i) {
        const int32_t from = first + i;
        const bool inside = i < l->in_rows && from >= 0 && from < s->in_h;
        row[i] = inside ? image + from * s->in_w * s->in_c : border;
        step[i] = inside ? s->in_c : 0;
    }
    const int32_t room = l->columns - s->pad_left;
    const int32_t n = s->in_w < room ? s->in_w : room;
    to = put_border(to, s->pad_left, outside);
    copy_columns(row, step, n, lanes, to);
    put_border(to + n * WPK_DW_COLUMN_NBYTES, room - n, outside);
}

/* What sixteen channels need besides weights: the bias with the input zero point folded in. */
WPK_NOINLINE void fold_bias(const wpk_conv_shape *s, const int8_t *weights,
                            const wpk_requant *requant, int32_t c, int32_t channels,
                            int32_t *bias) {
    for (int32_t i = 0; i < channels; i += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(channels - i));
        int32x4_t sum = vdupq_n_s32(0);
        if (requant->input_offset != 0) {
            for (int32_t tap = 0; tap < 9; ++tap) {
                sum = vaddq_s32(sum, vldrbq_z_s32(weights + tap * s->out_c + i, lanes));
            }
            sum = vmulq_n_s32(sum, requant->input_offset);
        }
        const int32x4_t own =
            requant->bias == NULL ? vdupq_n_s32(0) : vldrwq_z_s32(requant->bias + c + i, lanes);
        vstrwq_p_s32(bias + i, vsubq_s32(own, sum), lanes);
    }
}

static void add_group(plan *p, int32_t tiles, int32_t strips, int32_t strip, int32_t tile,
                      mve_pred16_t lanes, int32_t gathers, int32_t strip_nbytes, int32_t strip_y) {
    if (tiles > 0 && strips > 0) {
        p->groups[p->count++] =
            (group){tiles,
                    strips,
                    strip_nbytes - tiles * gathers * GATHER_NBYTES,
                    strip_y - tiles * p->step,
                    strip * strip_nbytes + tile * gathers * GATHER_NBYTES - GATHER_NBYTES,
                    strip * strip_y + tile * p->step,
                    lanes};
    }
}

/* For a band of `rows` rows of outputs. */
WPK_NOINLINE void make_plan(const wpk_conv_shape *s, const wpk_dw_strips *l, int32_t rows,
                            plan *p) {
    /* Lanes of the first 1, 2 or 3 outputs at stride 2. */
    static const mve_pred16_t rest[4] = {0, 0x000f, 0x0f0f, 0x0fff};
    const uint32_t c = (uint32_t)s->out_c, row = (uint32_t)s->out_w * c;
    p->count = 0;
    if (s->stride_h == 1) {
        const int32_t tiles = s->out_w >> 1, odd = s->out_w & 1, strips = rows >> 1,
                      odd_row = rows & 1;
        const uint32_t places[4] = {0, c, row, row + c};
        memcpy(p->places, places, sizeof places);
        p->step = 2 * s->out_c;
        add_group(p, tiles, strips, 0, 0, ALL_LANES, 1, l->pitch, (int32_t)(2 * row));
        add_group(p, odd, strips, 0, tiles, LEFT_LANES, 1, l->pitch, (int32_t)(2 * row));
        add_group(p, tiles, odd_row, strips, 0, UPPER_LANES, 1, l->pitch, (int32_t)(2 * row));
        add_group(p, odd, odd_row, strips, tiles, UPPER_LANES & LEFT_LANES, 1, l->pitch,
                  (int32_t)(2 * row));
    } else {
        const int32_t tiles = s->out_w >> 2, odd = s->out_w & 3;
        const uint32_t places[4] = {0, 2 * c, c, 3 * c};
        memcpy(p->places, places, sizeof places);
        p->step = 4 * s->out_c;
        add_group(p, tiles, rows, 0, 0, ALL_LANES, 4, l->pitch, (int32_t)row);
        add_group(p, odd != 0, rows, 0, tiles, rest[odd], 4, l->pitch, (int32_t)row);
    }
}

void wpk_depthwise_3x3(const wpk_conv_shape *s, const int8_t *weights, const wpk_requant *requant,
                       const int8_t *x, int8_t *y, void *scratch) {
    const wpk_dw_strips l = wpk_dw_strips_of(WPK_THIS_CORE, s);
    plan p;
    int8_t *const taps = scratch;
    int8_t *const band = taps + WPK_DW_WEIGHT_NBYTES;
    int32_t bounds[8], bias[WPK_DW_CHANNELS];
    vstrwq_s32(bounds, vdupq_n_s32(requant->activation_min));
    vstrwq_s32(bounds + 4, vdupq_n_s32(requant->activation_max));
    const bool full = requant->activation_min == INT8_MIN && requant->activation_max == INT8_MAX;
    for (int32_t c = 0; c < s->out_c; c += WPK_DW_CHANNELS) {
        const int32_t channels = s->out_c - c < WPK_DW_CHANNELS ? s->out_c - c : WPK_DW_CHANNELS;
        const mve_pred16_t lanes = vctp8q((uint32_t)channels);
        fill_weights(s, weights + c, lanes, taps);
        fold_bias(s, weights + c, requant, c, channels, bias);
        for (int32_t n = 0; n < s->batch; ++n) {
            const int8_t *const image = x + n * s->in_h * s->in_w * s->in_c + c;
            int8_t *to = y + n * s->out_h * s->out_w * s->out_c + c;
            for (int32_t row = 0; row < s->out_h;) {
                int32_t rows = 0;
                for (int32_t strip = 0; strip < l.strips && row + rows < s->out_h;
                     ++strip, rows += l.out_rows) {
                    fill_strip(s, &l, image, (row + rows) * s->stride_h - s->pad_top, lanes,
                               requant->input_zero_point, band + strip * l.pitch);
                }
                rows = s->out_h - row < rows ? s->out_h - row : rows;
                make_plan(s, &l, rows, &p);
                for (int32_t i = 0; i < channels; ++i) {
                    const int32_t m = requant->multipliers == 1 ? 0 : c + i;
                    const int32_t shift = requant->shift[m];
                    const channel k = {bias[i], requant->multiplier[m], shift,
                                       requant->output_zero_point,
                                       full && shift < 0 ? NULL : bounds};
                    if (s->stride_h == 1) {
                        run1(&p, &k, taps + 4 * i, band + 4 * i, to + i);
                    } else {
                        run2(&p, &k, taps + 4 * i, band + 4 * i, to + i);
                    }
                }
                row += rows;
                to += rows * s->out_w * s->out_c;
            }
        }
    }
}

#endif
