/* Products to sums, for the Cortex-M3 and M4: four words, eight pixels at a time. */
#include "pool_kernels.h"
#include "wpk/arch.h"

#if WPK_THUMB2 || WPK_DSP

#include <stdbool.h>

enum { WORDS = 4, CHUNK_NBYTES = 2 * 4 * WORDS, MAX_TAPS = 9 };

/* Four words of the sums of all filters. The loops have all registers in use and read this from
 * the stack. */
typedef struct {
    uint32_t *sums;
    const uint32_t *end;
    uint32_t sums_step;    /* bytes from filter to filter; add_packed: from behind the four words */
    uint32_t offsets_step; /* bytes from behind a filter's taps to the next filter's */
    uint32_t skip;         /* bytes of code before the first tap */
} chunk;

#define NINE(x) x x x x x x x x x
#define EIGHT(x) x x x x x x x x

/* Every tap has the same number of bytes of code: TAP_NBYTES. */
enum { SPLIT_TAP_NBYTES = 44, PACKED_TAP_NBYTES = 28 };

/* r0 to r7: sums of words and of their high halves; r8: offsets; r9: products. */
#define SPLIT_TAP                        \
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

/* 1 to MAX_TAPS taps of each filter, the halves of each word added up by themselves. */
static void add_split(const uint32_t *products, const uint16_t *offsets, chunk c) {
    uint32_t entry;
    __asm__ volatile(
        "ldr r8, %[offsets]\n\t"
        "ldr r9, %[products]\n\t"
        "ldr r10, %[skip]\n\t"
        "adr.w r11, 2f\n\t"
        "add r10, r10, r11\n\t"
        "orr r10, r10, #1\n\t"
        "str r10, %[entry]\n\t"
        "1:\n\t"
        "ldr r10, %[sums]\n\t"
        "ldr r11, %[entry]\n\t"
        "ldm r10, {r0, r1, r2, r3, r4, r5, r6, r7}\n\t"
        "bx r11\n\t"
        "2:\n\t" NINE(SPLIT_TAP)
        "ldr r10, %[sums]\n\t"
        "ldr r11, %[sums_step]\n\t"
        "ldr r12, %[end]\n\t"
        "ldr lr, %[offsets_step]\n\t"
        "stm r10, {r0, r1, r2, r3, r4, r5, r6, r7}\n\t"
        "add r10, r10, r11\n\t"
        "str r10, %[sums]\n\t"
        "add r8, r8, lr\n\t"
        "cmp r10, r12\n\t"
        "bne.w 1b\n\t"
        : [sums] "+m"(c.sums), [entry] "=m"(entry)
        : [offsets] "m"(offsets), [products] "m"(products), [skip] "m"(c.skip),
          [sums_step] "m"(c.sums_step), [end] "m"(c.end), [offsets_step] "m"(c.offsets_step)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr",
          "cc", "memory");
}

/* r0 to r3: sums; r8: offsets; r9: products. */
#define PACKED_TAP                   \
    "ldrh.w r4, [r8], #2\n\t"        \
    "add.w r4, r4, r9\n\t"           \
    "ldm.w r4, {r4, r5, r6, r7}\n\t" \
    "add.w r0, r0, r4\n\t"           \
    "add.w r1, r1, r5\n\t"           \
    "add.w r2, r2, r6\n\t"           \
    "add.w r3, r3, r7\n\t"

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

/* The same for taps whose products do not overflow a half word when they are added up. */
static void add_packed(const uint32_t *products, const uint16_t *offsets, chunk c) {
    __asm__ volatile(
        "ldr r8, %[offsets]\n\t"
        "ldr r9, %[products]\n\t"
        "ldr r10, %[skip]\n\t"
        "adr.w r12, 2f\n\t"
        "add r12, r12, r10\n\t"
        "orr r12, r12, #1\n\t"
        "ldr r10, %[sums]\n\t"
        "ldr r11, %[end]\n\t"
        "1:\n\t"
        "ldrh r0, [r8], #2\n\t"
        "ldr lr, %[offsets_step]\n\t"
        "add r0, r0, r9\n\t"
        "ldm r0, {r0, r1, r2, r3}\n\t"
        "bx r12\n\t"
        "2:\n\t" EIGHT(PACKED_TAP) ADD_TWO("r0", "r1") ADD_TWO("r2", "r3")
        "ldr r4, %[sums_step]\n\t"
        "add r8, r8, lr\n\t"
        "add r10, r10, r4\n\t"
        "cmp r10, r11\n\t"
        "bne.w 1b\n\t"
        :
        : [offsets] "m"(offsets), [products] "m"(products), [skip] "m"(c.skip),
          [sums] "m"(c.sums), [sums_step] "m"(c.sums_step), [end] "m"(c.end),
          [offsets_step] "m"(c.offsets_step)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr",
          "cc", "memory");
}

/* Words that are left over by chunks. */
static void add_words(const uint32_t *products, const uint16_t *offsets, uint32_t taps,
                      uint32_t words, const chunk *c) {
    const uint8_t *const base = (const uint8_t *)products;
    for (uint32_t *sums = c->sums; sums != c->end; sums += c->sums_step / 4) {
        for (uint32_t i = 0; i < words; ++i) {
            uint32_t all = sums[2 * i], high = sums[2 * i + 1];
            for (uint32_t t = 0; t < taps; ++t) {
                const uint32_t word = *(const uint32_t *)(const void *)(base + offsets[t] + 4 * i);
                all += word;
                high += word >> 16;
            }
            sums[2 * i] = all;
            sums[2 * i + 1] = high;
        }
        offsets += taps + c->offsets_step / 2;
    }
}

void wpk_pool_accumulate(const uint32_t *products, const uint16_t *offsets, uint32_t filters,
                         uint32_t taps, uint32_t words, uint32_t headroom, uint32_t *sums) {
    const uint32_t step = 8 * words;
    /* A visit costs as much as two or three taps; a single one is fastest in add_packed. */
    const uint32_t most = headroom < MAX_TAPS ? headroom : MAX_TAPS;
    const bool split = most <= 2 && taps > 1;
    const uint32_t visits = (taps + (split ? MAX_TAPS : most) - 1) / (split ? MAX_TAPS : most);
    for (uint32_t first = 0, visit = visits; visit > 0; --visit) {
        const uint32_t count = (taps - first + visit - 1) / visit;
        chunk c = {sums, sums + 2 * words * filters, step, 2 * (taps - count),
                   (MAX_TAPS - count) * (split ? SPLIT_TAP_NBYTES : PACKED_TAP_NBYTES)};
        const uint32_t *from = products;
        for (uint32_t left = words; left > 0;) {
            if (left < WORDS) {
                add_words(from, offsets + first, count, left, &c);
                break;
            }
            if (split) {
                add_split(from, offsets + first, c);
            } else {
                chunk packed = c;
                packed.sums_step -= CHUNK_NBYTES;
                add_packed(from, offsets + first, packed);
            }
            left -= WORDS;
            from += WORDS;
            c.sums += 2 * WORDS;
            c.end += 2 * WORDS;
        }
        first += count;
    }
}

#endif
