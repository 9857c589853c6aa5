/* Products of activations of up to four bits with every shared vector through a look-up table
 * of 8 bits, for the Cortex-M3 and M4: four entries of a plane at a time. */
#include "kernels.h"
#include "wpk/arch.h"

#if WPK_THUMB2 || WPK_DSP

/* Pairs of pixels of a run. */
enum { RUN_WORDS = 8 };

/* A run of pairs of pixels. The loops have all registers in use and read this from the stack. */
typedef struct {
    const uint8_t *const *planes; /* of each pixel, from the sign plane down: rows of the table */
    const uint8_t *const *end;
    uint32_t *products;
    uint32_t pitch; /* in bytes */
    uint32_t step;  /* bytes from behind the products of four shared vectors to those of the next */
    uint32_t row_nbytes;
} run;

/* Of a plane, four entries, 8 bits apart, added to twice those of the planes above: of all bytes to
 * SUM, modulo 2^32, of odd ones to ODD. In the sign plane they count negatively: as 255 − entry.
 * r0: planes; r4: which entries; r5: 0x00ff00ff. */
#define SIGN(plane, sum, odd) \
    "ldr " plane ", [" plane  \
    ", r4]\n\t"               \
    "mvn " sum ", " plane     \
    "\n\t"                    \
    "bic " odd ", r5, " plane ", lsr #8\n\t"
#define PLANE(plane, sum, odd)     \
    "ldr " plane ", [" plane       \
    ", r4]\n\t"                    \
    "add " sum ", " plane ", " sum \
    ", lsl #1\n\t"                 \
    "and " plane ", r5, " plane    \
    ", lsr #8\n\t"                 \
    "add " odd ", " plane ", " odd ", lsl #1\n\t"

/* Planes of a pixel to sums of even and of odd entries. */
#define PIXEL_1(sum, odd) "ldr r6, [r0], #4\n\t" SIGN("r6", sum, odd)
#define PIXEL_2(sum, odd) "ldrd r6, r7, [r0], #8\n\t" SIGN("r6", sum, odd) PLANE("r7", sum, odd)
#define PIXEL_3(sum, odd) \
    "ldm r0!, {r6, r7, r8}\n\t" SIGN("r6", sum, odd) PLANE("r7", sum, odd) PLANE("r8", sum, odd)
#define PIXEL_4(sum, odd)                                                      \
    "ldm r0!, {r6, r7, r8, r9}\n\t" SIGN("r6", sum, odd) PLANE("r7", sum, odd) \
        PLANE("r8", sum, odd) PLANE("r9", sum, odd)
#define EVEN(sum, odd) "sub " sum ", " sum ", " odd ", lsl #8\n\t"

/* Half words of two pixels, a.b of one and c.d of the other, to words b.d in `low` and a.c in
 * `high`. */
#if WPK_DSP
#define TRANSPOSE(low, high)   \
    "pkhbt r6, " low ", " high \
    ", lsl #16\n\t"            \
    "pkhtb " high ", " high ", " low ", asr #16\n\t"
#define LOW(low) "r6"
#else
#define TRANSPOSE(low, high) \
    "lsr r6, " low           \
    ", #16\n\t"              \
    "bfi " low ", " high     \
    ", #16, #16\n\t"         \
    "bfi " high ", r6, #0, #16\n\t"
#define LOW(low) low
#endif

/* r1: products; r2: pitch; r3: end of the planes; r10 and r11, r12 and lr: sums of the two pixels.
 */
#define LOOK_UP(name, pixel)                                                                    \
    static void name(run r) {                                                                   \
        __asm__ volatile(                                                                     \
            "mov r4, #0\n\t"                                                                  \
            "mov r5, #0x00ff00ff\n\t"                                                         \
            "ldr r1, %[products]\n\t"                                                         \
            "ldr r2, %[pitch]\n\t"                                                            \
            "ldr r3, %[end]\n\t"                                                              \
            "1:\n\t"                                                                          \
            "ldr r0, %[planes]\n\t"                                                           \
            "2:\n\t" pixel("r10", "r11") EVEN("r10", "r11") pixel("r12", "lr")                \
                EVEN("r12", "lr") TRANSPOSE("r10", "r12")                                     \
            "str " LOW("r10") ", [r1]\n\t" TRANSPOSE("r11", "lr")                             \
            "str " LOW("r11") ", [r1, r2]\n\t"                                                \
            "add r6, r1, r2, lsl #1\n\t"                                                      \
            "add r1, r1, #4\n\t"                                                              \
            "cmp r0, r3\n\t"                                                                  \
            "str r12, [r6]\n\t"                                                               \
            "str lr, [r6, r2]\n\t"                                                            \
            "bne.w 2b\n\t"                                                                    \
            "ldr r6, %[step]\n\t"                                                             \
            "ldr r7, %[row]\n\t"                                                          \
            "add r4, r4, #4\n\t"                                                              \
            "add r1, r1, r6\n\t"                                                              \
            "cmp r4, r7\n\t"                                                                  \
            "bne.w 1b\n\t"                                                                    \
            :                                                                                 \
            : [planes] "m"(r.planes), [end] "m"(r.end), [products] "m"(r.products),           \
              [pitch] "m"(r.pitch), [step] "m"(r.step), [row] "m"(r.row_nbytes)                \
            : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", \
              "lr", "cc", "memory"); \
    }

LOOK_UP(look_up_1, PIXEL_1)
LOOK_UP(look_up_2, PIXEL_2)
LOOK_UP(look_up_3, PIXEL_3)
LOOK_UP(look_up_4, PIXEL_4)

void wpk_sv_products_lut_8(const wpk_shared_vectors *shared, const uint8_t *lut, uint32_t bits,
                           const uint8_t *vectors, uint32_t words, uint32_t *products,
                           uint32_t pitch) {
    static void (*const loops[])(run) = {look_up_1, look_up_2, look_up_3, look_up_4};
    const uint8_t *planes[2 * RUN_WORDS * WPK_SV_LUT_8_BITS];
    for (uint32_t count; words > 0; words -= count, products += count) {
        count = words < RUN_WORDS ? words : RUN_WORDS;
        const uint8_t **to = planes;
        for (uint32_t i = 0; i < 2 * count; ++i, vectors += WPK_SV_LANES) {
            for (uint32_t b = bits; b-- > 0;) {
                *to++ = lut + vectors[b] * shared->pitch;
            }
        }
        loops[bits - 1](
            (run){planes, to, products, 4 * pitch, 4 * (4 * pitch - count), shared->pitch});
    }
}

#endif
