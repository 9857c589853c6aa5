/* 3 × 3 depthwise tiles in plain C, for cores that multiply one pair at a time: weights stay in
 * registers along four outputs, and a pixel that two outputs share is loaded once. Private,
 * included by depthwise_3x3.h. */

static inline void wpk_dw_set_taps(wpk_dw_channel *channel, const int32_t taps[9]) {
    memcpy(channel->taps, taps, sizeof(channel->taps));
}

static inline int32_t wpk_dw_channel_step(const wpk_dw_planes *planes) {
    (void)planes;
    return 1;
}

static inline int32_t wpk_dw_row_step(const wpk_dw_planes *planes) {
    return WPK_DW_LANES * planes->pitch;
}

enum { WPK_DW_COLUMN_STEP = WPK_DW_LANES };

/* n columns of the zero point; returns where they end. */
static inline wpk_dw_element *wpk_dw_border(wpk_dw_element *row, int32_t n, uint32_t outside) {
    for (int32_t i = 0; i < n; ++i, row += WPK_DW_LANES) {
        wpk_store_u32(row, outside);
    }
    return row;
}

/* One row of the band: `columns` pixels of x, in_c bytes apart, after `left` columns of the zero
 * point. */
static inline void wpk_dw_fill_row(const wpk_dw_planes *planes, wpk_dw_element *row, int32_t left,
                                   int32_t columns, int32_t lanes, const int8_t *x, int32_t in_c,
                                   int32_t zero_point) {
    const uint32_t outside = (uint32_t)(uint8_t)zero_point * 0x01010101u;
    row = wpk_dw_border(row, left, outside);
    if (lanes == WPK_DW_LANES) {
        for (int32_t i = 0; i < columns; ++i, row += WPK_DW_LANES, x += in_c) {
            wpk_store_u32(row, wpk_load_u32(x));
        }
    } else {
        for (int32_t i = 0; i < columns; ++i, row += WPK_DW_LANES, x += in_c) {
            for (int32_t lane = 0; lane < lanes; ++lane) {
                row[lane] = x[lane];
            }
        }
    }
    wpk_dw_border(row, planes->pitch - left - columns, outside);
}

#if WPK_THUMB2

/* Of a row: taps in r4, r5 and r6, a pixel at a time. f0 … f3: what the first products of outputs 0
 * … 3 add to. */
#define WPK_DW_LOAD(column) "ldrsb %[x], [%[p], #4 * " #column "]\n\t"
#define WPK_DW_FIRST(out, from) "mla %[a" #out "], %[x], r4, " from "\n\t"
#define WPK_DW_SECOND(out) "mla %[a" #out "], %[x], r5, %[a" #out "]\n\t"
#define WPK_DW_THIRD(out) "mla %[a" #out "], %[x], r6, %[a" #out "]\n\t"

#define WPK_DW_ROW4_S1(f0, f1, f2, f3)                                                             \
    "ldm %[w]!, {r4, r5, r6}\n\t" WPK_DW_LOAD(0) WPK_DW_FIRST(0, f0) WPK_DW_LOAD(1)                \
        WPK_DW_SECOND(0) WPK_DW_FIRST(1, f1) WPK_DW_LOAD(2) WPK_DW_THIRD(0) WPK_DW_SECOND(1)       \
            WPK_DW_FIRST(2, f2) WPK_DW_LOAD(3) WPK_DW_THIRD(1) WPK_DW_SECOND(2)                    \
                WPK_DW_FIRST(3, f3) WPK_DW_LOAD(4) WPK_DW_THIRD(2) WPK_DW_SECOND(3) WPK_DW_LOAD(5) \
                    WPK_DW_THIRD(3) "add %[p], %[p], %[step]\n\t"

#define WPK_DW_ROW4_S2(f0, f1, f2, f3)                                                             \
    "ldm %[w]!, {r4, r5, r6}\n\t" WPK_DW_LOAD(0) WPK_DW_FIRST(0, f0) WPK_DW_LOAD(1)                \
        WPK_DW_SECOND(0) WPK_DW_LOAD(2) WPK_DW_THIRD(0) WPK_DW_FIRST(1, f1) WPK_DW_LOAD(3)         \
            WPK_DW_SECOND(1) WPK_DW_LOAD(4) WPK_DW_THIRD(1) WPK_DW_FIRST(2, f2) WPK_DW_LOAD(5)     \
                WPK_DW_SECOND(2) WPK_DW_LOAD(6) WPK_DW_THIRD(2) WPK_DW_FIRST(3, f3) WPK_DW_LOAD(7) \
                    WPK_DW_SECOND(3) WPK_DW_LOAD(8) WPK_DW_THIRD(3) "add %[p], %[p], %[step]\n\t"

#define WPK_DW_ACC4 "%[a0]", "%[a1]", "%[a2]", "%[a3]"
#define WPK_DW_BIAS4 "%[a3]", "%[a3]", "%[a3]", "%[a3]"
#define WPK_DW_APPLY(row, ...) row(__VA_ARGS__)
#define WPK_DW_TILE4(row)                                                         \
    __asm__("ldr %[a3], [%[w], #36]\n\t" WPK_DW_APPLY(row, WPK_DW_BIAS4)          \
                WPK_DW_APPLY(row, WPK_DW_ACC4) WPK_DW_APPLY(row, WPK_DW_ACC4)     \
            : [p] "+&r"(p), [w] "+&r"(w), [a0] "=&r"(acc[0]), [a1] "=&r"(acc[1]), \
              [a2] "=&r"(acc[2]), [a3] "=&r"(acc[3]), [x] "=&r"(x)                \
            : [step] "r"(row_step)                                                \
            : "r4", "r5", "r6", "memory")

#define WPK_DW_ROW2_S1(f0, f1)                                                               \
    "ldm %[w]!, {r4, r5, r6}\n\t" WPK_DW_LOAD(0) WPK_DW_FIRST(0, f0) WPK_DW_LOAD(1)          \
        WPK_DW_SECOND(0) WPK_DW_FIRST(1, f1) WPK_DW_LOAD(2) WPK_DW_THIRD(0) WPK_DW_SECOND(1) \
            WPK_DW_LOAD(3) WPK_DW_THIRD(1) "add %[p], %[p], %[step]\n\t"

#define WPK_DW_ROW2_S2(f0, f1)                                                             \
    "ldm %[w]!, {r4, r5, r6}\n\t" WPK_DW_LOAD(0) WPK_DW_FIRST(0, f0) WPK_DW_LOAD(1)        \
        WPK_DW_SECOND(0) WPK_DW_LOAD(2) WPK_DW_THIRD(0) WPK_DW_FIRST(1, f1) WPK_DW_LOAD(3) \
            WPK_DW_SECOND(1) WPK_DW_LOAD(4) WPK_DW_THIRD(1) "add %[p], %[p], %[step]\n\t"

#define WPK_DW_TILE2(row)                                                                      \
    __asm__("ldr %[a1], [%[w], #36]\n\t" row("%[a1]", "%[a1]") row("%[a0]", "%[a1]")           \
                row("%[a0]", "%[a1]")                                                          \
            : [p] "+&r"(p), [w] "+&r"(w), [a0] "=&r"(acc[0]), [a1] "=&r"(acc[1]), [x] "=&r"(x) \
            : [step] "r"(row_step)                                                             \
            : "r4", "r5", "r6", "memory")

/* Accumulators of four outputs next to each other. */
WPK_INLINE void wpk_dw_tile4(const wpk_dw_channel *channel, const wpk_dw_element *p,
                             int32_t row_step, int32_t stride, int32_t acc[4]) {
    const int32_t *w = channel->taps;
    int32_t x;
    if (stride == 1) {
        WPK_DW_TILE4(WPK_DW_ROW4_S1);
    } else {
        WPK_DW_TILE4(WPK_DW_ROW4_S2);
    }
}

/* The same for two. */
WPK_INLINE void wpk_dw_tile2(const wpk_dw_channel *channel, const wpk_dw_element *p,
                             int32_t row_step, int32_t stride, int32_t acc[2]) {
    const int32_t *w = channel->taps;
    int32_t x;
    if (stride == 1) {
        WPK_DW_TILE2(WPK_DW_ROW2_S1);
    } else {
        WPK_DW_TILE2(WPK_DW_ROW2_S2);
    }
}

#else

/* Accumulators of four outputs next to each other. */
WPK_INLINE void wpk_dw_tile4(const wpk_dw_channel *channel, const wpk_dw_element *p,
                             int32_t row_step, int32_t stride, int32_t acc[4]) {
    uint32_t a0 = (uint32_t)channel->bias, a1 = a0, a2 = a0, a3 = a0;
    for (int32_t i = 0; i < 3; ++i, p += row_step) {
        const int32_t w0 = channel->taps[3 * i], w1 = channel->taps[3 * i + 1],
                      w2 = channel->taps[3 * i + 2];
        if (stride == 1) {
            int32_t x = p[0];
            a0 += (uint32_t)(x * w0);
            x = p[4];
            a0 += (uint32_t)(x * w1), a1 += (uint32_t)(x * w0);
            x = p[8];
            a0 += (uint32_t)(x * w2), a1 += (uint32_t)(x * w1), a2 += (uint32_t)(x * w0);
            x = p[12];
            a1 += (uint32_t)(x * w2), a2 += (uint32_t)(x * w1), a3 += (uint32_t)(x * w0);
            x = p[16];
            a2 += (uint32_t)(x * w2), a3 += (uint32_t)(x * w1);
            x = p[20];
            a3 += (uint32_t)(x * w2);
        } else {
            a0 += (uint32_t)(p[0] * w0), a0 += (uint32_t)(p[4] * w1);
            int32_t x = p[8];
            a0 += (uint32_t)(x * w2), a1 += (uint32_t)(x * w0), a1 += (uint32_t)(p[12] * w1);
            x = p[16];
            a1 += (uint32_t)(x * w2), a2 += (uint32_t)(x * w0), a2 += (uint32_t)(p[20] * w1);
            x = p[24];
            a2 += (uint32_t)(x * w2), a3 += (uint32_t)(x * w0), a3 += (uint32_t)(p[28] * w1);
            a3 += (uint32_t)(p[32] * w2);
        }
    }
    acc[0] = (int32_t)a0, acc[1] = (int32_t)a1, acc[2] = (int32_t)a2, acc[3] = (int32_t)a3;
}

/* The same for two. */
WPK_INLINE void wpk_dw_tile2(const wpk_dw_channel *channel, const wpk_dw_element *p,
                             int32_t row_step, int32_t stride, int32_t acc[2]) {
    uint32_t a0 = (uint32_t)channel->bias, a1 = a0;
    for (int32_t i = 0; i < 3; ++i, p += row_step) {
        const int32_t w0 = channel->taps[3 * i], w1 = channel->taps[3 * i + 1],
                      w2 = channel->taps[3 * i + 2];
        const int8_t *const q = p + 4 * stride;
        a0 += (uint32_t)(p[0] * w0), a0 += (uint32_t)(p[4] * w1), a0 += (uint32_t)(p[8] * w2);
        a1 += (uint32_t)(q[0] * w0), a1 += (uint32_t)(q[4] * w1), a1 += (uint32_t)(q[8] * w2);
    }
    acc[0] = (int32_t)a0, acc[1] = (int32_t)a1;
}

#endif
