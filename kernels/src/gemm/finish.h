/* Accumulators to int8 for cores without Helium, with what depends on the channel alone computed
 * before. */
#ifndef WPK_SRC_FINISH_H
#define WPK_SRC_FINISH_H

#include <stdbool.h>
#include <stddef.h>

#include "../base/rescale.h"
#include "wpk/requant.h"

/* An output channel. The fast path is for what real layers have: a right shift, accumulators below
 * 2^29 whatever the activations, and a clamp that is the range of int8. */
typedef struct {
    int32_t bias, multiplier;
    int32_t half; /* fast: one half and the output zero point, both at the weight 2^shift */
    int8_t shift; /* fast: to the right; else as in the table */
    bool fast;
} wpk_channel;

static inline wpk_channel wpk_channel_of(const wpk_requant *requant, uint32_t c, uint32_t cols) {
    const uint32_t m = requant->multipliers == 1 ? 0 : c;
    const int32_t shift = requant->shift[m], bias = wpk_bias(requant, c);
    wpk_channel channel = {bias, requant->multiplier[m], 0, (int8_t)shift, false};
    /* |w · (x − offset)| ≤ 128 · 255 < 2^15. With shifts up to 23, half stays below 2^31 − 2^29. */
    if (shift <= -1 && shift >= -23 && cols <= 1u << 13 && bias < 1 << 28 && bias > -(1 << 28) &&
        requant->activation_min == -128 && requant->activation_max == 127) {
        channel.fast = true;
        channel.shift = (int8_t)-shift;
        channel.half = (1 << (-shift - 1)) + requant->output_zero_point * (1 << -shift);
    }
    return channel;
}

/* ⌊(a · b + 2^30) / 2^31⌋ for |a| < 2^30. */
static inline int32_t wpk_small_high_multiply(int32_t a, int32_t b) {
#if WPK_DSP
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a * 2), "r"(b));
    return high;
#elif WPK_THUMB2
    int32_t low, high;
    __asm__("smull %0, %1, %2, %3\n\tadds %0, %0, %0\n\tadc %1, %1, #0"
            : "=&r"(low), "=&r"(high)
            : "r"(a * 2), "r"(b)
            : "cc");
    return high;
#else
    return wpk_high_multiply(a, b);
#endif
}

static inline int8_t wpk_finish_fast(int32_t acc, int32_t multiplier, int32_t half, int32_t shift) {
    const int32_t h = wpk_small_high_multiply(acc, multiplier);
    return (int8_t)wpk_saturate_s8((h + (h >> 31) + half) >> shift);
}

/* One output from an accumulator that includes the bias. */
static inline int8_t wpk_finish(const wpk_requant *requant, const wpk_channel *channel,
                                int32_t acc) {
    if (channel->fast) {
        return wpk_finish_fast(acc, channel->multiplier, channel->half, channel->shift);
    }
    const uint32_t scaled = (uint32_t)wpk_rescale(acc, channel->multiplier, channel->shift);
    const int32_t y = (int32_t)(scaled + (uint32_t)(int32_t)requant->output_zero_point);
    return (int8_t)wpk_clamp(y, requant->activation_min, requant->activation_max);
}

#if WPK_DSP || WPK_THUMB2

/* The fast path of one output in assembly, for code that has all registers in use: register %[ACC]
 * becomes an output, is stored OFFSET bytes behind %[y], and %[y] advances by %[w]. %[m], %[half]
 * and %[shift] are the channel's;
 * %[x] is clobbered. */
#if WPK_DSP
#define WPK_FINISH_MULTIPLY(acc) "smmulr %[" acc "], %[" acc "], %[m]\n\t"
#else
#define WPK_FINISH_MULTIPLY(acc)     \
    "smull %[x], %[" acc "], %[" acc \
    "], %[m]\n\t"                    \
    "adds %[x], %[x], %[x]\n\t"      \
    "adc %[" acc "], %[" acc "], #0\n\t"
#endif
#define WPK_FINISH(acc, offset)                                               \
    "lsl %[" acc "], %[" acc                                                  \
    "], #1\n\t" WPK_FINISH_MULTIPLY(acc) "add %[" acc "], %[" acc "], %[" acc \
                                         "], asr #31\n\t"                     \
                                         "add %[" acc "], %[" acc             \
                                         "], %[half]\n\t"                     \
                                         "asr %[" acc "], %[" acc             \
                                         "], %[shift]\n\t"                    \
                                         "ssat %[" acc "], #8, %[" acc        \
                                         "]\n\t"                              \
                                         "strb %[" acc "], [%[y], #" offset   \
                                         "]\n\t"                              \
                                         "add %[y], %[y], %[w]\n\t"

/* Offsets of wpk_channel, which assembly reads. */
_Static_assert(sizeof(wpk_channel) == 16 && offsetof(wpk_channel, bias) == 0 &&
                   offsetof(wpk_channel, multiplier) == 4 && offsetof(wpk_channel, half) == 8 &&
                   offsetof(wpk_channel, shift) == 12,
               "assembly knows the layout");

/* For code whose accumulators a0 to a7 belong to one channel. %[channel], %[out], %[pitch] and
 * %[acc] are in memory. */
#define WPK_LOAD_BIAS_4         \
    "ldr %[a0], %[channel]\n\t" \
    "ldr %[a0], [%[a0]]\n\t"    \
    "mov %[a1], %[a0]\n\t"      \
    "mov %[a2], %[a0]\n\t"      \
    "mov %[a3], %[a0]\n\t"
#define WPK_LOAD_BIAS_8    \
    WPK_LOAD_BIAS_4        \
    "mov %[a4], %[a0]\n\t" \
    "mov %[a5], %[a0]\n\t" \
    "mov %[a6], %[a0]\n\t" \
    "mov %[a7], %[a0]\n\t"
#define WPK_LOAD_CHANNEL                 \
    "ldr %[y], %[channel]\n\t"           \
    "ldrd %[m], %[half], [%[y], #4]\n\t" \
    "ldrb %[shift], [%[y], #12]\n\t"     \
    "ldr %[y], %[out]\n\t"               \
    "ldr %[w], %[pitch]\n\t"
#define WPK_FINISH_4 \
    WPK_FINISH("a0", "0") WPK_FINISH("a1", "0") WPK_FINISH("a2", "0") WPK_FINISH("a3", "0")
#define WPK_FINISH_8                                                               \
    WPK_FINISH_4 WPK_FINISH("a4", "0") WPK_FINISH("a5", "0") WPK_FINISH("a6", "0") \
        WPK_FINISH("a7", "0")
#define WPK_STORE_SUMS                   \
    "ldr %[m], %[acc]\n\t"               \
    "strd %[a0], %[a1], [%[m]]\n\t"      \
    "strd %[a2], %[a3], [%[m], #8]\n\t"  \
    "strd %[a4], %[a5], [%[m], #16]\n\t" \
    "strd %[a6], %[a7], [%[m], #24]\n\t"
#define WPK_ALL_REGISTERS                                                                     \
    [w] "+r"(w), [x] "+r"(x), [a0] "=&r"(a0), [a1] "=&r"(a1), [a2] "=&r"(a2), [a3] "=&r"(a3), \
        [a4] "=&r"(a4), [a5] "=&r"(a5), [a6] "=&r"(a6), [a7] "=&r"(a7), [m] "=&r"(m),         \
        [half] "=&r"(half), [shift] "=&r"(shift), [y] "=&r"(at)

/* Biases of two channels into the accumulators of four pixels each. */
#define WPK_LOAD_BIASES           \
    "ldr %[a0], %[channel]\n\t"   \
    "ldr %[a4], [%[a0], #16]\n\t" \
    "ldr %[a0], [%[a0]]\n\t"      \
    "mov %[a5], %[a4]\n\t"        \
    "mov %[a6], %[a4]\n\t"        \
    "mov %[a7], %[a4]\n\t"        \
    "mov %[a1], %[a0]\n\t"        \
    "mov %[a2], %[a0]\n\t"        \
    "mov %[a3], %[a0]\n\t"

/* Outputs of two channels and four pixels. */
#define WPK_FINISH_TILE                                                                          \
    WPK_LOAD_CHANNEL WPK_FINISH_4                                                                \
        "ldr %[y], %[channel]\n\t"                                                               \
        "ldrd %[m], %[half], [%[y], #20]\n\t"                                                    \
        "ldrb %[shift], [%[y], #28]\n\t"                                                         \
        "ldr %[y], %[out]\n\t" WPK_FINISH("a4", "1") WPK_FINISH("a5", "1") WPK_FINISH("a6", "1") \
            WPK_FINISH("a7", "1")

#endif

#endif
