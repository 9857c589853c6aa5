/* Lists of sparse rows for Helium. A tile of 8, 16 or 24 pixels is transposed, so that a column of
 * eight pixels is one vector; an element multiplies it by a scalar.
 *
 * Sums run in 16-bit lanes, eight products an instruction. `low` is the sum modulo 2^16, `high` the
 * sum divided by 2^8 and rounded. Over a segment, elements with Σ|w| ≤ 255, low − 2^8 · high stays
 * in 16 bits and is the sum's distance from 2^8 · high; it then brings `high` up to date. */
#include "lists.h"

#if WPK_MVE

#include <arm_mve.h>
#include <stddef.h>

#include "codec_sparse.h"
#include "wpk/requant.h"

enum { LANES = 8, MAX_VECTORS = 3, MAX_TILE_NBYTES = 8192, MAX_LISTS_NBYTES = 16384 };
enum { MAX_SEGMENT = 255, PAD = 2 };
/* What `low` and `high` hold together. */
enum { MAX_SUM = (1 << 23) - (1 << 9) };

/* A row: this, its entries, and the pairs of entries in each segment, one byte each. */
typedef struct {
    int32_t bias, multiplier;
    int16_t shift;
    uint16_t segments; /* 0: the row needs the general path */
    uint32_t count;    /* entries, even, at least 2 */
    wpk_entry entry[];
} row_list;

/* Vectors of eight pixels in a tile; 0: the tile would be too large. */
static uint32_t tile_vectors(uint32_t cols) {
    const uint32_t most = MAX_TILE_NBYTES / LANES / cols;
    return most < MAX_VECTORS ? most : MAX_VECTORS;
}

static uint64_t list_nbytes(uint64_t elements) {
    const uint64_t count = elements + PAD;
    return sizeof(row_list) + count * sizeof(wpk_entry) + ((count / 2 + 3) & ~(uint64_t)3);
}

static uint32_t stored_elements(const wpk_weights *weights) {
    return weights->blob.section_nbytes[SECTION_VALUES];
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

static int32_t magnitude(int32_t value) {
    return value < 0 ? -value : value;
}

/* Cut a row into segments. Returns how many; 0 if the row needs the general path. */
static uint32_t cut(const row_list *list, uint8_t *pairs) {
    const wpk_entry *e = list->entry, *const end = e + list->count;
    uint8_t *segment = pairs;
    int32_t total = magnitude(list->bias) / 128, sum = 0;
    uint32_t length = 0;
    for (; e != end; e += 2, ++length) {
        const int32_t pair = magnitude(e[0].value) + magnitude(e[1].value);
        total += pair;
        sum += pair;
        if (sum > MAX_SEGMENT || length == 255) {
            *segment++ = (uint8_t)length;
            sum = pair;
            length = 0;
        }
        if (pair > MAX_SEGMENT) {
            return 0;
        }
    }
    *segment++ = (uint8_t)length;
    return total > MAX_SUM / 128 ? 0 : (uint32_t)(segment - pairs);
}

static void load(wpk_block *block, const wpk_weights *weights, wpk_cursor *cursor, void *lists,
                 uint32_t nbytes) {
    const wpk_requant *const requant = block->requant;
    const uint32_t scale = tile_vectors(weights->cols) * LANES;
    uint8_t *at = lists;
    const uint8_t *const end = at + nbytes;
    uint32_t r = 0;
    for (; r < block->count && (uint32_t)(end - at) >= list_nbytes(0); ++r) {
        row_list *const list = (row_list *)(void *)at;
        const uint32_t room = (uint32_t)(end - at) - (uint32_t)list_nbytes(0);
        const uint32_t channel = block->first + r;
        uint32_t count = weights->codec->list(&weights->blob, cursor, channel, scale, list->entry,
                                              2 * (room / 9));
        if (count == WPK_NO_ROOM) {
            break;
        }
        int32_t bias = wpk_bias(requant, channel);
        if (requant->input_offset != 0) {
            uint32_t sum = 0;
            for (uint32_t i = 0; i < count; ++i) {
                sum += (uint32_t)(int32_t)list->entry[i].value;
            }
            bias = (int32_t)((uint32_t)bias - sum * (uint32_t)(int32_t)requant->input_offset);
        }
        while (count == 0 || count % PAD != 0) {
            const wpk_entry nothing = {0};
            list->entry[count++] = nothing;
        }
        const uint32_t m = requant->multipliers == 1 ? 0 : channel;
        list->bias = bias;
        list->multiplier = requant->multiplier[m];
        list->shift = requant->shift[m];
        list->count = count;
        uint8_t *const pairs = (uint8_t *)(list->entry + count);
        const bool general = list->shift >= 0 || bias > MAX_SUM || bias < -MAX_SUM;
        const uint32_t segments = general ? 0 : cut(list, pairs);
        list->segments = (uint16_t)segments;
        at = pairs + ((segments + 3) & ~3u);
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

/* The inner loops. q0 to q2 are `low`, q3 to q5 `high`. */
#define LOAD(to, from, at) "vldrb.s16 " to ", [%[" from "], #" at "]\n\t"
#define MULTIPLY(sum, x, w) "vmla.s16 " sum ", " x ", %[" w "]\n\t"
#define PAIR                             \
    "ldrd %[v], %[w], [%[entry]], #8\n\t" \
    "add %[a], %[x], %[v], lsr #16\n\t"  \
    "add %[b], %[x], %[w], lsr #16\n\t"
#define PAIR_1 PAIR LOAD("q6", "a", "0") MULTIPLY("q0", "q6", "v") LOAD("q7", "b", "0") MULTIPLY("q0", "q7", "w")
#define PAIR_2                                                               \
    PAIR LOAD("q6", "a", "0") LOAD("q7", "a", "8") MULTIPLY("q0", "q6", "v") \
        LOAD("q6", "b", "0") MULTIPLY("q1", "q7", "v") LOAD("q7", "b", "8")  \
            MULTIPLY("q0", "q6", "w") MULTIPLY("q1", "q7", "w")
#define PAIR_3                                                               \
    PAIR LOAD("q6", "a", "0") LOAD("q7", "a", "8") MULTIPLY("q0", "q6", "v") \
        LOAD("q6", "a", "16") MULTIPLY("q1", "q7", "v") LOAD("q7", "b", "0") \
            MULTIPLY("q2", "q6", "v") LOAD("q6", "b", "8") MULTIPLY("q0", "q7", "w") \
                LOAD("q7", "b", "16") MULTIPLY("q1", "q6", "w") MULTIPLY("q2", "q7", "w")
#define DISTANCE(t, low, high) "vshl.i16 " t ", " high ", #8\n\tvsub.i16 " t ", " low ", " t "\n\t"
#define CATCH_UP(t, high) "vqrdmlah.s16 " high ", " t ", %[unit]\n\t"
#define FLUSH_1 DISTANCE("q6", "q0", "q3") CATCH_UP("q6", "q3")
#define FLUSH_2 DISTANCE("q6", "q0", "q3") DISTANCE("q7", "q1", "q4") CATCH_UP("q6", "q3") CATCH_UP("q7", "q4")
#define FLUSH_3                                                                     \
    DISTANCE("q6", "q0", "q3") DISTANCE("q7", "q1", "q4") CATCH_UP("q6", "q3")      \
        DISTANCE("q6", "q2", "q5") CATCH_UP("q7", "q4") CATCH_UP("q6", "q5")

#define ROW(pair, flush)                                                                     \
    __asm__ volatile("vdup.16 q0, %[bias]\n\t"                                                        \
            "vmov q1, q0\n\t"                                                                \
            "vmov q2, q0\n\t"                                                                \
            "vdup.16 q3, %[bias_high]\n\t"                                                   \
            "vmov q4, q3\n\t"                                                                \
            "vmov q5, q3\n\t"                                                                \
            "1:\n\t"                                                                         \
            "ldrb lr, [%[length]], #1\n\t"                                                   \
            "2:\n\t" pair "le lr, 2b\n\t" flush                                              \
            "subs %[segments], %[segments], #1\n\t"                                          \
            "bne 1b\n\t"                                                                     \
            "vstrw.32 q0, [%[sums]]\n\t"                                                     \
            "vstrw.32 q1, [%[sums], #16]\n\t"                                                \
            "vstrw.32 q2, [%[sums], #32]\n\t"                                                \
            "vstrw.32 q3, [%[sums], #48]\n\t"                                                \
            "vstrw.32 q4, [%[sums], #64]\n\t"                                                \
            "vstrw.32 q5, [%[sums], #80]\n\t"                                                \
            : [entry] "+r"(entry), [length] "+r"(length), [segments] "+r"(segments),         \
              [v] "=&r"(v), [w] "=&r"(w), [a] "=&l"(a), [b] "=&l"(b)                         \
            : [x] "r"(tile), [bias] "r"(list->bias), [bias_high] "r"((list->bias + 128) >> 8), \
              [unit] "r"(128), [sums] "r"(s)                                                 \
            : "cc", "lr", "memory", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7")

/* Bias and all segments. */
static inline void sum_row(const row_list *list, const int8_t *tile, uint32_t vectors, sums *s) {
    const wpk_entry *entry = list->entry;
    const uint8_t *length = (const uint8_t *)(entry + list->count);
    uint32_t segments = list->segments, v, w, a, b;
    if (vectors == 1) {
        ROW(PAIR_1, FLUSH_1);
    } else if (vectors == 2) {
        ROW(PAIR_2, FLUSH_2);
    } else {
        ROW(PAIR_3, FLUSH_3);
    }
}

/* Outputs of eight pixels, in 16-bit lanes. */
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
    const int16x8_t y = vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), even), odd);
    return vqaddq_n_s16(y, zero_point);
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
    return sum;
}

/* A row times a tile. offset: of eight pixels in y, from pixel to pixel. */
static inline void multiply_row(const wpk_requant *requant, const row_list *list,
                                const int8_t *tile, uint32_t count, int8_t *y, uint32_t y_stride) {
    const uint16x8_t offset = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)y_stride);
    const uint32_t vectors = (count + LANES - 1) / LANES;
    const int16x8_t low = vdupq_n_s16(requant->activation_min);
    const int16x8_t high = vdupq_n_s16(requant->activation_max);
    sums s;
    if (list->segments != 0) {
        sum_row(list, tile, vectors, &s);
    }
    for (uint32_t v = 0; v < vectors; ++v, tile += LANES, y += LANES * y_stride) {
        int16x8_t out;
        if (list->segments != 0) {
            out = finish(list, s.low[v], s.high[v], requant->output_zero_point);
        } else {
            const int32x4_t a = general(list, tile), b = general(list, tile + 4);
            /* To 16 bits without interleaving. */
            int16_t lane[LANES];
            vstrhq_s32(lane, vmaxq_s32(vminq_s32(a, vdupq_n_s32(INT16_MAX)), vdupq_n_s32(INT16_MIN)));
            vstrhq_s32(lane + 4, vmaxq_s32(vminq_s32(b, vdupq_n_s32(INT16_MAX)), vdupq_n_s32(INT16_MIN)));
            out = vqaddq_n_s16(vldrhq_s16(lane), requant->output_zero_point);
        }
        out = vminq_s16(vmaxq_s16(out, low), high);
        vstrbq_scatter_offset_p_s16(y, offset, out, vctp16q(count - v * LANES));
    }
}

static void run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                void *scratch) {
    const uint32_t most = tile_vectors(block->cols) * LANES;
    for (uint32_t first = 0; first < pixels->count; first += most) {
        const uint32_t left = pixels->count - first;
        const uint32_t count = left < most ? left : most;
        load_tile(pixels, first, count, block->cols, most, scratch);
        const uint8_t *at = block->rows;
        int8_t *const out = y + first * y_stride;
        for (uint32_t r = 0; r < block->count; ++r) {
            const row_list *const list = (const row_list *)(const void *)at;
            multiply_row(block->requant, list, scratch, count, out + r, y_stride);
            at = (const uint8_t *)(list->entry + list->count) + ((list->segments + 3u) & ~3u);
        }
    }
}

const struct wpk_list_kernels wpk_lists = {MAX_VECTORS * LANES, pay, buffer_nbytes, load, run_nbytes, run};

#endif
