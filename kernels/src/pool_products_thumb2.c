/* Products of activations with every vector of a pool by multiplication, for the Cortex-M3 and M4:
 * one multiply-accumulate for two pixels. */
#include "pool_kernels.h"
#include "wpk/arch.h"

#if WPK_THUMB2 || WPK_DSP

/* Pool vectors as the loop reads them: what the sum starts with, then the elements, in words. */
enum { PREPARED_WORDS = 1 + WPK_POOL_LANES };

void wpk_pool_prepare(const wpk_pool *pool, uint32_t excess, void *prepared) {
    uint32_t *to = prepared;
    const int8_t *from = pool->vectors;
    for (uint32_t s = 0; s < pool->size; ++s) {
        *to++ = excess * 0x10001u;
        for (uint32_t j = 0; j < WPK_POOL_LANES; ++j) {
            *to++ = (uint32_t)*from++;
        }
    }
}

/* r0 to r7: pairs of activations; r8: prepared vectors; r9: products. */
#define PRODUCT                        \
    "ldm r8!, {r10, r11, r12, lr}\n\t" \
    "mla r10, r0, r11, r10\n\t"        \
    "mla r10, r1, r12, r10\n\t"        \
    "mla r10, r2, lr, r10\n\t"         \
    "ldm r8!, {r11, r12, lr}\n\t"      \
    "mla r10, r3, r11, r10\n\t"        \
    "mla r10, r4, r12, r10\n\t"        \
    "mla r10, r5, lr, r10\n\t"         \
    "ldrd r11, r12, [r8], #8\n\t"      \
    "ldr lr, %[step]\n\t"              \
    "mla r10, r6, r11, r10\n\t"        \
    "mla r10, r7, r12, r10\n\t"        \
    "str r10, [r9]\n\t"                \
    "add r9, r9, lr\n\t"

/* Products of a pair of pixels with the vectors from `from` to `fours`, four at a time, and on to
 * `end`. */
static void multiply(const uint32_t *pairs, const uint32_t *from, const uint32_t *fours,
                     const uint32_t *end, uint32_t *to, uint32_t step) {
    __asm__ volatile(
        "ldr r8, %[from]\n\t"
        "ldr r9, %[to]\n\t"
        "ldr r10, %[pairs]\n\t"
        "ldm r10, {r0, r1, r2, r3, r4, r5, r6, r7}\n\t"
        "ldr r10, %[fours]\n\t"
        "cmp r8, r10\n\t"
        "beq.w 2f\n\t"
        "1:\n\t" PRODUCT PRODUCT PRODUCT PRODUCT
        "ldr r10, %[fours]\n\t"
        "cmp r8, r10\n\t"
        "bne.w 1b\n\t"
        "2:\n\t"
        "ldr r10, %[end]\n\t"
        "cmp r8, r10\n\t"
        "beq.w 4f\n\t"
        "3:\n\t" PRODUCT
        "ldr r10, %[end]\n\t"
        "cmp r8, r10\n\t"
        "bne.w 3b\n\t"
        "4:\n\t"
        :
        : [pairs] "m"(pairs), [from] "m"(from), [fours] "m"(fours), [end] "m"(end), [to] "m"(to),
          [step] "m"(step)
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr",
          "cc", "memory");
}

void wpk_pool_products_mac(const wpk_pool *pool, const void *prepared, uint32_t excess,
                           const uint8_t *vectors, uint32_t words, uint32_t *products,
                           uint32_t pitch) {
    (void)excess;
    const uint32_t *const from = prepared;
    const uint32_t *const fours = from + (pool->size & ~3u) * PREPARED_WORDS;
    const uint32_t *const end = from + pool->size * PREPARED_WORDS;
    const int8_t *x = (const int8_t *)vectors;
    for (uint32_t i = 0; i < words; ++i, x += 2 * WPK_POOL_LANES) {
        uint32_t pairs[WPK_POOL_LANES];
        for (uint32_t j = 0; j < WPK_POOL_LANES; ++j) {
            pairs[j] = (uint32_t)x[j] + ((uint32_t)x[j + WPK_POOL_LANES] << 16);
        }
        multiply(pairs, from, fours, end, products + i, 4 * pitch);
    }
}

#endif
