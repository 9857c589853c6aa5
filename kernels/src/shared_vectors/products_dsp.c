/* Products of activations with every shared vector by multiplication, for cores with DSP
 * instructions: two channels of a pixel in an instruction, with up to four bits those of two
 * pixels. */
#include "../base/bytes.h"
#include "kernels.h"
#include "pairs.h"

#if WPK_DSP

/* Pixels of up to NARROW_BITS bits lie in one half word, 2^APART apart: products have up to
 * NARROW_BITS + 8 bits. */
enum { NARROW_BITS = 4, APART = 12, LOW = 0x000f000f };

/* Channels 0 and 2, 1 and 3, 4 and 6, 5 and 7, as signed half words of one register each. */
static inline void widen(const void *from, uint32_t *to) {
    for (uint32_t i = 0; i < 2; ++i) {
        const uint32_t word = wpk_load_u32((const uint8_t *)from + 4 * i);
        __asm__("sxtb16 %0, %1" : "=r"(to[2 * i]) : "r"(word));
        __asm__("sxtb16 %0, %1, ror #8" : "=r"(to[2 * i + 1]) : "r"(word));
    }
}

/* A shared vector: what its sums start with, then the elements. The first of two narrow pixels
 * counts from its lowest level on. */
void wpk_sv_prepare(const wpk_shared_vectors *shared, uint32_t excess, uint32_t bits,
                    void *prepared) {
    uint32_t *to = prepared;
    const int8_t *v = shared->vectors;
    for (uint32_t s = 0; s < shared->size; ++s, v += WPK_SV_LANES, to += 5) {
        to[0] = excess;
        if (bits <= NARROW_BITS) {
            int32_t sum = 0;
            for (uint32_t j = 0; j < WPK_SV_LANES; ++j) {
                sum += v[j];
            }
            to[0] += (excess << APART) - (uint32_t)(sum * (1 << (NARROW_BITS - 1)));
        }
        widen(v, to + 1);
    }
}

static void pair_up(const uint8_t *vectors, uint32_t words, uint32_t *pairs) {
    for (uint32_t i = 0; i < 2 * words; ++i, vectors += WPK_SV_LANES, pairs += 4) {
        widen(vectors, pairs);
    }
}

static void pair_up_narrow(const uint8_t *vectors, uint32_t words, uint32_t *pairs) {
    for (uint32_t i = 0; i < words; ++i, vectors += 2 * WPK_SV_LANES) {
        for (uint32_t j = 0; j < WPK_SV_LANES; j += 4) {
            const uint32_t a = wpk_load_u32(vectors + j) ^ 0x08080808;
            const uint32_t b = wpk_load_u32(vectors + WPK_SV_LANES + j);
            *pairs++ = (a & LOW) | (b & LOW) << APART;
            *pairs++ = (a >> 8 & LOW) | (b >> 8 & LOW) << APART;
        }
    }
}

/* Bytes of code of a word, and of one of narrow pixels. */
enum { WORD_NBYTES = 48, NARROW_NBYTES = 32 };

/* r0: what sums start with; r1 to r4: a shared vector; r8: pairs; r9: products; lr: shared vectors.
 */
#define WORD                           \
    "ldm.w r8!, {r5, r6, r7, r10}\n\t" \
    "smlad r11, r5, r1, r0\n\t"        \
    "smlad r11, r6, r2, r11\n\t"       \
    "smlad r11, r7, r3, r11\n\t"       \
    "smlad r11, r10, r4, r11\n\t"      \
    "ldm.w r8!, {r5, r6, r7, r10}\n\t" \
    "smlad r12, r5, r1, r0\n\t"        \
    "smlad r12, r6, r2, r12\n\t"       \
    "smlad r12, r7, r3, r12\n\t"       \
    "smlad r12, r10, r4, r12\n\t"      \
    "pkhbt r11, r11, r12, lsl #16\n\t" \
    "str.w r11, [r9], #4\n\t"

/* r11: 2^16 − 2^APART. */
#define NARROW_WORD                    \
    "ldm.w r8!, {r5, r6, r7, r10}\n\t" \
    "smlad r5, r5, r1, r0\n\t"         \
    "smlad r5, r6, r2, r5\n\t"         \
    "smlad r5, r7, r3, r5\n\t"         \
    "smlad r5, r10, r4, r5\n\t"        \
    "lsr.w r12, r5, #12\n\t"           \
    "mla r5, r12, r11, r5\n\t"         \
    "str.w r5, [r9], #4\n\t"

/* At most WPK_SV_PAIRS words of products of each vector. */
#define MULTIPLY(name, word)                                                                       \
    static void name(const uint32_t *prepared, const uint32_t *pairs, wpk_sv_pairs_loop loop) {    \
        uint32_t entry;                                                                            \
        __asm__ volatile(                                                                        \
            "ldr r9, %[products]\n\t"                                                            \
            "ldr lr, %[prepared]\n\t"                                                            \
            "ldr r10, %[skip]\n\t"                                                               \
            "adr.w r11, 2f\n\t"                                                                  \
            "add r10, r10, r11\n\t"                                                              \
            "orr r10, r10, #1\n\t"                                                               \
            "str r10, %[entry]\n\t"                                                              \
            "movw r11, #0xf000\n\t"                                                              \
            "1:\n\t"                                                                             \
            "ldr r8, %[pairs]\n\t"                                                               \
            "ldm lr!, {r0, r1, r2, r3, r4}\n\t"                                                  \
            "ldr pc, %[entry]\n\t"                                                               \
            ".balign 4\n\t"                                                                      \
            "2:\n\t" WPK_SV_EACH_PAIR(word)                                                    \
            "ldr r10, %[step]\n\t"                                                               \
            "ldr r12, %[end]\n\t"                                                                \
            "add r9, r9, r10\n\t"                                                                \
            "cmp r9, r12\n\t"                                                                    \
            "bne.w 1b\n\t"                                                                       \
            : [entry] "=m"(entry)                                                                \
            : [products] "m"(loop.products), [prepared] "m"(prepared), [skip] "m"(loop.skip),    \
              [pairs] "m"(pairs), [step] "m"(loop.step), [end] "m"(loop.end)                     \
            : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12",   \
              "lr", "cc", "memory"); \
    }

MULTIPLY(multiply, WORD)
MULTIPLY(multiply_narrow, NARROW_WORD)

void wpk_sv_products_mac(const wpk_shared_vectors *shared, const void *prepared, uint32_t excess,
                         uint32_t bits, const uint8_t *vectors, uint32_t words, uint32_t *products,
                         uint32_t pitch) {
    (void)excess;
    uint32_t pairs[WPK_SV_PAIRS * WPK_SV_LANES];
    for (uint32_t calls = (words + WPK_SV_PAIRS - 1) / WPK_SV_PAIRS; calls > 0; --calls) {
        const uint32_t count = (words + calls - 1) / calls;
        if (bits <= NARROW_BITS) {
            pair_up_narrow(vectors, count, pairs);
            multiply_narrow(prepared, pairs,
                            wpk_sv_pairs_loop_of(shared, products, pitch, count, NARROW_NBYTES));
        } else {
            pair_up(vectors, count, pairs);
            multiply(prepared, pairs,
                     wpk_sv_pairs_loop_of(shared, products, pitch, count, WORD_NBYTES));
        }
        words -= count;
        products += count;
        vectors += 2 * WPK_SV_LANES * count;
    }
}

#endif
