/* Products to sums, for the Cortex-M3 and M4: four words, eight pixels at a time, or two. */
#include "kernels.h"
#include "wpk/arch.h"

#if WPK_THUMB2 || WPK_DSP

#include <stdbool.h>

enum { MAX_TAPS = 12 };

/* Some words of the sums of all filters. The loops have all registers in use and read this from
 * the stack. */
typedef struct {
    const uint32_t *products;
    const uint16_t *offsets;
    uint32_t *sums;
    const uint32_t *end;
    uint32_t sums_step;    /* bytes from filter to filter */
    uint32_t offsets_step; /* bytes from behind a filter's taps to the next filter's */
    uint32_t taps;         /* 1 to MAX_TAPS of each filter */
} chunk;

#define TWELVE(x) x x x x x x x x x x x x
#define ELEVEN(x) x x x x x x x x x x x

/* The halves of each word are added up by themselves. r0 to r7: sums of words and of their high
 * halves; r8: offsets; r9: products; lr: bytes of code before the first tap. */
#define SPLIT(name, registers, tap, tap_nbytes)             \
    static void name(chunk c) {                             \
        uint32_t entry;                                     \
        uint32_t skip = (MAX_TAPS - c.taps) * (tap_nbytes); \
        __asm__ volatile(                                   \
            "ldr r8, %[offsets]\n\t"                        \
            "ldr r9, %[products]\n\t"                       \
            "ldr r10, %[skip]\n\t"                          \
            "adr.w r11, 2f\n\t"                             \
            "add r10, r10, r11\n\t"                         \
            "orr r10, r10, #1\n\t"                          \
            "str r10, %[entry]\n\t"                         \
            "ldr r10, %[sums]\n\t"                          \
            "1:\n\t"                                        \
            "ldm r10, " registers                           \
            "\n\t"                                          \
            "ldr pc, %[entry]\n\t"                          \
            ".balign 4\n\t"                                 \
            "2:\n\t" TWELVE(tap) /* clang-format off */                                          \
            "ldr r10, %[sums]\n\t"                                                               \
            "ldr r11, %[sums_step]\n\t"                                                          \
            "ldr r12, %[end]\n\t"                                                                \
            "ldr lr, %[offsets_step]\n\t"                                                        \
            "stm r10, " registers "\n\t"                                                              \
            "add r10, r10, r11\n\t"                                                              \
            "str r10, %[sums]\n\t"                                                               \
            "add r8, r8, lr\n\t"                                                                 \
            "cmp r10, r12\n\t"                                                                   \
            "bne.w 1b\n\t"                                                                       \
            : [sums] "+m"(c.sums), [entry] "=m"(entry)                                           \
            : [offsets] "m"(c.offsets), [products] "m"(c.products), [skip] "m"(skip),            \
              [sums_step] "m"(c.sums_step), [end] "m"(c.end), [offsets_step] "m"(c.offsets_step) \
            : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12",   \
              "lr", "cc", "memory");                                                             \
    } /* clang-format on */

#define SPLIT_FOUR                       \
    "ldrh.w r10, [r8], #2\n\t"           \
    "add.w r10, r10, r9\n\t"             \
    "ldm.w r10, {r10, r11, r12, lr}\n\t" \
    "add.w r0, r0, r10\n\t"              \
    "add.w r1, r1, r10, lsr #16\n\t"     \
    "add.w r2, r2, r11\n\t"              \
    "add.w r3, r3, r11, lsr #16\n\t"     \
    "add.w r4, r4, r12\n\t"              \
    "add.w r5, r5, r12, lsr #16\n\t"     \
    "add.w r6, r6, lr\n\t"               \
    "add.w r7, r7, lr, lsr #16\n\t"
#define SPLIT_TWO                    \
    "ldrh.w r10, [r8], #2\n\t"       \
    "add.w r10, r10, r9\n\t"         \
    "ldrd r10, r11, [r10]\n\t"       \
    "add.w r0, r0, r10\n\t"          \
    "add.w r1, r1, r10, lsr #16\n\t" \
    "add.w r2, r2, r11\n\t"          \
    "add.w r3, r3, r11, lsr #16\n\t"

SPLIT(split_four, "{r0, r1, r2, r3, r4, r5, r6, r7}", SPLIT_FOUR, 44)
SPLIT(split_two, "{r0, r1, r2, r3}", SPLIT_TWO, 28)

/* The same for taps whose products do not overflow a half word when they are added up. r0 to r3:
 * their sums; r8: offsets; r9: products; r10: sums; r12: code of the first tap to add. */
#define PACKED(name, first, tap, tap_nbytes, flush, sums_nbytes)                                \
    static void name(chunk c) {                                                                 \
        uint32_t skip = (MAX_TAPS - c.taps) * (tap_nbytes), step = c.sums_step - (sums_nbytes); \
        __asm__ volatile(                                                                       \
            "ldr r8, %[offsets]\n\t"                                                            \
            "ldr r9, %[products]\n\t"                                                           \
            "ldr r10, %[skip]\n\t"                                                              \
            "adr.w r12, 2f\n\t"                                                                 \
            "add r12, r12, r10\n\t"                                                             \
            "orr r12, r12, #1\n\t"                                                              \
            "ldr r10, %[sums]\n\t"                                                              \
            "ldr r11, %[end]\n\t"                                                               \
            "1:\n\t"                                                                            \
            "ldrh r0, [r8], #2\n\t"                                                             \
            "ldr lr, %[offsets_step]\n\t"                                                       \
            "add r0, r0, r9\n\t" first                                                          \
            "bx r12\n\t"                                                                        \
            ".balign 4\n\t"                                                                     \
            "2:\n\t" ELEVEN(tap) flush /* clang-format off */                                    \
            "ldr r4, %[step]\n\t"                                                                \
            "add r8, r8, lr\n\t"                                                                 \
            "add r10, r10, r4\n\t"                                                               \
            "cmp r10, r11\n\t"                                                                   \
            "bne.w 1b\n\t"                                                                       \
            :                                                                                    \
            : [offsets] "m"(c.offsets), [products] "m"(c.products), [skip] "m"(skip),            \
              [sums] "m"(c.sums), [step] "m"(step), [end] "m"(c.end),                \
              [offsets_step] "m"(c.offsets_step)                                                 \
            : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12",   \
              "lr", "cc", "memory");                                                             \
    } /* clang-format on */

#define PACKED_FOUR                  \
    "ldrh.w r4, [r8], #2\n\t"        \
    "add.w r4, r4, r9\n\t"           \
    "ldm.w r4, {r4, r5, r6, r7}\n\t" \
    "add.w r0, r0, r4\n\t"           \
    "add.w r1, r1, r5\n\t"           \
    "add.w r2, r2, r6\n\t"           \
    "add.w r3, r3, r7\n\t"
#define PACKED_TWO            \
    "ldrh.w r4, [r8], #2\n\t" \
    "add.w r4, r4, r9\n\t"    \
    "ldrd r4, r5, [r4]\n\t"   \
    "add.w r0, r0, r4\n\t"    \
    "add.w r1, r1, r5\n\t"

/* Two words to the sums at r10. */
#define ADD_TWO(a, b)               \
    "ldm r10, {r4, r5, r6, r7}\n\t" \
    "add r4, r4, " a                \
    "\n\t"                          \
    "add r5, r5, " a                \
    ", lsr #16\n\t"                 \
    "add r6, r6, " b                \
    "\n\t"                          \
    "add r7, r7, " b                \
    ", lsr #16\n\t"                 \
    "stmia r10!, {r4, r5, r6, r7}\n\t"

PACKED(packed_four, "ldm r0, {r0, r1, r2, r3}\n\t", PACKED_FOUR, 28,
       ADD_TWO("r0", "r1") ADD_TWO("r2", "r3"), 32)
PACKED(packed_two, "ldrd r0, r1, [r0]\n\t", PACKED_TWO, 20, ADD_TWO("r0", "r1"), 16)

/* One word of products. */
static void add_words(chunk c) {
    const uint8_t *const base = (const uint8_t *)c.products;
    for (; c.sums != c.end; c.sums += c.sums_step / 4) {
        uint32_t all = c.sums[0], high = c.sums[1];
        for (uint32_t t = 0; t < c.taps; ++t) {
            const uint32_t word = *(const uint32_t *)(const void *)(base + *c.offsets++);
            all += word;
            high += word >> 16;
        }
        c.sums[0] = all;
        c.sums[1] = high;
        c.offsets += c.offsets_step / 2;
    }
}

void wpk_sv_accumulate(const uint32_t *products, const uint16_t *offsets, uint32_t filters,
                       uint32_t taps, uint32_t words, uint32_t headroom, uint32_t *sums) {
    /* A visit costs as much as two or three taps; a single one is fastest in a packed loop. */
    const bool split = headroom <= 2 && taps > 1;
    const uint32_t most = split || headroom > MAX_TAPS ? MAX_TAPS : headroom;
    const uint32_t visits = taps <= most ? 1 : (taps + most - 1) / most;
    chunk c = {.sums_step = 8 * words};
    for (uint32_t first = 0, visit = visits; visit > 0; --visit, first += c.taps) {
        c.taps = visit == 1 ? taps - first : (taps - first + visit - 1) / visit;
        c.offsets = offsets + first;
        c.offsets_step = 2 * (taps - c.taps);
        for (uint32_t i = 0, count; i < words; i += count) {
            c.products = products + i;
            c.sums = sums + 2 * i;
            c.end = c.sums + 2 * words * filters;
            count = words - i >= 4 ? 4 : words - i >= 2 ? 2 : 1;
            if (count == 4) {
                (split ? split_four : packed_four)(c);
            } else if (count == 2) {
                (split ? split_two : packed_two)(c);
            } else {
                add_words(c);
            }
        }
    }
}

#endif
