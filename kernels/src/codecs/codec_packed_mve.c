/* Packed codes with Helium. */
#include <stddef.h>

#include "../base/bytes.h"
#include "codec_packed.h"

#if WPK_MVE

/* Loops over the weights of a row, 16 at a time. A load leaves codes in %[q], one a lane; of two
 * or four codes that come from one byte, the first is in the lane that decides whether the byte is
 * read. */
#define LOAD_4                         \
    "vldrb.u16 %q[q], [%[at]], #8\n\t" \
    "vsli.16 %q[q], %q[q], #4\n\t"     \
    "vand %q[q], %q[q], %q[mask]\n\t"
#define LOAD_2                         \
    "vldrb.u32 %q[q], [%[at]], #4\n\t" \
    "vsli.32 %q[q], %q[q], #12\n\t"    \
    "vsli.16 %q[q], %q[q], #6\n\t"     \
    "vand %q[q], %q[q], %q[mask]\n\t"
/* Any width: a code lies in one byte or two. */
#define LOAD_ANY                            \
    "vldrb.u8 %q[q], [%[at], %q[low]]\n\t"  \
    "vldrb.u8 %q[w], [%[at], %q[high]]\n\t" \
    "vshl.u8 %q[q], %q[q], %q[right]\n\t"   \
    "vshl.u8 %q[w], %q[w], %q[left]\n\t"    \
    "add %[at], %[at], %[step]\n\t"         \
    "vorr %q[q], %q[q], %q[w]\n\t"          \
    "vand %q[q], %q[q], %q[mask]\n\t"
#define ADD_BASE "vadd.i8 %q[w], %q[q], %q[base]\n\t"
#define LOOK_UP "vldrb.u8 %q[w], [%[table], %q[q]]\n\t"
#define STORE "vstrb.8 %q[w], [%[dst]], #16\n\t"
#define MULTIPLY                      \
    "vldrb.u8 %q[q], [%[x]], #16\n\t" \
    "vmladava.s8 %[acc], %q[w], %q[q]\n\t"
#define LOOP(load, map, use, ...)                                                                 \
    __asm__ volatile(                                                                             \
        "dlstp.8 lr, %[n]\n\t1:\n\t" load map use "letp lr, 1b\n\t"                               \
        :                                                                                         \
        [at] "+l"(at), [x] "+l"(x), [dst] "+l"(dst), [acc] "+Te"(acc), [q] "=&w"(q), [w] "=&w"(w) \
        : [n] "r"(n), [table] "r"(s.table), [mask] "w"(mask), [base] "w"(base), ##__VA_ARGS__     \
        : "lr", "memory")
#define LOOPS(load, ...)                                   \
    do {                                                   \
        if (dst != NULL && s.table != NULL) {              \
            LOOP(load, LOOK_UP, STORE, ##__VA_ARGS__);     \
        } else if (dst != NULL) {                          \
            LOOP(load, ADD_BASE, STORE, ##__VA_ARGS__);    \
        } else if (s.table != NULL) {                      \
            LOOP(load, LOOK_UP, MULTIPLY, ##__VA_ARGS__);  \
        } else {                                           \
            LOOP(load, ADD_BASE, MULTIPLY, ##__VA_ARGS__); \
        }                                                  \
    } while (0)

int32_t wpk_packed_run(wpk_packed_row s, uint32_t bits, uint32_t n, const int8_t *x, int8_t *dst) {
    const uint8_t *at = s.codes;
    const uint8x16_t mask = vdupq_n_u8((uint8_t)((1u << bits) - 1));
    const int8x16_t base = vdupq_n_s8(s.base);
    uint8x16_t q, w;
    int32_t acc = 0;
    if (bits == 4) {
        LOOPS(LOAD_4);
    } else if (bits == 2) {
        LOOPS(LOAD_2);
    } else {
        const uint8x16_t first = vmulq_n_u8(vidupq_n_u8(0, 1), (uint8_t)bits);
        const int8x16_t in_byte = vreinterpretq_s8_u8(vandq_u8(first, vdupq_n_u8(7)));
        LOOPS(LOAD_ANY, [step] "r"(2 * bits), [low] "w"(vshrq_n_u8(first, 3)),
              [high] "w"(vshrq_n_u8(vaddq_n_u8(first, (uint8_t)(bits - 1)), 3)),
              [right] "w"(vnegq_s8(in_byte)), [left] "w"(vsubq_s8(vdupq_n_s8(8), in_byte)));
    }
    return acc;
}

void wpk_packed_map_columns(const int8_t *table, uint32_t bits, uint32_t n, int8_t *codes) {
    const uint16x8_t lanes = vshlq_r_u16(vidupq_n_u16(0, 1), (int32_t)bits);
    __asm__ volatile(
        "dlstp.16 lr, %[n]\n\t"
        "1:\n\t"
        "vldrb.u16 q0, [%[at]]\n\t"
        "vadd.i16 q0, q0, %q[lanes]\n\t"
        "vldrb.u16 q1, [%[table], q0]\n\t"
        "add %[table], %[table], %[step]\n\t"
        "vstrb.16 q1, [%[at]], #8\n\t"
        "letp lr, 1b\n\t"
        : [at] "+l"(codes), [table] "+r"(table)
        : [lanes] "w"(lanes), [step] "r"(8u << bits), [n] "r"(n)
        : "lr", "memory", "q0", "q1");
}

#endif
