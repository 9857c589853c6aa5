#include "lists.h"

#include "../base/bytes.h"
#include "../gemm/finish.h"
#include "lists_plan.h"

#if !WPK_MVE

enum { TILE_PIXELS = WPK_LIST_PIXELS };

/* A list: the number of entries, with padding, and the entries. */
typedef struct {
    uint32_t count;
    wpk_entry entry[];
} row_list;

_Static_assert(sizeof(row_list) == WPK_LIST_HEAD_NBYTES, "what scratch is planned with");

static void load(wpk_block *block, const wpk_weights *weights, wpk_cursor *cursor, void *lists,
                 uint32_t nbytes) {
    uint8_t *at = lists;
    const uint8_t *const end = at + nbytes;
    uint32_t r = 0;
    for (; r < block->count && (uint32_t)(end - at) > wpk_list_nbytes(WPK_THIS_CORE, 0); ++r) {
        row_list *const list = (row_list *)(void *)at;
        const uint32_t capacity =
            ((uint32_t)(end - at) - (uint32_t)wpk_list_nbytes(WPK_THIS_CORE, 0)) /
            sizeof(wpk_entry);
        uint32_t count = weights->codec->list(&weights->blob, cursor, block->first + r,
                                              WPK_LIST_SCALE, list->entry, capacity);
        if (count == WPK_NO_ROOM) {
            break;
        }
        while (count % WPK_LIST_PAD != 0) {
            list->entry[count++] = (wpk_entry){0, 0};
        }
        list->count = count;
        at += sizeof(row_list) + count * sizeof(wpk_entry);
    }
    block->count = r;
    block->rows = lists;
}

/* Element (p, c) at c · TILE_PIXELS + p, without the offset. */
#if WPK_DSP

/* Four columns of two pixels to a tile. */
static inline void load_pair(const int8_t *x0, const int8_t *x1, uint32_t addend, int16_t *to) {
    const uint32_t a = wpk_load_u32(x0), b = wpk_load_u32(x1);
    uint32_t even0, odd0, even1, odd1, word;
    __asm__("sxtab16 %0, %1, %2" : "=r"(even0) : "r"(addend), "r"(a));
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd0) : "r"(addend), "r"(a));
    __asm__("sxtab16 %0, %1, %2" : "=r"(even1) : "r"(addend), "r"(b));
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd1) : "r"(addend), "r"(b));
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(word) : "r"(even0), "r"(even1));
    wpk_store_u32(to + 0 * TILE_PIXELS, word);
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(word) : "r"(odd0), "r"(odd1));
    wpk_store_u32(to + 1 * TILE_PIXELS, word);
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(word) : "r"(even1), "r"(even0));
    wpk_store_u32(to + 2 * TILE_PIXELS, word);
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(word) : "r"(odd1), "r"(odd0));
    wpk_store_u32(to + 3 * TILE_PIXELS, word);
}

static void load_tile(const wpk_pixels *pixels, uint32_t first, uint32_t count, uint32_t cols,
                      int32_t offset, int16_t *tile) {
    const uint32_t addend = (uint16_t)-offset * 0x10001u;
    for (uint32_t p = 0; p < count; p += 2) {
        const int8_t *x0 = pixels->data + (first + p) * pixels->stride;
        /* A pixel that is not there is computed as another one and dropped. */
        const int8_t *x1 = p + 1 < count ? x0 + pixels->stride : x0;
        int16_t *to = tile + p;
        for (const int8_t *const end = x0 + (cols & ~3u); x0 != end;
             x0 += 4, x1 += 4, to += 4 * TILE_PIXELS) {
            load_pair(x0, x1, addend, to);
        }
        for (uint32_t c = cols & 3; c > 0; --c, to += TILE_PIXELS) {
            to[0] = (int16_t)(*x0++ - offset);
            to[1] = (int16_t)(*x1++ - offset);
        }
    }
}

#else

static void load_tile(const wpk_pixels *pixels, uint32_t first, uint32_t count, uint32_t cols,
                      int32_t offset, int16_t *tile) {
    for (uint32_t p = 0; p < count; ++p) {
        const int8_t *const x = pixels->data + (first + p) * pixels->stride;
        int16_t *to = tile + p;
        uint32_t c = 0;
        for (; c + 4 <= cols; c += 4, to += 4 * TILE_PIXELS) {
            const int32_t a = x[c] - offset, b = x[c + 1] - offset, d = x[c + 2] - offset,
                          e = x[c + 3] - offset;
            to[0] = (int16_t)a;
            to[TILE_PIXELS] = (int16_t)b;
            to[2 * TILE_PIXELS] = (int16_t)d;
            to[3 * TILE_PIXELS] = (int16_t)e;
        }
        for (; c < cols; ++c, to += TILE_PIXELS) {
            *to = (int16_t)(x[c] - offset);
        }
    }
}

#endif

/* One row times some pixels of a tile. */
static void multiply_some(const wpk_block *block, const wpk_channel *channel, const row_list *list,
                          const int16_t *tile, uint32_t count, int8_t *y, uint32_t y_stride) {
    for (uint32_t p = 0; p < count; ++p, ++tile, y += y_stride) {
        uint32_t acc = (uint32_t)channel->bias;
        for (const wpk_entry *e = list->entry, *const end = e + list->count; e != end; ++e) {
            acc += (uint32_t)(e->value * tile[e->offset / sizeof(int16_t)]);
        }
        *y = wpk_finish(block->requant, channel, (int32_t)acc);
    }
}

#if WPK_DSP || WPK_THUMB2

/* One element times eight pixels. */
#if WPK_DSP
#define ELEMENT                               \
    "ldr %[m], [%[w]], #4\n\t"                \
    "uxtah %[half], %[x], %[m]\n\t"           \
    "ldrd %[shift], %[y], [%[half]]\n\t"      \
    "smlabt %[a0], %[shift], %[m], %[a0]\n\t" \
    "smlatt %[a1], %[shift], %[m], %[a1]\n\t" \
    "smlabt %[a2], %[y], %[m], %[a2]\n\t"     \
    "smlatt %[a3], %[y], %[m], %[a3]\n\t"     \
    "ldrd %[shift], %[y], [%[half], #8]\n\t"  \
    "smlabt %[a4], %[shift], %[m], %[a4]\n\t" \
    "smlatt %[a5], %[shift], %[m], %[a5]\n\t" \
    "smlabt %[a6], %[y], %[m], %[a6]\n\t"     \
    "smlatt %[a7], %[y], %[m], %[a7]\n\t"
#else
#define PIXEL(acc, at)           \
    "ldrsh %[y], [%[half], #" at \
    "]\n\t"                      \
    "mla %[" acc "], %[m], %[y], %[" acc "]\n\t"
#define ELEMENT                                                                         \
    "ldrh %[half], [%[w]], #4\n\t"                                                      \
    "ldrsh %[m], [%[w], #-2]\n\t"                                                       \
    "add %[half], %[half], %[x]\n\t" PIXEL("a0", "0") PIXEL("a1", "2") PIXEL("a2", "4") \
        PIXEL("a3", "6") PIXEL("a4", "8") PIXEL("a5", "10") PIXEL("a6", "12") PIXEL("a7", "14")
#endif

/* The bias and all elements. The loop's bound stays in memory, all registers are in use. */
#define ELEMENTS             \
    "ldr %[m], %[end]\n\t"   \
    "cmp %[m], %[w]\n\t"     \
    "beq 2f\n\t"             \
    "1:\n\t" ELEMENT ELEMENT \
    "ldr %[m], %[end]\n\t"   \
    "cmp %[m], %[w]\n\t"     \
    "bne 1b\n\t"             \
    "2:\n\t"

/* One row times eight pixels; the channel takes the fast path. */
static inline void multiply_eight(const wpk_channel *channel, const row_list *list,
                                  const int16_t *x, int8_t *y, uint32_t y_stride) {
    const wpk_entry *w = list->entry, *const end = w + list->count;
    uint32_t a0, a1, a2, a3, a4, a5, a6, a7, m, half, shift, at;
    __asm__ volatile(WPK_LOAD_BIAS_8 ELEMENTS WPK_LOAD_CHANNEL WPK_FINISH_8:WPK_ALL_REGISTERS
                     : [channel] "m"(channel), [end] "m"(end), [out] "m"(y), [pitch] "m"(y_stride)
                     : "cc", "memory");
}

/* One row times a tile, without requantisation. */
static inline void sum_eight(const wpk_channel *channel, const row_list *list, const int16_t *x,
                             uint32_t *acc) {
    const wpk_entry *w = list->entry, *const end = w + list->count;
    uint32_t a0, a1, a2, a3, a4, a5, a6, a7, m, half, shift, at;
    __asm__ volatile(WPK_LOAD_BIAS_8 ELEMENTS WPK_STORE_SUMS:WPK_ALL_REGISTERS
                     : [channel] "m"(channel), [end] "m"(end), [acc] "m"(acc)
                     : "cc", "memory");
}

static void multiply_row(const wpk_block *block, const wpk_channel *channel, const row_list *list,
                         const int16_t *tile, uint32_t count, int8_t *y, uint32_t y_stride) {
    if (count == TILE_PIXELS && channel->fast) {
        multiply_eight(channel, list, tile, y, y_stride);
        return;
    }
    if (count < 3) {
        multiply_some(block, channel, list, tile, count, y, y_stride);
        return;
    }
    /* Sums of pixels that are not there are dropped. */
    uint32_t acc[TILE_PIXELS];
    sum_eight(channel, list, tile, acc);
    for (uint32_t p = 0; p < count; ++p, y += y_stride) {
        *y = wpk_finish(block->requant, channel, (int32_t)acc[p]);
    }
}

#else

#define multiply_row multiply_some

#endif

static void run(const wpk_block *block, const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                void *scratch) {
    for (uint32_t first = 0; first < pixels->count; first += TILE_PIXELS) {
        const uint32_t left = pixels->count - first;
        const uint32_t count = left < TILE_PIXELS ? left : TILE_PIXELS;
        load_tile(pixels, first, count, block->cols, block->requant->input_offset, scratch);
        const wpk_channel *channel = block->channels;
        const uint8_t *at = block->rows;
        int8_t *const out = y + first * y_stride;
        for (uint32_t r = 0; r < block->count; ++r, ++channel) {
            const row_list *const list = (const row_list *)(const void *)at;
            multiply_row(block, channel, list, scratch, count, out + r, y_stride);
            at += sizeof(row_list) + list->count * sizeof(wpk_entry);
        }
    }
}

const struct wpk_list_kernels wpk_lists = {load, run, NULL};

#endif
