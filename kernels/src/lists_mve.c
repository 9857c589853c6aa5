/* Lists of sparse rows for Helium. A tile of 8, 16 or 24 pixels is transposed, so that a column of
 * eight pixels is one vector; an element multiplies it by a scalar.
 *
 * Products of two elements add up in 16-bit lanes, which |w| + |w'| ≤ 255 cannot leave. The sum of
 * a row is kept twice: `low` is it modulo 2^16, `high` adds up its parts divided by 2^8 and
 * rounded. high · 2^8 is wrong by 2^7 for each pair at most, low says by how much. */
#include "lists.h"

#if WPK_MVE

#include <arm_mve.h>
#include <stddef.h>

#include "codec_sparse.h"
#include "wpk/requant.h"

enum { LANES = 8, MAX_VECTORS = 3, MAX_TILE_NBYTES = 8192, MAX_LISTS_NBYTES = 16384 };
/* PAD: the inner loop takes two elements. MAX_COLS: with more, `low` and `high` might not hold a
 * sum. */
enum { PAD = 2, MAX_COLS = 480, MAX_SUM = (1 << 23) - (1 << 15), MAX_PRODUCT = 1 << 14 };

/* A row. */
typedef struct {
    int32_t bias, multiplier;
    int16_t shift;
    uint16_t fast;  /* a right shift, and sums that `low` and `high` can hold */
    uint32_t count; /* of entries: even, at least 2 */
    wpk_entry entry[];
} row_list;

/* Vectors of eight pixels in a tile; 0: the tile would be too large. */
static uint32_t tile_vectors(uint32_t cols) {
    const uint32_t most = cols > MAX_COLS ? 0 : MAX_TILE_NBYTES / LANES / cols;
    return most < MAX_VECTORS ? most : MAX_VECTORS;
}

/* Of a row of this many elements. */
static uint64_t list_nbytes(uint32_t elements) {
    return sizeof(row_list) + ((uint64_t)elements + PAD) * sizeof(wpk_entry);
}

static uint32_t stored_elements(const wpk_weights *weights) {
    return weights->codec->stored(&weights->blob);
}

static bool pay(const wpk_weights *weights, uint32_t pixels, uint32_t pitch) {
    const uint32_t widest = pitch > weights->rows ? pitch : weights->rows;
    if (weights->codec->list == NULL || tile_vectors(weights->cols) == 0 ||
        (uint64_t)widest * MAX_VECTORS * LANES > 65536) {
        return false;
    }
    return pixels >= 8 &&
           (uint64_t)stored_elements(weights) * 100 <= (uint64_t)weights->rows * weights->cols * 25;
}

static uint64_t buffer_nbytes(const wpk_weights *weights, uint64_t wanted) {
    const uint64_t least = list_nbytes(weights->cols);
    const uint64_t all =
        weights->rows * list_nbytes(stored_elements(weights) / weights->rows + PAD);
    (void)wanted;
    uint64_t nbytes = all < MAX_LISTS_NBYTES ? all : MAX_LISTS_NBYTES;
    nbytes = nbytes < least ? least : nbytes;
    return (nbytes + 15) & ~(uint64_t)15;
}

/* No pair may hold two weights of −128: the second changes its place. False if that is impossible.
 */
static bool separate(row_list *list) {
    wpk_entry *const end = list->entry + list->count;
    for (wpk_entry *e = list->entry; e != end; e += 2) {
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

static int32_t bias_of(const wpk_requant *requant, uint32_t channel, const row_list *list) {
    uint32_t sum = 0;
    if (requant->input_offset != 0) {
        for (uint32_t i = 0; i < list->count; ++i) {
            sum += (uint32_t)(int32_t)list->entry[i].value;
        }
    }
    return (int32_t)((uint32_t)wpk_bias(requant, channel) -
                     sum * (uint32_t)(int32_t)requant->input_offset);
}

static void load(wpk_block *block, const wpk_weights *weights, wpk_cursor *cursor, void *lists,
                 uint32_t nbytes) {
    const wpk_requant *const requant = block->requant;
    const uint32_t scale = tile_vectors(weights->cols) * LANES;
    const int32_t max_bias = MAX_SUM - (int32_t)weights->cols * MAX_PRODUCT;
    uint8_t *at = lists;
    const uint8_t *const end = at + nbytes;
    uint32_t r = 0;
    for (; r < block->count && (uint32_t)(end - at) > list_nbytes(0); ++r) {
        row_list *const list = (row_list *)(void *)at;
        const uint32_t channel = block->first + r;
        const uint32_t capacity =
            ((uint32_t)(end - at) - (uint32_t)list_nbytes(0)) / sizeof(wpk_entry);
        uint32_t count =
            weights->codec->list(&weights->blob, cursor, channel, scale, list->entry, capacity);
        if (count == WPK_NO_ROOM) {
            break;
        }
        while (count == 0 || count % PAD != 0) {
            const wpk_entry nothing = {0};
            list->entry[count++] = nothing;
        }
        const uint32_t m = requant->multipliers == 1 ? 0 : channel;
        list->count = count;
        list->bias = bias_of(requant, channel, list);
        list->multiplier = requant->multiplier[m];
        list->shift = requant->shift[m];
        list->fast =
            list->shift < 0 && list->bias < max_bias && list->bias > -max_bias && separate(list);
        at = (uint8_t *)(list->entry + count);
    }
    block->count = r;
    block->rows = lists;
}

static uint64_t run_nbytes(uint32_t cols) {
    return ((uint64_t)cols * tile_vectors(cols) * LANES + 15) & ~(uint64_t)15;
}

/* Pixel p, column c to tile[c · scale + p]. Pixels behind the last are it once more. */
static void load_tile(const wpk_pixels *pixels, uint32_t first, uint32_t count, uint32_t cols,
                      uint32_t scale, int8_t *tile) {
    const int8_t *const from = pixels->data + first * pixels->stride;
    for (uint32_t v = 0; v < count; v += LANES, tile += LANES) {
        const uint16x8_t lane = vminq_u16(vidupq_n_u16(v, 1), vdupq_n_u16((uint16_t)(count - 1)));
        const uint16x8_t offset = vmulq_n_u16(lane, (uint16_t)pixels->stride);
        const int8_t *x = from;
        int8_t *to = tile;
        __asm__ volatile(
            "dls lr, %[cols]\n\t"
            "1:\n\t"
            "vldrb.u16 q0, [%[x], %q[offset]]\n\t"
            "add %[x], %[x], #1\n\t"
            "vstrb.16 q0, [%[to]]\n\t"
            "add %[to], %[to], %[scale]\n\t"
            "le lr, 1b\n\t"
            : [x] "+r"(x), [to] "+l"(to)
            : [cols] "r"(cols), [offset] "w"(offset), [scale] "r"(scale)
            : "lr", "memory", "q0");
    }
}

typedef struct {
    int16x8_t low[MAX_VECTORS], high[MAX_VECTORS];
} sums;

/* Two elements times eight pixels: q6 comes with pixels of the first element. NEXT stands where the
 * sum is waited for. */
#define LOAD(from, at) "vldrb.s16 q6, [%[" from "], #" at "]\n\t"
#define STEP(v, at, next)                                                        \
    "vmul.i16 q7, q6, %[w0]\n\t" LOAD("b", at) "vmla.s16 q7, q6, %[w1]\n\t" next \
                                               "vqrdmlah.s16 %q[high" v          \
                                               "], q7, %[unit]\n\t"              \
                                               "vadd.i16 %q[low" v "], %q[low" v "], q7\n\t"
#define NEXT "ldrd %[w0], %[w1], [%[entry]], #8\n\t"
/* The pair behind the last is loaded and not used. */
#define PAIRS(steps)                          \
    NEXT "dls lr, %[pairs]\n\t"               \
         "1:\n\t"                             \
         "add %[a], %[x], %[w0], lsr #16\n\t" \
         "add %[b], %[x], %[w1], lsr #16\n\t" LOAD("a", "0") steps "le lr, 1b\n\t"
#define SUM(v) [low##v] "+w"(s.low[v]), [high##v] "+w"(s.high[v])
#define OPERANDS                                                       \
    [entry] "+r"(entry), [w0] "=&r"(w0), [w1] "=&r"(w1), [a] "=&l"(a), \
        [b] "=&l"(b)                                                   \
        : [x] "r"(tile),                                               \
          [pairs] "r"(list->count / 2),                                \
          [unit] "r"(128)                                              \
        : "lr", "memory", "q6", "q7"

/* Bias and all elements. */
static inline __attribute__((always_inline)) sums sum_row(const row_list *list, const int8_t *tile,
                                                          uint32_t vectors) {
    const wpk_entry *entry = list->entry;
    uint32_t w0, w1, a, b;
    sums s;
    for (uint32_t v = 0; v < MAX_VECTORS; ++v) {
        s.low[v] = vdupq_n_s16((int16_t)list->bias);
        s.high[v] = vdupq_n_s16((int16_t)((list->bias + 128) >> 8));
    }
    if (vectors == 1) {
        __asm__ volatile(PAIRS(STEP("0", "0", NEXT)) : SUM(0), OPERANDS);
    } else if (vectors == 2) {
        __asm__ volatile(PAIRS(STEP("0", "0", LOAD("a", "8")) STEP("1", "8", NEXT))
                         : SUM(0), SUM(1), OPERANDS);
    } else {
        __asm__ volatile(PAIRS(STEP("0", "0", LOAD("a", "8")) STEP("1", "8", LOAD("a", "16"))
                                   STEP("2", "16", NEXT))
                         : SUM(0), SUM(1), SUM(2), OPERANDS);
    }
    return s;
}

/* Outputs of eight pixels, in 16-bit lanes, not yet clamped. */
static inline int16x8_t finish(const row_list *list, int16x8_t low, int16x8_t high,
                               int16_t zero_point) {
    const int16x8_t distance = vsubq_s16(low, vshlq_n_s16(high, 8));
    int32x4_t even = vaddq_s32(vmovlbq_s16(distance), vshllbq_n_s16(high, 8));
    int32x4_t odd = vaddq_s32(vmovltq_s16(distance), vshlltq_n_s16(high, 8));
    even = vqrdmulhq_n_s32(even, list->multiplier);
    odd = vqrdmulhq_n_s32(odd, list->multiplier);
    /* VRSHL rounds halves up; one less makes that away from zero for negative values. */
    even = vrshlq_n_s32(vaddq_s32(even, vshrq_n_s32(even, 31)), list->shift);
    odd = vrshlq_n_s32(vaddq_s32(odd, vshrq_n_s32(odd, 31)), list->shift);
    return vqaddq_n_s16(vqmovntq_s32(vqmovnbq_s32(low, even), odd), zero_point);
}

/* The general path: four pixels in 32 bits, rescaled as wpk_rescale does. */
static int32x4_t general(const row_list *list, const int8_t *tile) {
    int32x4_t sum = vdupq_n_s32(list->bias);
    for (const wpk_entry *e = list->entry, *const end = e + list->count; e != end; ++e) {
        sum = vmlaq_n_s32(sum, vldrbq_s32(tile + e->offset), e->value);
    }
    const int32_t shift = list->shift;
    sum = vqrdmulhq_n_s32(vshlq_r_s32(sum, shift > 0 ? shift : 0), list->multiplier);
    if (shift < 0) {
        sum = vrshlq_n_s32(vqaddq_s32(sum, vshrq_n_s32(sum, 31)), shift);
    }
    return vmaxq_s32(vminq_s32(sum, vdupq_n_s32(INT16_MAX)), vdupq_n_s32(INT16_MIN));
}

static int16x8_t finish_general(const row_list *list, const int8_t *tile, int16_t zero_point) {
    int16_t lane[LANES];
    vstrhq_s32(lane, general(list, tile));
    vstrhq_s32(lane + 4, general(list, tile + 4));
    return vqaddq_n_s16(vldrhq_s16(lane), zero_point);
}

/* All rows times a tile of `count` pixels, in `vectors` vectors. */
static inline __attribute__((always_inline)) void multiply_rows(const wpk_block *block,
                                                                const int8_t *tile, uint32_t count,
                                                                uint32_t vectors, int8_t *y,
                                                                uint32_t y_stride) {
    const wpk_requant *const requant = block->requant;
    const int16_t zero_point = requant->output_zero_point;
    const uint16x8_t offset = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)y_stride);
    const row_list *list = block->rows;
    for (uint32_t r = 0; r < block->count; ++r, ++y) {
        sums s;
        if (list->fast) {
            s = sum_row(list, tile, vectors);
        }
#pragma GCC unroll 3
        for (uint32_t v = 0; v < vectors; ++v) {
            int16x8_t out = list->fast ? finish(list, s.low[v], s.high[v], zero_point)
                                       : finish_general(list, tile + v * LANES, zero_point);
            out = vmaxq_s16(out, vdupq_n_s16(requant->activation_min));
            out = vminq_s16(out, vdupq_n_s16(requant->activation_max));
            vstrbq_scatter_offset_p_s16(y + v * LANES * y_stride, offset, out,
                                        vctp16q(count - v * LANES));
        }
        list = (const row_list *)(const void *)(list->entry + list->count);
    }
}

static void run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                void *scratch) {
    const uint32_t most = tile_vectors(block->cols) * LANES;
    for (uint32_t first = 0; first < pixels->count; first += most) {
        const uint32_t left = pixels->count - first;
        const uint32_t count = left < most ? left : most;
        load_tile(pixels, first, count, block->cols, most, scratch);
        int8_t *const out = y + first * y_stride;
        if (count <= LANES) {
            multiply_rows(block, scratch, count, 1, out, y_stride);
        } else if (count <= 2 * LANES) {
            multiply_rows(block, scratch, count, 2, out, y_stride);
        } else {
            multiply_rows(block, scratch, count, 3, out, y_stride);
        }
    }
}

const struct wpk_list_kernels wpk_lists = {
    MAX_VECTORS * LANES, pay, buffer_nbytes, load, run_nbytes, run,
};

#endif
