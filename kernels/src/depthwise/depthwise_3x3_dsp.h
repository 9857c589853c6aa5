/* 3 × 3 depthwise tiles for cores with 16-bit multiply-accumulates: two taps of one channel in one
 * SMLAD. Private, included by depthwise_3x3.h.
 *
 * Words x0 = (0, 1), x1 = (2, 3), … of a row hold columns, A = (w0, w1) and B = (w1, w2) the taps.
 * At stride 1 out0 = x0 · A + bottom(x1) · top(B)        out1 = top(x0) · bottom(A) + x1 · B and at
 * stride 2 every output is of the first kind: two multiply-accumulates for three taps.
 */

static inline void wpk_dw_set_taps(wpk_dw_channel *channel, const int32_t taps[9]) {
    for (int32_t i = 0; i < 3; ++i) {
        const uint32_t w0 = (uint32_t)taps[3 * i] & 0xffff, w1 = (uint32_t)taps[3 * i + 1] & 0xffff;
        channel->pairs[2 * i] = w0 | w1 << 16;
        channel->pairs[2 * i + 1] = w1 | (uint32_t)taps[3 * i + 2] << 16;
    }
}

static inline int32_t wpk_dw_channel_step(const wpk_dw_planes *planes) {
    return planes->pitch * planes->rows;
}

static inline int32_t wpk_dw_row_step(const wpk_dw_planes *planes) {
    return planes->pitch;
}

enum { WPK_DW_COLUMN_STEP = 1 };

/* Columns of pixels a and b, next to each other, into word-aligned rows of four planes. */
static inline void wpk_dw_put_pair(wpk_dw_element *row, int32_t step, uint32_t a, uint32_t b) {
    uint32_t a02, a13, b02, b13, t;
    __asm__("sxtb16 %0, %1" : "=r"(a02) : "r"(a));
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(a13) : "r"(a));
    __asm__("sxtb16 %0, %1" : "=r"(b02) : "r"(b));
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(b13) : "r"(b));
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(t) : "r"(a02), "r"(b02));
    wpk_store_u32(row, t);
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(t) : "r"(a13), "r"(b13));
    wpk_store_u32(row + step, t);
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(t) : "r"(b02), "r"(a02));
    wpk_store_u32(row + 2 * step, t);
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(t) : "r"(b13), "r"(a13));
    wpk_store_u32(row + 3 * step, t);
}

/* The same word into a column pair of four planes. */
static inline void wpk_dw_put_word(wpk_dw_element *row, int32_t step, uint32_t pair) {
    for (int32_t lane = 0; lane < WPK_DW_LANES; ++lane) {
        wpk_store_u32(row + lane * step, pair);
    }
}

static inline uint32_t wpk_dw_load(const int8_t *x, int32_t lanes) {
    if (lanes == WPK_DW_LANES) {
        return wpk_load_u32(x);
    }
    uint32_t four = 0;
    memcpy(&four, x, (uint32_t)lanes);
    return four;
}

/* One row of the band: `columns` pixels of x, in_c bytes apart, after `left` columns of the zero
 * point. */
WPK_INLINE void wpk_dw_fill_lanes(const wpk_dw_planes *planes, wpk_dw_element *row, int32_t left,
                                  int32_t columns, int32_t lanes, const int8_t *x, int32_t in_c,
                                  int32_t zero_point) {
    const int32_t step = wpk_dw_channel_step(planes);
    const uint32_t outside = (uint32_t)(uint8_t)zero_point * 0x01010101u;
    const uint32_t outside_pair = (uint32_t)(uint16_t)zero_point * 0x00010001u;
    wpk_dw_element *const end = row + planes->pitch;
    if (left == 1 && columns > 0) {
        wpk_dw_put_pair(row, step, outside, wpk_dw_load(x, lanes));
        row += 2;
        x += in_c;
        --columns;
        left = 0;
    }
    for (; left > 1; left -= 2, row += 2) {
        wpk_dw_put_word(row, step, outside_pair);
    }
    for (; columns > 1; columns -= 2, row += 2, x += 2 * in_c) {
        wpk_dw_put_pair(row, step, wpk_dw_load(x, lanes), wpk_dw_load(x + in_c, lanes));
    }
    if (columns > 0) {
        wpk_dw_put_pair(row, step, wpk_dw_load(x, lanes), outside);
        row += 2;
    }
    for (; row < end; row += 2) {
        wpk_dw_put_word(row, step, outside_pair);
    }
}

static inline void wpk_dw_fill_row(const wpk_dw_planes *planes, wpk_dw_element *row, int32_t left,
                                   int32_t columns, int32_t lanes, const int8_t *x, int32_t in_c,
                                   int32_t zero_point) {
    if (lanes == WPK_DW_LANES) {
        wpk_dw_fill_lanes(planes, row, left, columns, WPK_DW_LANES, x, in_c, zero_point);
    } else {
        wpk_dw_fill_lanes(planes, row, left, columns, lanes, x, in_c, zero_point);
    }
}

#define WPK_DW_NEXT_ROW "add %[p], %[p], %[step]\n\t"

/* Row i of a tile of four at stride 1; f0 and f1 are what the first multiply-accumulates of outputs
 * 0 … 3 add to, with the end of the line. */
#define WPK_DW_ROW4_S1(at, f0, f1, f2, f3)                                                     \
    "ldm %[p], {r4, r5, r6}\n\t"                                                               \
    "ldrd %[t0], %[t1], [%[w], #" #at                                                          \
    "]\n\t"                                                                                    \
    "smlad %[a0], r4, %[t0], " f0 "smlatb %[a1], r4, %[t0], " f1 "smlad %[a2], r5, %[t0], " f2 \
    "smlatb %[a3], r5, %[t0], " f3                                                             \
    "smlabt %[a0], r5, %[t1], %[a0]\n\t"                                                       \
    "smlad %[a1], r5, %[t1], %[a1]\n\t"                                                        \
    "smlabt %[a2], r6, %[t1], %[a2]\n\t"                                                       \
    "smlad %[a3], r6, %[t1], %[a3]\n\t"

#define WPK_DW_ROW4_S2(at, f0, f1, f2, f3)                                                    \
    "ldm %[p], {r4, r5, r6, r8}\n\t"                                                          \
    "ldrd %[t0], %[t1], [%[w], #" #at                                                         \
    "]\n\t"                                                                                   \
    "smlad %[a0], r4, %[t0], " f0 "smlad %[a1], r5, %[t0], " f1 "smlad %[a2], r6, %[t0], " f2 \
    "smlad %[a3], r8, %[t0], " f3                                                             \
    "ldr r4, [%[p], #16]\n\t"                                                                 \
    "smlabt %[a0], r5, %[t1], %[a0]\n\t"                                                      \
    "smlabt %[a1], r6, %[t1], %[a1]\n\t"                                                      \
    "smlabt %[a2], r8, %[t1], %[a2]\n\t"                                                      \
    "smlabt %[a3], r4, %[t1], %[a3]\n\t"

#define WPK_DW_ACC4 "%[a0]\n\t", "%[a1]\n\t", "%[a2]\n\t", "%[a3]\n\t"
#define WPK_DW_BIAS4 "%[a3]\n\t", "%[a3]\n\t", "%[a3]\n\t", "%[a3]\n\t"
#define WPK_DW_APPLY(row, ...) row(__VA_ARGS__)

/* Accumulators of four outputs next to each other. p is word-aligned. */
WPK_INLINE void wpk_dw_tile4(const wpk_dw_channel *channel, const wpk_dw_element *p,
                             int32_t row_step, int32_t stride, int32_t acc[4]) {
    uint32_t t0, t1;
    const int32_t step = row_step * 2;
    if (stride == 1) {
        __asm__("ldr %[a3], [%[w], #24]\n\t" WPK_DW_APPLY(WPK_DW_ROW4_S1, 0, WPK_DW_BIAS4)
                    WPK_DW_NEXT_ROW WPK_DW_APPLY(WPK_DW_ROW4_S1, 8, WPK_DW_ACC4)
                        WPK_DW_NEXT_ROW WPK_DW_APPLY(WPK_DW_ROW4_S1, 16, WPK_DW_ACC4)
                : [p] "+&r"(p), [a0] "=&r"(acc[0]), [a1] "=&r"(acc[1]), [a2] "=&r"(acc[2]),
                  [a3] "=&r"(acc[3]), [t0] "=&r"(t0), [t1] "=&r"(t1)
                : [w] "r"(channel->pairs), [step] "r"(step)
                : "r4", "r5", "r6", "memory");
    } else {
        __asm__("ldr %[a3], [%[w], #24]\n\t" WPK_DW_APPLY(WPK_DW_ROW4_S2, 0, WPK_DW_BIAS4)
                    WPK_DW_NEXT_ROW WPK_DW_APPLY(WPK_DW_ROW4_S2, 8, WPK_DW_ACC4)
                        WPK_DW_NEXT_ROW WPK_DW_APPLY(WPK_DW_ROW4_S2, 16, WPK_DW_ACC4)
                : [p] "+&r"(p), [a0] "=&r"(acc[0]), [a1] "=&r"(acc[1]), [a2] "=&r"(acc[2]),
                  [a3] "=&r"(acc[3]), [t0] "=&r"(t0), [t1] "=&r"(t1)
                : [w] "r"(channel->pairs), [step] "r"(step)
                : "r4", "r5", "r6", "r8", "memory");
    }
}

#define WPK_DW_ROW2_S1(at, f0, f1)                               \
    "ldm %[p], {r4, r5}\n\t"                                     \
    "ldrd %[t0], %[t1], [%[w], #" #at                            \
    "]\n\t"                                                      \
    "smlad %[a0], r4, %[t0], " f0 "smlatb %[a1], r4, %[t0], " f1 \
    "smlabt %[a0], r5, %[t1], %[a0]\n\t"                         \
    "smlad %[a1], r5, %[t1], %[a1]\n\t"

#define WPK_DW_ROW2_S2(at, f0, f1)                              \
    "ldm %[p], {r4, r5, r6}\n\t"                                \
    "ldrd %[t0], %[t1], [%[w], #" #at                           \
    "]\n\t"                                                     \
    "smlad %[a0], r4, %[t0], " f0 "smlad %[a1], r5, %[t0], " f1 \
    "smlabt %[a0], r5, %[t1], %[a0]\n\t"                        \
    "smlabt %[a1], r6, %[t1], %[a1]\n\t"

#define WPK_DW_TILE2(row)                                                                          \
    __asm__("ldr %[a1], [%[w], #24]\n\t" row(0, "%[a1]\n\t", "%[a1]\n\t") WPK_DW_NEXT_ROW row(     \
                8, "%[a0]\n\t", "%[a1]\n\t") WPK_DW_NEXT_ROW row(16, "%[a0]\n\t", "%[a1]\n\t")     \
            : [p] "+&r"(p), [a0] "=&r"(acc[0]), [a1] "=&r"(acc[1]), [t0] "=&r"(t0), [t1] "=&r"(t1) \
            : [w] "r"(channel->pairs), [step] "r"(step)                                            \
            : "r4", "r5", "r6", "memory")

/* The same for two. */
WPK_INLINE void wpk_dw_tile2(const wpk_dw_channel *channel, const wpk_dw_element *p,
                             int32_t row_step, int32_t stride, int32_t acc[2]) {
    uint32_t t0, t1;
    const int32_t step = row_step * 2;
    if (stride == 1) {
        WPK_DW_TILE2(WPK_DW_ROW2_S1);
    } else {
        WPK_DW_TILE2(WPK_DW_ROW2_S2);
    }
}
