/* The inner loops of the Helium 3 × 3 depthwise convolution (depthwise_3x3_mve.c says how the data
 * lie). Private. */
#ifndef WPK_SRC_DEPTHWISE_3X3_MVE_H_
#define WPK_SRC_DEPTHWISE_3X3_MVE_H_

#include <arm_mve.h>
#include <stddef.h>

#include "depthwise.h"
#include "depthwise_plan.h"

/* Tiles of the same kind in a band: so many in each of so many strips. */
typedef struct {
    int32_t tiles, strips; /* nothing to do if one is 0 */
    int32_t next;       /* bytes of scratch from behind a strip's last tile to the next's first */
    int32_t y_next;     /* the same in y */
    int32_t from, y;    /* bytes of scratch and of y before the first tile */
    mve_pred16_t lanes; /* that are stored */
} group;

enum { MAX_GROUPS = 4 };

/* How the channels of a band are computed. */
typedef struct {
    group groups[MAX_GROUPS];
    int32_t count;
    int32_t step;       /* bytes of y from tile to tile */
    uint32_t places[4]; /* of a tile's outputs from its first */
} plan;

/* Lanes of a tile of 2 × 2 outputs, row by row, 4 bits each. */
enum { ALL_LANES = 0xffff, UPPER_LANES = 0x00ff, LEFT_LANES = 0x0f0f };

/* Bytes of scratch from tile to tile. */
enum { GATHER_NBYTES = 2 * WPK_DW_COLUMN_NBYTES };
_Static_assert(GATHER_NBYTES == 128, "the tiles' loads advance by this");

/* The assembler finds these by their offsets. */
_Static_assert(offsetof(group, tiles) == 0 && offsetof(group, next) == 8 &&
                   offsetof(group, y_next) == 12 && offsetof(group, lanes) == 24,
               "layout of a group of tiles");

/* Requantisation of a channel. `clamp`: lanes of the lower, then of the upper bound; may be NULL
 * where the bounds are those of int8 and the shift is to the right, that is negative. */
typedef struct {
    int32_t bias, multiplier, shift, zero_point;
    const int32_t *clamp;
} channel;

/* Four accumulators in acc to outputs in the lanes of x. The sign of the accumulator serves for
 * that of the product (element.h). */
#define RESCALE                                \
    "vadd.i32 %q[acc], %q[acc], %[bias]\n\t"   \
    "vshr.s32 %q[x], %q[acc], #31\n\t"         \
    "vqrdmlah.s32 %q[x], %q[acc], %[mult]\n\t" \
    "vrshl.s32 %q[x], %[shift]\n\t"            \
    "vadd.i32 %q[x], %q[x], %[zero]\n\t"
/* The same for a shift that is not to the right: only the product is rounded, and with its own
 * sign. */
#define RESCALE_LEFT                           \
    "vadd.i32 %q[acc], %q[acc], %[bias]\n\t"   \
    "vshl.s32 %q[acc], %[shift]\n\t"           \
    "vqrdmulh.s32 %q[x], %q[acc], %[mult]\n\t" \
    "vadd.i32 %q[x], %q[x], %[zero]\n\t"
#define SATURATE                   \
    "vqmovnb.s32 %q[x], %q[x]\n\t" \
    "vqmovnb.s16 %q[x], %q[x]\n\t"
#define CLAMP                                \
    "vldrw.u32 %q[acc], [%[clamp]]\n\t"      \
    "vmax.s32 %q[x], %q[x], %q[acc]\n\t"     \
    "vldrw.u32 %q[acc], [%[clamp], #16]\n\t" \
    "vmin.s32 %q[x], %q[x], %q[acc]\n\t"
#define SATURATE_OPERAND
#define CLAMP_OPERAND , [clamp] "r"(k->clamp)
#define PREDICATE "ldrh r0, [%[g], #24]\n\tvmsr p0, r0\n"
#define NEXT_STRIP                        \
    "ldrd r0, r2, [%[g], #8]\n\t"         \
    "vadd.i32 %q[from], %q[from], r0\n\t" \
    "add %[y], %[y], r2\n\t"              \
    "subs %[strips], %[strips], #1\n\t"   \
    "bne 2b"
#define STORE_ALL "vstrb.32 %q[x], [%[y], %q[places]]\n\t"
#define STORE_SOME "vpst\n\tvstrbt.32 %q[x], [%[y], %q[places]]\n\t"

/* Tiles of 2 × 2 outputs at stride 1: what is gathered once is multiplied with four arrangements of
 * the weights. */
#define TILES1(rescale, bound, store)                                                              \
    __asm__ volatile(                                                                              \
        PREDICATE                                                                                  \
        "2: ldr lr, [%[g]]\n\tdls lr, lr\n"                                                        \
        "1:\n\t"                                                                                   \
        "vldrw.u32 %q[x], [%q[from], #128]!\n\t"                                                   \
        "vmladav.s8 r0, %q[x], %q[w0]\n\t"                                                         \
        "vmladav.s8 r2, %q[x], %q[w2]\n\t"                                                         \
        "vmov %q[acc][2], %q[acc][0], r0, r2\n\t"                                                  \
        "vmladav.s8 r0, %q[x], %q[w1]\n\t"                                                         \
        "vmladav.s8 r2, %q[x], %q[w3]\n\t"                                                         \
        "vmov %q[acc][3], %q[acc][1], r0, r2\n\t" rescale bound store                              \
        "add %[y], %[y], %[step]\n\t"                                                              \
        "le lr, 1b\n\t" NEXT_STRIP                                                                 \
        : [from] "+&w"(from), [y] "+&r"(y), [strips] "+&r"(strips), [x] "=&w"(x), [acc] "=&w"(acc) \
        : [g] "r"(g), [w0] "w"(w0), [w1] "w"(w1), [w2] "w"(w2), [w3] "w"(w3),                      \
          [places] "w"(places), [step] "r"(step), [bias] "r"(bias), [mult] "r"(multiplier),        \
          [shift] "r"(shift), [zero] "r"(zero_point)bound##_OPERAND                                \
        : "r0", "r2", "lr", "cc", "p0", "memory")

/* Four outputs of a row at stride 2, each from a vector of its own; the second and the third change
 * lanes. */
#define TILES2(rescale, bound, store)                                                              \
    __asm__ volatile(                                                                              \
        PREDICATE                                                                                  \
        "2: ldr lr, [%[g]]\n\tdls lr, lr\n"                                                        \
        "1:\n\t"                                                                                   \
        "vldrw.u32 %q[x], [%q[from], #128]!\n\t"                                                   \
        "vmladav.s8 r0, %q[x], %q[w0]\n\t"                                                         \
        "vldrw.u32 %q[x], [%q[from], #128]!\n\t"                                                   \
        "vmladav.s8 r2, %q[x], %q[w0]\n\t"                                                         \
        "vmov %q[acc][2], %q[acc][0], r0, r2\n\t"                                                  \
        "vldrw.u32 %q[x], [%q[from], #128]!\n\t"                                                   \
        "vmladav.s8 r0, %q[x], %q[w0]\n\t"                                                         \
        "vldrw.u32 %q[x], [%q[from], #128]!\n\t"                                                   \
        "vmladav.s8 r2, %q[x], %q[w0]\n\t"                                                         \
        "vmov %q[acc][3], %q[acc][1], r0, r2\n\t" rescale bound store                              \
        "add %[y], %[y], %[step]\n\t"                                                              \
        "le lr, 1b\n\t" NEXT_STRIP                                                                 \
        : [from] "+&w"(from), [y] "+&r"(y), [strips] "+&r"(strips), [x] "=&w"(x), [acc] "=&w"(acc) \
        : [g] "r"(g), [w0] "w"(w0), [places] "w"(places), [step] "r"(step), [bias] "r"(bias),      \
          [mult] "r"(multiplier), [shift] "r"(shift), [zero] "r"(zero_point)bound##_OPERAND        \
        : "r0", "r2", "lr", "cc", "p0", "memory")

static inline uint32x4_t every_column(void) {
    return vmulq_n_u32(vidupq_n_u32(0, 1), WPK_DW_COLUMN_NBYTES);
}

/* The weights of a channel in the interleaved layout, from a column on. */
static inline int32x4_t gather(const int8_t *weights, int32_t column) {
    const int32_t *const from =
        (const int32_t *)(const void *)(weights + column * WPK_DW_COLUMN_NBYTES);
    return vldrwq_gather_offset_s32(from, every_column());
}

/* The outputs of one channel in a band at stride 1. */
WPK_NOINLINE void run1(const plan *p, const channel *k, const int8_t *weights, const int8_t *band,
                       int8_t *to) {
    const int32x4_t base = gather(weights, 1), right = gather(weights, 0);
    const int32x4_t w0 = base, w1 = right, w2 = vshlq_n_s32(base, 8), w3 = vshlq_n_s32(right, 8);
    const int32_t bias = k->bias, multiplier = k->multiplier, shift = k->shift;
    const int32_t zero_point = k->zero_point, step = p->step;
    const uint32x4_t columns = vaddq_n_u32(every_column(), (uint32_t)(uintptr_t)band);
    const uint32x4_t places = vldrwq_u32(p->places);
    for (const group *g = p->groups; g < p->groups + p->count; ++g) {
        uint32x4_t from = vaddq_n_u32(columns, (uint32_t)g->from);
        int8_t *y = to + g->y;
        int32_t strips = g->strips;
        int32x4_t x, acc;
        if (k->clamp != NULL && shift >= 0) {
            TILES1(RESCALE_LEFT, CLAMP, STORE_SOME);
        } else if (k->clamp != NULL) {
            TILES1(RESCALE, CLAMP, STORE_SOME);
        } else if (g->lanes != ALL_LANES) {
            TILES1(RESCALE, SATURATE, STORE_SOME);
        } else {
            TILES1(RESCALE, SATURATE, STORE_ALL);
        }
    }
}

/* The same at stride 2. */
WPK_NOINLINE void run2(const plan *p, const channel *k, const int8_t *weights, const int8_t *band,
                       int8_t *to) {
    const int32x4_t w0 = gather(weights, 1);
    const int32_t bias = k->bias, multiplier = k->multiplier, shift = k->shift;
    const int32_t zero_point = k->zero_point, step = p->step;
    const uint32x4_t columns = vaddq_n_u32(every_column(), (uint32_t)(uintptr_t)band);
    const uint32x4_t places = vldrwq_u32(p->places);
    for (const group *g = p->groups; g < p->groups + p->count; ++g) {
        uint32x4_t from = vaddq_n_u32(columns, (uint32_t)g->from);
        int8_t *y = to + g->y;
        int32_t strips = g->strips;
        int32x4_t x, acc;
        if (k->clamp != NULL && shift >= 0) {
            TILES2(RESCALE_LEFT, CLAMP, STORE_SOME);
        } else if (k->clamp != NULL) {
            TILES2(RESCALE, CLAMP, STORE_SOME);
        } else {
            TILES2(RESCALE, SATURATE, STORE_SOME);
        }
    }
}

#endif /* WPK_SRC_DEPTHWISE_3X3_MVE_H_ */
