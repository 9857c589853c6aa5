/* The matrix product for cores with two 16-bit multiply-accumulates an instruction (SMLAD).
 *
 * SXTB16 widens bytes 0 and 2, or 1 and 3, of a word: so four columns become two words, (0, 2) and
 * (1, 3). Rows are read as they are and widened on the way; activations are widened once, without
 * their offset, to tiles of eight or four pixels: every four columns the (0, 2) of all pixels, then
 * their (1, 3). The inner loop is one row × 8 pixels, 27 instructions for 32 multiply-accumulates,
 * or × 4, 15 for 16. */
#include "../base/bytes.h"
#include "finish.h"
#include "gemm.h"

#if WPK_DSP

static inline uint32_t even_bytes(uint32_t word, uint32_t addend) {
    uint32_t wide;
    __asm__("sxtab16 %0, %1, %2" : "=r"(wide) : "r"(addend), "r"(word));
    return wide;
}

static inline uint32_t odd_bytes(uint32_t word, uint32_t addend) {
    uint32_t wide;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(wide) : "r"(addend), "r"(word));
    return wide;
}

static inline uint32_t smlad(uint32_t a, uint32_t b, uint32_t acc) {
    uint32_t sum;
    __asm__("smlad %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
    return sum;
}

/* The last 1 to 3 bytes of a row or pixel; zeros behind them. */
static uint32_t load_tail(const int8_t *at, uint32_t nbytes) {
    uint32_t word = 0;
    for (uint32_t i = 0; i < nbytes; ++i) {
        word |= (uint32_t)(uint8_t)at[i] << (8 * i);
    }
    return word;
}

/* Widen a pixel into its slot of a tile. */
static inline void load_pixel(const int8_t *x, uint32_t cols, uint32_t addend, uint32_t *tile,
                              uint32_t pixels) {
    for (const int8_t *const end = x + (cols & ~3u); x != end; x += 4, tile += 2 * pixels) {
        const uint32_t word = wpk_load_u32(x);
        tile[0] = even_bytes(word, addend);
        tile[pixels] = odd_bytes(word, addend);
    }
    if ((cols & 3) != 0) {
        const uint32_t word = load_tail(x, cols & 3);
        tile[0] = even_bytes(word, addend);
        tile[pixels] = odd_bytes(word, addend);
    }
}

/* A row: whole words in place, and what is left in a word of its own. */
typedef struct {
    const int8_t *begin, *end;
    uint32_t odd;         /* whether they are an odd number */
    const uint32_t *tail; /* NULL: nothing is left */
} row_words;

#define WIDEN                  \
    "ldr %[m], [%[w]], #4\n\t" \
    "sxtb16 %[half], %[m]\n\t" \
    "sxtb16 %[m], %[m], ror #8\n\t"
#define TWO(w, a, b)                           \
    "ldrd %[shift], %[y], [%[x]], #8\n\t"      \
    "smlad %[" a "], %[" w "], %[shift], %[" a \
    "]\n\t"                                    \
    "smlad %[" b "], %[" w "], %[y], %[" b "]\n\t"
#define FOUR(w) TWO(w, "a0", "a1") TWO(w, "a2", "a3")
#define EIGHT(w) FOUR(w) TWO(w, "a4", "a5") TWO(w, "a6", "a7")
#define QUAD4 WIDEN FOUR("half") FOUR("m")
#define QUAD8 WIDEN EIGHT("half") EIGHT("m")

/* Over all columns, eight at a time; an odd number of quads starts in the middle. Bounds and
 * pointers stay in memory, all registers are in use. */
#define COLUMNS(quad)           \
    "ldr %[m], %[end]\n\t"      \
    "cmp %[m], %[w]\n\t"        \
    "beq 3f\n\t"                \
    "ldr %[m], %[odd]\n\t"      \
    "cmp %[m], #0\n\t"          \
    "bne 2f\n\t"                \
    "1:\n\t" quad "2:\n\t" quad \
    "ldr %[m], %[end]\n\t"      \
    "cmp %[m], %[w]\n\t"        \
    "bne 1b\n\t"                \
    "3:\n\t"                    \
    "ldr %[w], %[tail]\n\t"     \
    "cmp %[w], #0\n\t"          \
    "beq 4f\n\t" quad "4:\n\t"

/* One row times a tile. With `acc` NULL, all pixels are there and the channel takes the fast path:
 * to outputs. Otherwise to sums; those of pixels that are not there are anything. */
#define DEFINE(name, quad, load, finish)                                                                              \
    static inline void name(const wpk_channel *channel, const row_words *row, const uint32_t *x,                      \
                            int8_t *y, uint32_t y_stride, uint32_t *acc) {                                            \
        const int8_t *w = row->begin;                                                                                 \
        uint32_t a0, a1, a2, a3, a4, a5, a6, a7, m, half, shift, at;                                                  \
        __asm__ volatile(load COLUMNS(quad)                                                                         \
                         "ldr %[m], %[acc]\n\t"                                                                     \
                         "cmp %[m], #0\n\t"                                                                         \
                         "bne 5f\n\t" WPK_LOAD_CHANNEL finish                                                       \
                         "b 6f\n\t"                                                                                 \
                         "5:\n\t" WPK_STORE_SUMS "6:\n\t"                                                           \
                         : WPK_ALL_REGISTERS                                                                        \
                         : [channel] "m"(channel), [end] "m"(row->end), [odd] "m"(row->odd), [tail] "m"(row->tail), \
                           [out] "m"(y), [pitch] "m"(y_stride), [acc] "m"(acc)                                      \
                         : "cc", "memory"); \
    }
DEFINE(multiply_four, QUAD4, WPK_LOAD_BIAS_4, WPK_FINISH_4)
DEFINE(multiply_eight, QUAD8, WPK_LOAD_BIAS_8, WPK_FINISH_8)

/* One row times one pixel of a tile. */
static uint32_t sum_one(const row_words *row, const uint32_t *x, uint32_t pixels, uint32_t acc) {
    for (const int8_t *w = row->begin; w != row->end; w += 4, x += 2 * pixels) {
        const uint32_t word = wpk_load_u32(w);
        acc = smlad(even_bytes(word, 0), x[0], acc);
        acc = smlad(odd_bytes(word, 0), x[pixels], acc);
    }
    if (row->tail != NULL) {
        acc = smlad(even_bytes(*row->tail, 0), x[0], acc);
        acc = smlad(odd_bytes(*row->tail, 0), x[pixels], acc);
    }
    return acc;
}

static void multiply_row(const wpk_block *block, const wpk_channel *channel, const row_words *row,
                         const uint32_t *tile, uint32_t pixels, uint32_t count, int8_t *y,
                         uint32_t y_stride) {
    uint32_t acc[8];
    const bool fast = count == pixels && channel->fast;
    if (count <= 2) {
        for (uint32_t p = 0; p < count; ++p) {
            acc[p] = sum_one(row, tile + p, pixels, (uint32_t)channel->bias);
        }
    } else if (pixels == 8) {
        multiply_eight(channel, row, tile, y, y_stride, fast ? NULL : acc);
    } else {
        multiply_four(channel, row, tile, y, y_stride, fast ? NULL : acc);
    }
    if (fast) {
        return;
    }
    for (uint32_t p = 0; p < count; ++p, y += y_stride) {
        *y = wpk_finish(block->requant, channel, (int32_t)acc[p]);
    }
}

static void multiply_rows(const wpk_block *block, const uint32_t *tile, uint32_t pixels,
                          uint32_t count, int8_t *y, uint32_t y_stride) {
    const uint32_t left = block->cols & 3, whole = block->cols - left;
    const wpk_channel *channel = block->channels;
    const int8_t *w = block->rows;
    /* The last place where a whole word can be read: there may be nothing behind the last row. */
    const int8_t *const last = w + (block->count - 1) * block->stride + block->cols - 4;
    for (uint32_t r = 0; r < block->count; ++r, ++channel, w += block->stride) {
        uint32_t tail = 0;
        const row_words row = {w, w + whole, whole / 4 & 1, left != 0 ? &tail : NULL};
        if (left != 0) {
            tail = w + whole <= last ? wpk_load_u32(w + whole) & ((1u << (8 * left)) - 1)
                                     : load_tail(w + whole, left);
        }
        multiply_row(block, channel, &row, tile, pixels, count, y + r, y_stride);
    }
}

void wpk_gemm_run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                  void *scratch) {
    uint32_t *const tile = scratch;
    const uint32_t addend = (uint16_t)-block->requant->input_offset * 0x10001u;
    const int8_t *x = pixels->data;
    for (uint32_t left = pixels->count, count; left > 0; left -= count) {
        const uint32_t slots = block->tile_pixels == 8 && left > 4 ? 8 : 4;
        count = left < slots ? left : slots;
        for (uint32_t p = 0; p < count; ++p, x += pixels->stride) {
            load_pixel(x, block->cols, addend, tile + p, slots);
        }
        multiply_rows(block, tile, slots, count, y, y_stride);
        y += count * y_stride;
    }
}

/* Four columns of one row. */
#define ROW(acc, w)                           \
    "ldr %[t], [%[" w                         \
    "]], #4\n\t"                              \
    "sxtb16 %[u], %[t]\n\t"                   \
    "smlad %[" acc "], %[u], %[even], %[" acc \
    "]\n\t"                                   \
    "sxtb16 %[t], %[t], ror #8\n\t"           \
    "smlad %[" acc "], %[t], %[odd], %[" acc "]\n\t"
#define QUAD                                                                                      \
    "ldr %[t], [%[x]], #4\n\t"                                                                    \
    "sxtab16 %[even], %[addend], %[t]\n\t"                                                        \
    "sxtab16 %[odd], %[addend], %[t], ror #8\n\t" ROW("a0", "w0") ROW("a1", "w1") ROW("a2", "w2") \
        ROW("a3", "w3")

void wpk_gemm_vector(const wpk_block *block, const int8_t *x, int8_t *y) {
    const wpk_requant *const requant = block->requant;
    const int32_t offset = requant->input_offset;
    const uint32_t cols = block->cols, stride = block->stride;
    const int8_t *row = block->rows;
    for (uint32_t r = 0; r < block->count; r += 4, row += 4 * stride) {
        /* A row that is not there is computed as another one and dropped. */
        const uint32_t count = block->count - r < 4 ? block->count - r : 4;
        const int8_t *w0 = row, *w1 = row + (count > 1 ? stride : 0),
                     *w2 = row + (count > 2 ? 2 * stride : 0),
                     *w3 = row + (count > 3 ? 3 * stride : 0), *from = x;
        uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0, even, odd, t, u;
        const int8_t *const end16 = x + (cols & ~15u), *const end4 = x + (cols & ~3u);
        __asm__ volatile(
            "ldr %[t], %[end16]\n\t"
            "cmp %[t], %[x]\n\t"
            "beq 2f\n\t"
            "1:\n\t" QUAD QUAD QUAD QUAD
            "ldr %[t], %[end16]\n\t"
            "cmp %[t], %[x]\n\t"
            "bne 1b\n\t"
            "2:\n\t"
            "ldr %[t], %[end4]\n\t"
            "cmp %[t], %[x]\n\t"
            "beq 4f\n\t"
            "3:\n\t" QUAD
            "ldr %[t], %[end4]\n\t"
            "cmp %[t], %[x]\n\t"
            "bne 3b\n\t"
            "4:\n\t"
            : [x] "+r"(from), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3),
              [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [even] "=&r"(even),
              [odd] "=&r"(odd), [t] "=&r"(t), [u] "=&r"(u)
            : [end16] "m"(end16), [end4] "m"(end4), [addend] "r"((uint16_t)-offset * 0x10001u)
            : "cc", "memory");
        for (uint32_t c = cols & 3; c > 0; --c) {
            const int32_t v = *from++ - offset;
            a0 += (uint32_t)(*w0++ * v);
            a1 += (uint32_t)(*w1++ * v);
            a2 += (uint32_t)(*w2++ * v);
            a3 += (uint32_t)(*w3++ * v);
        }
        const uint32_t acc[4] = {a0, a1, a2, a3};
        for (uint32_t i = 0; i < count; ++i) {
            const uint32_t channel = block->first + r + i;
            y[r + i] = wpk_requantise(requant, channel,
                                      (int32_t)(acc[i] + (uint32_t)wpk_bias(requant, channel)));
        }
    }
}

#endif
