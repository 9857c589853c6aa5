/* The matrix product for Armv7-M cores without DSP instructions: one multiply-accumulate an
 * instruction.
 *
 * Rows are read as they are. Four pixels at a time are widened to 16 bits and interleaved, without
 * their offset; the inner loop is 2 rows × 4 pixels. */
#include <stdbool.h>

#include "finish.h"
#include "gemm.h"

#if WPK_THUMB2

enum { TILE_PIXELS = 4 };

/* Interleave pixels and subtract the offset: element (p, c) at c · TILE_PIXELS + p. */
static void load_tile(const wpk_pixels *pixels, uint32_t first, uint32_t count, uint32_t cols,
                      int32_t offset, int16_t *tile) {
    for (uint32_t p = 0; p < count; ++p) {
        const int8_t *const x = pixels->data + (first + p) * pixels->stride;
        for (uint32_t c = 0; c < cols; ++c) {
            tile[c * TILE_PIXELS + p] = (int16_t)(x[c] - offset);
        }
    }
}

#define COLUMN                            \
    "ldrsb %[m], [%[w]], #1\n\t"          \
    "ldrsb %[half], [%[shift]], #1\n\t"   \
    "ldrsh %[y], [%[x]], #2\n\t"          \
    "mla %[a0], %[m], %[y], %[a0]\n\t"    \
    "mla %[a4], %[half], %[y], %[a4]\n\t" \
    "ldrsh %[y], [%[x]], #2\n\t"          \
    "mla %[a1], %[m], %[y], %[a1]\n\t"    \
    "mla %[a5], %[half], %[y], %[a5]\n\t" \
    "ldrsh %[y], [%[x]], #2\n\t"          \
    "mla %[a2], %[m], %[y], %[a2]\n\t"    \
    "mla %[a6], %[half], %[y], %[a6]\n\t" \
    "ldrsh %[y], [%[x]], #2\n\t"          \
    "mla %[a3], %[m], %[y], %[a3]\n\t"    \
    "mla %[a7], %[half], %[y], %[a7]\n\t"

/* Over all columns. %[shift] is the second row. Bounds and pointers stay in memory, all registers
 * are in use. */
#define COLUMNS                          \
    "ldr %[m], %[fours]\n\t"             \
    "cmp %[m], %[w]\n\t"                 \
    "beq 2f\n\t"                         \
    "1:\n\t" COLUMN COLUMN COLUMN COLUMN \
    "ldr %[m], %[fours]\n\t"             \
    "cmp %[m], %[w]\n\t"                 \
    "bne 1b\n\t"                         \
    "2:\n\t"                             \
    "ldr %[m], %[end]\n\t"               \
    "cmp %[m], %[w]\n\t"                 \
    "beq 4f\n\t"                         \
    "3:\n\t" COLUMN                      \
    "ldr %[m], %[end]\n\t"               \
    "cmp %[m], %[w]\n\t"                 \
    "bne 3b\n\t"                         \
    "4:\n\t"
#define REGISTERS                                                                               \
    [w] "+r"(w), [shift] "+r"(w1), [x] "+r"(x), [a0] "=&r"(a0), [a1] "=&r"(a1), [a2] "=&r"(a2), \
        [a3] "=&r"(a3), [a4] "=&r"(a4), [a5] "=&r"(a5), [a6] "=&r"(a6), [a7] "=&r"(a7),         \
        [m] "=&r"(m), [half] "=&r"(half), [y] "=&r"(at)

/* Two rows times four pixels; both channels take the fast path. */
static inline void multiply_tile(const wpk_channel *channel, const int8_t *w, const int8_t *w1,
                                 const int16_t *x, uint32_t cols, int8_t *y, uint32_t y_stride) {
    const int8_t *const fours = w + (cols & ~3u), *const end = w + cols;
    uint32_t a0, a1, a2, a3, a4, a5, a6, a7, m, half, at;
    __asm__ volatile(WPK_LOAD_BIASES COLUMNS WPK_FINISH_TILE:REGISTERS
                     : [channel] "m"(channel), [fours] "m"(fours), [end] "m"(end), [out] "m"(y),
                       [pitch] "m"(y_stride)
                     : "cc", "memory");
}

/* The same without requantisation, for any two channels next to each other. */
static inline void sum_tile(const wpk_channel *channel, const int8_t *w, const int8_t *w1,
                            const int16_t *x, uint32_t cols, uint32_t *acc) {
    const int8_t *const fours = w + (cols & ~3u), *const end = w + cols;
    uint32_t a0, a1, a2, a3, a4, a5, a6, a7, m, half, at;
    __asm__ volatile(WPK_LOAD_BIASES COLUMNS WPK_STORE_SUMS:REGISTERS
                     : [channel] "m"(channel), [fours] "m"(fours), [end] "m"(end), [acc] "m"(acc)
                     : "cc", "memory");
}

/* One row times one pixel of a tile. */
static uint32_t sum_one(const int8_t *w, const int16_t *x, uint32_t cols, uint32_t acc) {
    for (; cols >= 4; cols -= 4, w += 4, x += 4 * TILE_PIXELS) {
        acc += (uint32_t)(w[0] * x[0]);
        acc += (uint32_t)(w[1] * x[TILE_PIXELS]);
        acc += (uint32_t)(w[2] * x[2 * TILE_PIXELS]);
        acc += (uint32_t)(w[3] * x[3 * TILE_PIXELS]);
    }
    for (; cols > 0; --cols, ++w, x += TILE_PIXELS) {
        acc += (uint32_t)(*w * *x);
    }
    return acc;
}

/* Rows r and, if there is one, r + 1. */
static void multiply_pair(const wpk_block *block, uint32_t r, const int8_t *row,
                          const int16_t *tile, uint32_t count, int8_t *y, uint32_t y_stride) {
    const wpk_channel *const channel = (const wpk_channel *)block->channels + r;
    const uint32_t rows = r + 1 < block->count ? 2 : 1, cols = block->cols;
    if (rows == 2 && count == TILE_PIXELS && channel[0].fast && channel[1].fast) {
        multiply_tile(channel, row, row + block->stride, tile, cols, y, y_stride);
        return;
    }
    uint32_t acc[2 * TILE_PIXELS];
    if (rows == 2 && count > 2) {
        sum_tile(channel, row, row + block->stride, tile, cols, acc);
    } else {
        for (uint32_t i = 0; i < rows * count; ++i) {
            const uint32_t second = i >= count, p = i - second * count;
            acc[second * TILE_PIXELS + p] = sum_one(row + second * block->stride, tile + p, cols,
                                                    (uint32_t)channel[second].bias);
        }
    }
    for (uint32_t p = 0; p < count; ++p, y += y_stride) {
        for (uint32_t i = 0; i < rows; ++i) {
            y[i] = wpk_finish(block->requant, &channel[i], (int32_t)acc[i * TILE_PIXELS + p]);
        }
    }
}

void wpk_gemm_run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                  void *scratch) {
    for (uint32_t first = 0; first < pixels->count; first += TILE_PIXELS) {
        const uint32_t left = pixels->count - first;
        const uint32_t count = left < TILE_PIXELS ? left : TILE_PIXELS;
        load_tile(pixels, first, count, block->cols, block->requant->input_offset, scratch);
        const int8_t *row = block->rows;
        int8_t *const out = y + first * y_stride;
        for (uint32_t r = 0; r < block->count; r += 2, row += 2 * block->stride) {
            multiply_pair(block, r, row, scratch, count, out + r, y_stride);
        }
    }
}

/* One column of four rows. */
#define ROW(acc, w)     \
    "ldrsb %[t], [%[" w \
    "]], #1\n\t"        \
    "mla %[" acc "], %[t], %[v], %[" acc "]\n\t"
#define ROWS                                                                        \
    "ldrsb %[v], [%[x]], #1\n\t"                                                    \
    "sub %[v], %[v], %[offset]\n\t" ROW("a0", "w0") ROW("a1", "w1") ROW("a2", "w2") \
        ROW("a3", "w3")

void wpk_gemm_vector(const wpk_block *block, const int8_t *x, int8_t *y) {
    const wpk_requant *const requant = block->requant;
    const uint32_t cols = block->cols, stride = block->stride;
    const int8_t *row = block->rows;
    for (uint32_t r = 0; r < block->count; r += 4, row += 4 * stride) {
        /* A row that is not there is computed as another one and dropped. */
        const uint32_t count = block->count - r < 4 ? block->count - r : 4;
        const int8_t *w0 = row, *w1 = row + (count > 1 ? stride : 0),
                     *w2 = row + (count > 2 ? 2 * stride : 0),
                     *w3 = row + (count > 3 ? 3 * stride : 0), *from = x;
        uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0, t, v;
        const int8_t *const end4 = x + (cols & ~3u), *const end = x + cols;
        __asm__ volatile(
            "ldr %[t], %[end4]\n\t"
            "cmp %[t], %[x]\n\t"
            "beq 2f\n\t"
            "1:\n\t" ROWS ROWS ROWS ROWS
            "ldr %[t], %[end4]\n\t"
            "cmp %[t], %[x]\n\t"
            "bne 1b\n\t"
            "2:\n\t"
            "ldr %[t], %[end]\n\t"
            "cmp %[t], %[x]\n\t"
            "beq 4f\n\t"
            "3:\n\t" ROWS
            "ldr %[t], %[end]\n\t"
            "cmp %[t], %[x]\n\t"
            "bne 3b\n\t"
            "4:\n\t"
            : [x] "+r"(from), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3),
              [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [t] "=&r"(t), [v] "=&r"(v)
            : [end4] "m"(end4), [end] "m"(end), [offset] "r"((int32_t)requant->input_offset)
            : "cc", "memory");
        const uint32_t acc[4] = {a0, a1, a2, a3};
        for (uint32_t i = 0; i < count; ++i) {
            const uint32_t channel = block->first + r + i;
            y[r + i] = wpk_requantise(requant, channel,
                                      (int32_t)(acc[i] + (uint32_t)wpk_bias(requant, channel)));
        }
    }
}

#endif
