/* Lists of sparse rows for Helium. A tile of 8, 16 or 24 pixels is transposed, so that a column of
 * eight pixels is one vector; an element multiplies it by a scalar.
 *
 * Products of two elements add up in 16-bit lanes, which |w| + |w'| ≤ 255 cannot leave. The sum of
 * a row is kept twice: `low` is it modulo 2^16, `high` adds up its parts divided by 2^8 and
 * rounded. high · 2^8 is wrong by 2^7 for each pair at most, low says by how much. */
#include "tile.h"

#if WPK_MVE

#include <arm_mve.h>
#include <stddef.h>

#include "../base/rescale_mve.h"
#include "wpk/requant.h"

enum { LANES = WPK_TILE_LANES };

/* A row as a list. */
typedef struct {
    int32_t bias, multiplier;
    int32_t shift;
    uint16_t pairs; /* of entries, at least 1 */
    uint16_t fast;  /* a right shift, and sums that can be held in two halves */
    wpk_entry entry[];
} row_list;

_Static_assert(sizeof(row_list) == WPK_M55_LIST_HEAD_NBYTES, "what scratch is planned with");

/* MAX_SUM: `low` and `high` hold it. */
enum { MAX_SUM = (1 << 23) - (1 << 15), MAX_PRODUCT = 1 << 14 };

/* Columns to places in the tile, for windows in the order of a strip. */
static void reorder(wpk_entry *entry, uint32_t count, const uint16_t *place, uint32_t scale) {
    for (; count >= LANES; count -= LANES, entry += LANES) {
        uint16x8x2_t pairs = vld2q_u16((const uint16_t *)(const void *)entry);
        pairs.val[1] =
            vmulq_n_u16(vldrhq_gather_shifted_offset_u16(place, pairs.val[1]), (uint16_t)scale);
        vst2q_u16((uint16_t *)(void *)entry, pairs);
    }
    for (; count > 0; --count, ++entry) {
        entry->offset = (uint16_t)(place[entry->offset] * scale);
    }
}

/* No pair may hold −128 twice: the second one changes its place. False if that is impossible. */
static bool separate(wpk_entry *e, const wpk_entry *end) {
    for (; e != end; e += 2) {
        if (e[0].value == -128 && e[1].value == -128) {
            wpk_entry *other = e + 2;
            while (other != end && other->value == -128) {
                ++other;
            }
            if (other == end) {
                return false;
            }
            const wpk_entry moved = e[1];
            e[1] = *other;
            *other = moved;
        }
    }
    return true;
}

/* The same for all entries of a row. Such pairs are rare, and looked for four entries at a time: no
 * offset has the bits of −128. */
static bool separate_row(row_list *list) {
    wpk_entry *const end = list->entry + 2 * list->pairs;
    const wpk_entry *e = list->entry;
    uint32_t found = 0, equal;
    if (list->pairs > 1) {
        __asm__(
            "dls lr, %[n]\n\t"
            "1:\n\t"
            "vldrw.32 q0, [%[e]], #16\n\t"
            "vcmp.i16 eq, q0, %[extreme]\n\t"
            "vmrs %[equal], p0\n\t"
            "and %[equal], %[equal], %[equal], lsr #4\n\t"
            "orr %[found], %[found], %[equal]\n\t"
            "le lr, 1b\n\t"
            : [e] "+r"(e), [found] "+r"(found), [equal] "=&r"(equal)
            : [n] "r"(list->pairs / 2), [extreme] "r"(-128)
            : "lr", "memory", "p0", "q0");
    }
    return separate((found & 0x0101) != 0 ? list->entry : end - 2, end);
}

static int32_t bias_of(const wpk_requant *requant, uint32_t channel, const row_list *list) {
    uint32_t sum = 0;
    if (requant->input_offset != 0) {
        for (uint32_t i = 0; i < 2u * list->pairs; ++i) {
            sum += (uint32_t)(int32_t)list->entry[i].value;
        }
    }
    return (int32_t)((uint32_t)wpk_bias(requant, channel) -
                     sum * (uint32_t)(int32_t)requant->input_offset);
}

static void load(wpk_block *block, const wpk_weights *weights, wpk_cursor *cursor, void *lists,
                 uint32_t nbytes) {
    const wpk_requant *const requant = block->requant;
    const uint32_t scale = wpk_tile_vectors(weights->cols) * LANES;
    const int32_t max_bias = MAX_SUM - (int32_t)weights->cols * MAX_PRODUCT;
    uint8_t *at = lists;
    const uint8_t *const end = at + nbytes;
    uint32_t r = 0;
    for (; r < block->count && (uint32_t)(end - at) > wpk_list_nbytes(WPK_THIS_CORE, 0); ++r) {
        row_list *const list = (row_list *)(void *)at;
        const uint32_t channel = block->first + r;
        const uint32_t capacity =
            ((uint32_t)(end - at) - (uint32_t)wpk_list_nbytes(WPK_THIS_CORE, 0)) /
            sizeof(wpk_entry);
        uint32_t count =
            weights->codec->list(&weights->blob, cursor, channel, block->order == NULL ? scale : 1,
                                 list->entry, capacity);
        if (count == WPK_NO_ROOM) {
            break;
        }
        if (block->order != NULL) {
            reorder(list->entry, count, block->order, scale);
        }
        while (count == 0 || count % WPK_LIST_PAD != 0) {
            const wpk_entry nothing = {0};
            list->entry[count++] = nothing;
        }
        const uint32_t m = requant->multipliers == 1 ? 0 : channel;
        list->pairs = (uint16_t)(count / 2);
        list->bias = bias_of(requant, channel, list);
        list->multiplier = requant->multiplier[m];
        list->shift = requant->shift[m];
        list->fast = list->shift < 0 && list->bias < max_bias && list->bias > -max_bias &&
                     separate_row(list);
        at = (uint8_t *)(list->entry + count);
    }
    block->count = r;
    block->rows = lists;
}

/* What the fast path needs of a tile besides its pixels. */
typedef struct {
    int32_t zero_point, low, high;
    uint32_t step;      /* bytes in y from eight pixels to the next */
    uint32_t last;      /* pixels in the last vector */
    uint16_t offset[8]; /* bytes in y from the first of eight pixels */
} tile_shape;

/* One row times a tile. q0 to q2 are `low`, q3 to q5 `high` of its vectors. */
#define LOAD(from, at) "vldrb.s16 q6, [%[" from "], #" at "]\n\t"
#define NEXT "ldrd %[w0], %[w1], [%[entry]], #8\n\t"

/* Two elements times eight pixels; q6 comes with those of the first element. `next` stands where
 * the sum is waited for. */
#define STEP(low, high, at, next)                                                \
    "vmul.i16 q7, q6, %[w0]\n\t" LOAD("b", at) "vmla.s16 q7, q6, %[w1]\n\t" next \
                                               "vqrdmlah.s16 " high              \
                                               ", q7, %[unit]\n\t"               \
                                               "vadd.i16 " low ", " low ", q7\n\t"

/* low becomes outputs in 16-bit lanes, not yet clamped. VRSHL rounds halves up; one less makes that
 * away from zero for negative values. */
#define FINISH(low, high)            \
    "vmla.s16 " low ", " high        \
    ", %[b]\n\t"                     \
    "vshllb.s16 q6, " high           \
    ", #8\n\t"                       \
    "vshllt.s16 " high ", " high     \
    ", #8\n\t"                       \
    "vmovlb.s16 q7, " low            \
    "\n\t"                           \
    "vmovlt.s16 " low ", " low       \
    "\n\t"                           \
    "vadd.i32 q6, q6, q7\n\t"        \
    "vqrdmulh.s32 q6, q6, %[w0]\n\t" \
    "vadd.i32 q7, " low ", " high    \
    "\n\t"                           \
    "vqrdmulh.s32 q7, q7, %[w0]\n\t" \
    "vshr.s32 " low                  \
    ", q6, #31\n\t"                  \
    "vadd.i32 q6, q6, " low          \
    "\n\t"                           \
    "vshr.s32 " high                 \
    ", q7, #31\n\t"                  \
    "vadd.i32 q7, q7, " high         \
    "\n\t"                           \
    "vrshl.s32 q6, %[w1]\n\t"        \
    "vrshl.s32 q7, %[w1]\n\t"        \
    "vqmovnb.s32 " low               \
    ", q6\n\t"                       \
    "vqmovnt.s32 " low               \
    ", q7\n\t"                       \
    "vqadd.s16 " low ", " low ", %[a]\n\t"
#define CLAMP(v) "vmax.s16 " v ", " v ", q3\n\tvmin.s16 " v ", " v ", q4\n\t"
#define STORE(v) "vstrb.16 " v ", [%[y], q5]\n\tadd %[y], %[y], %[w0]\n\t"
#define STORE_LAST(v) "vctp.16 %[w1]\n\tvpst\n\tvstrbt.16 " v ", [%[y], q5]\n\t"
#define COPY(to, from) "vmov " to ", " from "\n\t"

/* Behind the last pair of entries one more is loaded and not used. */
#define ROW(copies, steps, finish, clamp, store)                                            \
    __asm__ volatile(                                                                       \
        "ldr %[a], [%[list], %[bias]]\n\t"                                                  \
        "ldrh %[b], [%[list], %[pairs]]\n\t"                                                \
        "add %[entry], %[list], %[entries]\n\t"                                             \
        "vdup.16 q0, %[a]\n\t"                                                              \
        "add %[a], %[a], #128\n\t"                                                          \
        "asr %[a], %[a], #8\n\t"                                                            \
        "vdup.16 q3, %[a]\n\t" NEXT copies                                                  \
        "dls lr, %[b]\n\t"                                                                  \
        "1:\n\t"                                                                            \
        "add %[a], %[x], %[w0], lsr #16\n\t"                                                \
        "add %[b], %[x], %[w1], lsr #16\n\t" LOAD("a", "0") steps                           \
        "le lr, 1b\n\t"                                                                     \
        "ldrd %[w0], %[w1], [%[list], %[multiplier]]\n\t"                                   \
        "ldr %[a], [%[tile], %[zero_point]]\n\t"                                            \
        "mvn %[b], #255\n\t" finish                                                         \
        "ldrd %[w0], %[w1], [%[tile], %[least]]\n\t"                                        \
        "vdup.16 q3, %[w0]\n\t"                                                             \
        "vldrh.u16 q5, [%[tile], %[offset]]\n\t"                                            \
        "vdup.16 q4, %[w1]\n\t"                                                             \
        "ldrd %[w0], %[w1], [%[tile], %[step]]\n\t" clamp store                             \
        : [entry] "=&r"(entry), [w0] "=&r"(w0), [w1] "=&r"(w1), [a] "=&l"(a), [b] "=&l"(b), \
          [y] "+r"(y)                                                                       \
        : [list] "r"(list), [x] "r"(x), [tile] "r"(tile), [unit] "r"(128),                  \
          [bias] "i"(offsetof(row_list, bias)), [pairs] "i"(offsetof(row_list, pairs)),     \
          [entries] "i"(offsetof(row_list, entry)),                                         \
          [multiplier] "i"(offsetof(row_list, multiplier)),                                 \
          [zero_point] "i"(offsetof(tile_shape, zero_point)),                               \
          [least] "i"(offsetof(tile_shape, low)), [step] "i"(offsetof(tile_shape, step)),   \
          [offset] "i"(offsetof(tile_shape, offset))                                        \
        : "cc", "lr", "memory", "p0", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7")

/* Returns the next row's list. */
WPK_INLINE const row_list *multiply_row(const row_list *list, const int8_t *x, uint32_t vectors,
                                        const tile_shape *tile, int8_t *y) {
    const wpk_entry *entry;
    uint32_t w0, w1, a, b;
    if (vectors == 1) {
        ROW(, STEP("q0", "q3", "0", NEXT), FINISH("q0", "q3"), CLAMP("q0"), STORE_LAST("q0"));
    } else if (vectors == 2) {
        ROW(COPY("q1", "q0") COPY("q4", "q3"),
            STEP("q0", "q3", "0", LOAD("a", "8")) STEP("q1", "q4", "8", NEXT),
            FINISH("q0", "q3") FINISH("q1", "q4"), CLAMP("q0") CLAMP("q1"),
            STORE("q0") STORE_LAST("q1"));
    } else {
        ROW(COPY("q1", "q0") COPY("q4", "q3") COPY("q2", "q0") COPY("q5", "q3"),
            STEP("q0", "q3", "0", LOAD("a", "8")) STEP("q1", "q4", "8", LOAD("a", "16"))
                STEP("q2", "q5", "16", NEXT),
            FINISH("q0", "q3") FINISH("q1", "q4") FINISH("q2", "q5"),
            CLAMP("q0") CLAMP("q1") CLAMP("q2"), STORE("q0") STORE("q1") STORE_LAST("q2"));
    }
    return (const row_list *)(const void *)(entry - WPK_LIST_PAD);
}

/* The general path: four pixels in 32 bits, rescaled as wpk_rescale does. */
WPK_NOINLINE void multiply_general(const row_list *list, const int8_t *x, uint32_t count,
                                   const tile_shape *tile, int8_t *y) {
    const int32_t shift = list->shift;
    const uint32x4_t offset = vldrhq_u32(tile->offset);
    for (uint32_t p = 0; p < count; p += 4, x += 4, y += tile->step / 2) {
        int32x4_t sum = vdupq_n_s32(list->bias);
        for (const wpk_entry *e = list->entry, *const end = e + 2 * list->pairs; e != end; ++e) {
            sum = vmlaq_n_s32(sum, vldrbq_s32(x + e->offset), e->value);
        }
        sum = wpk_rescale_by(sum, list->multiplier, shift);
        sum = vaddq_n_s32(sum, tile->zero_point);
        sum = vminq_s32(vmaxq_s32(sum, vdupq_n_s32(tile->low)), vdupq_n_s32(tile->high));
        vstrbq_scatter_offset_p_s32(y, offset, sum, vctp32q(count - p));
    }
}

/* All rows times a tile. */
WPK_INLINE void multiply_rows(const wpk_block *block, const int8_t *x, uint32_t count,
                              uint32_t vectors, const tile_shape *tile, int8_t *y) {
    const row_list *list = block->rows;
    for (int8_t *const end = y + block->count; y != end; ++y) {
        if (list->fast) {
            list = multiply_row(list, x, vectors, tile, y);
        } else {
            multiply_general(list, x, count, tile, y);
            list = (const row_list *)(const void *)(list->entry + 2 * list->pairs);
        }
    }
}

static void run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                void *scratch) {
    const wpk_requant *const requant = block->requant;
    const uint32_t most = wpk_tile_vectors(block->cols) * LANES;
    tile_shape tile = {requant->output_zero_point,
                       requant->activation_min,
                       requant->activation_max,
                       LANES * y_stride,
                       0,
                       {0}};
    vstrhq_u16(tile.offset, vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)y_stride));
    for (uint32_t first = 0; first < pixels->count; first += most) {
        const uint32_t left = pixels->count - first;
        const uint32_t count = left < most ? left : most;
        const uint32_t vectors = (count + LANES - 1) / LANES;
        wpk_tile_load(pixels, first, count, block->cols, most, scratch);
        tile.last = count - (vectors - 1) * LANES;
        int8_t *const out = y + first * y_stride;
        if (vectors == 1) {
            multiply_rows(block, scratch, count, 1, &tile, out);
        } else if (vectors == 2) {
            multiply_rows(block, scratch, count, 2, &tile, out);
        } else {
            multiply_rows(block, scratch, count, 3, &tile, out);
        }
    }
}

const struct wpk_list_kernels wpk_lists = {load, run, &wpk_groups};

#endif
