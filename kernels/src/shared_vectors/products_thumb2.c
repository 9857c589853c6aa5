/* Products of activations with every shared vector by multiplication, for the Cortex-M3: one
 * multiply-accumulate for two pixels. */
#include "kernels.h"
#include "pairs.h"

#if WPK_THUMB2

/* The elements of a shared vector as words. */
void wpk_sv_prepare(const wpk_shared_vectors *shared, uint32_t excess, uint32_t bits,
                    void *prepared) {
    (void)excess, (void)bits;
    uint32_t *const to = prepared;
    for (uint32_t i = 0; i < shared->size * WPK_SV_LANES; ++i) {
        to[i] = (uint32_t)shared->vectors[i];
    }
}

/* Two pixels: what their sums start with, then their levels, 2^16 apart. */
enum { PAIR_WORDS = 1 + WPK_SV_LANES };

static void pair_up(const uint8_t *vectors, uint32_t start, uint32_t words, uint32_t *pairs) {
    const int8_t *x = (const int8_t *)vectors;
    for (; words > 0; --words, x += WPK_SV_LANES) {
        *pairs++ = start;
#pragma GCC unroll 8
        for (uint32_t j = 0; j < WPK_SV_LANES; ++j, ++x) {
            *pairs++ = (uint32_t)x[0] + ((uint32_t)x[WPK_SV_LANES] << 16);
        }
    }
}

/* Bytes of code of a word. */
enum { WORD_NBYTES = 48 };

/* r0 to r7: a shared vector; r8: pairs; r9: products. */
#define WORD                             \
    "ldm.w r8!, {r10, r11, r12, lr}\n\t" \
    "mla r10, r0, r11, r10\n\t"          \
    "mla r10, r1, r12, r10\n\t"          \
    "mla r10, r2, lr, r10\n\t"           \
    "ldm.w r8!, {r11, r12, lr}\n\t"      \
    "mla r10, r3, r11, r10\n\t"          \
    "mla r10, r4, r12, r10\n\t"          \
    "mla r10, r5, lr, r10\n\t"           \
    "ldrd r11, r12, [r8], #8\n\t"        \
    "mla r10, r6, r11, r10\n\t"          \
    "mla r10, r7, r12, r10\n\t"          \
    "str.w r10, [r9], #4\n\t"

/* At most WPK_SV_PAIRS words of products of each vector. */
static void multiply(const uint32_t *prepared, const uint32_t *pairs, wpk_sv_pairs_loop loop) {
    uint32_t entry;
    __asm__ volatile(
        "ldr r9, %[products]\n\t"
        "ldr r10, %[skip]\n\t"
        "adr.w r11, 2f\n\t"
        "add r10, r10, r11\n\t"
        "orr r10, r10, #1\n\t"
        "str r10, %[entry]\n\t"
        "1:\n\t"
        "ldr r10, %[prepared]\n\t"
        "ldr r8, %[pairs]\n\t"
        "ldm r10!, {r0, r1, r2, r3, r4, r5, r6, r7}\n\t"
        "str r10, %[prepared]\n\t"
        "ldr pc, %[entry]\n\t"
        ".balign 4\n\t"
        "2:\n\t" WPK_SV_EACH_PAIR(WORD)
        "ldr r10, %[step]\n\t"
        "ldr r11, %[end]\n\t"
        "add r9, r9, r10\n\t"
        "cmp r9, r11\n\t"
        "bne.w 1b\n\t"
        : [prepared] "+m"(prepared), [entry] "=m"(entry)
        : [products] "m"(loop.products), [skip] "m"(loop.skip), [pairs] "m"(pairs),
          [step] "m"(loop.step), [end] "m"(loop.end)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr",
          "cc", "memory");
}

void wpk_sv_products_mac(const wpk_shared_vectors *shared, const void *prepared, uint32_t excess,
                         uint32_t bits, const uint8_t *vectors, uint32_t words, uint32_t *products,
                         uint32_t pitch) {
    (void)bits;
    uint32_t pairs[WPK_SV_PAIRS * PAIR_WORDS];
    for (uint32_t calls = (words + WPK_SV_PAIRS - 1) / WPK_SV_PAIRS; calls > 0; --calls) {
        const uint32_t count = (words + calls - 1) / calls;
        pair_up(vectors, excess * 0x10001u, count, pairs);
        multiply(prepared, pairs,
                 wpk_sv_pairs_loop_of(shared, products, pitch, count, WORD_NBYTES));
        words -= count;
        products += count;
        vectors += 2 * WPK_SV_LANES * count;
    }
}

#endif
