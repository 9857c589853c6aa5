#include "../base/rescale.h"
#include "pooling.h"

/* The mean of `count` values, halves away from zero. */
static inline int32_t mean(int32_t sum, int32_t count) {
    return sum < 0 ? -((-sum + count / 2) / count) : (sum + count / 2) / count;
}

#if WPK_MVE
#include <arm_mve.h>

/* Up to this count ⌊a · ⌈2^32 / count⌉ / 2^32⌋ is ⌊a / count⌋ for a < 129 · count: the reciprocal's
 * error times a stays below 2^32. */
enum { MAX_RECIPROCAL_COUNT = 4096 };

/* Four channels; `all`: none of them is beyond the last. */
WPK_INLINE int32x4_t four(const wpk_pooling_window *window, int32_t c, int32_t count,
                          uint32x4_t inverse, mve_pred16_t lanes, bool all) {
    int32x4_t sum = vdupq_n_s32(0);
    const int8_t *row = window->x + c;
    for (int32_t i = window->h; i > 0; --i, row += window->pitch) {
        const int8_t *x = row;
        for (int32_t j = window->w; j > 0; --j, x += window->channels) {
            sum = vaddq_s32(sum, all ? vldrbq_s32(x) : vldrbq_z_s32(x, lanes));
        }
    }
    if (count == 1) {
        return sum;
    }
    if (count <= MAX_RECIPROCAL_COUNT) {
        const uint32x4_t size =
            vaddq_n_u32(vreinterpretq_u32_s32(vabsq_s32(sum)), (uint32_t)count / 2);
        const int32x4_t quotient = vreinterpretq_s32_u32(vmulhq_u32(size, inverse));
        return vnegq_m_s32(quotient, quotient, vcmpltq_n_s32(sum, 0));
    }
    int32_t sums[4];
    vstrwq_s32(sums, sum);
    for (int32_t i = 0; i < 4; ++i) {
        sums[i] = mean(sums[i], count);
    }
    return vldrwq_s32(sums);
}

static void pixel(const wpk_pooling_window *window, int8_t *y) {
    const uint32_t count = (uint32_t)(window->h * window->w);
    /* ⌈2^32 / count⌉ in 32 bits, for a count above 1. */
    const uint32x4_t inverse = vdupq_n_u32(UINT32_MAX / count + 1);
    const int32x4_t low = vdupq_n_s32(window->low), high = vdupq_n_s32(window->high);
    int32_t c = 0;
    for (; c + 4 <= window->channels; c += 4) {
        const int32x4_t means = four(window, c, (int32_t)count, inverse, 0, true);
        vstrbq_s32(y + c, vminq_s32(vmaxq_s32(means, low), high));
    }
    if (c < window->channels) {
        const mve_pred16_t lanes = vctp32q((uint32_t)(window->channels - c));
        const int32x4_t means = four(window, c, (int32_t)count, inverse, lanes, false);
        vstrbq_p_s32(y + c, vminq_s32(vmaxq_s32(means, low), high), lanes);
    }
}
#else

/* Four channels at once, two 16-bit sums a word. */
#if WPK_DSP
enum { MAX_PACKED_COUNT = 256 };

static inline void add_four(uint32_t *even, uint32_t *odd, uint32_t four) {
    __asm__("sxtab16 %0, %0, %1" : "+r"(*even) : "r"(four));
    __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(*odd) : "r"(four));
}

static inline int32_t lower(uint32_t sums, int32_t count) {
    (void)count;
    return (int16_t)sums;
}

static inline int32_t upper(uint32_t sums, int32_t count) {
    (void)count;
    return (int32_t)sums >> 16;
}
#else
/* Bytes biased to 0 … 255 sum up without a sign. */
enum { MAX_PACKED_COUNT = 257 };

static inline void add_four(uint32_t *even, uint32_t *odd, uint32_t four) {
    const uint32_t biased = four ^ 0x80808080u, every_other = 0x00ff00ffu;
    *even += biased & every_other;
    *odd += biased >> 8 & every_other;
}

static inline int32_t lower(uint32_t sums, int32_t count) {
    return (int32_t)(sums & 0xffff) - 128 * count;
}

static inline int32_t upper(uint32_t sums, int32_t count) {
    return (int32_t)(sums >> 16) - 128 * count;
}
#endif

/* The mean of 2 to MAX_PACKED_COUNT values, clamped. inverse = ⌈2^32 / count⌉: its error times the
 * size stays below 2^32 / count. half = ⌊count / 2⌋. */
static inline int8_t packed_mean(const wpk_pooling_window *window, int32_t sum, uint32_t half,
                                 uint32_t inverse) {
    const int32_t sign = sum >> 31;
    const uint32_t size = (uint32_t)((sum ^ sign) - sign) + half;
    const int32_t quotient = (int32_t)((uint64_t)size * inverse >> 32);
    return (int8_t)wpk_clamp((quotient ^ sign) - sign, window->low, window->high);
}

/* Channels from the first on in groups of four; returns how many. */
static int32_t packed(const wpk_pooling_window *all, int32_t count, int8_t *y) {
    const wpk_pooling_window window = *all;
    const uint32_t half = (uint32_t)count / 2, inverse = UINT32_MAX / (uint32_t)count + 1;
    const int32_t skip = window.pitch - window.w * window.channels;
    int32_t c = 0;
    for (; c + 4 <= window.channels; c += 4) {
        uint32_t even = 0, odd = 0;
        const int8_t *x = window.x + c;
        for (int32_t row = window.h; row > 0; --row, x += skip) {
            for (int32_t column = window.w; column > 0; --column, x += window.channels) {
                add_four(&even, &odd, wpk_load_u32(x));
            }
        }
        y[c] = packed_mean(&window, lower(even, count), half, inverse);
        y[c + 1] = packed_mean(&window, lower(odd, count), half, inverse);
        y[c + 2] = packed_mean(&window, upper(even, count), half, inverse);
        y[c + 3] = packed_mean(&window, upper(odd, count), half, inverse);
    }
    return c;
}

static void one_channel(const wpk_pooling_window *window, int32_t c, int32_t count, int8_t *y) {
    int32_t sum = 0;
    for (int32_t row = 0; row < window->h; ++row) {
        const int8_t *x = window->x + row * window->pitch + c;
        for (int32_t column = 0; column < window->w; ++column, x += window->channels) {
            sum += *x;
        }
    }
    y[c] = (int8_t)wpk_clamp(mean(sum, count), window->low, window->high);
}

static void pixel(const wpk_pooling_window *window, int8_t *y) {
    const int32_t count = window->h * window->w;
    int32_t c = count > 1 && count <= MAX_PACKED_COUNT ? packed(window, count, y) : 0;
    for (; c < window->channels; ++c) {
        one_channel(window, c, count, y);
    }
}
#endif

void wpk_average_pool_s8(const wpk_pooling *params, const int8_t *x, int8_t *y) {
    wpk_pooling_each(params, pixel, x, y);
}
