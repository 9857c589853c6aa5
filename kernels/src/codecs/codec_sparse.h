/* What the sparse codecs share: row counts and row index (docs/FORMAT.md, "Blob"). */
#ifndef WPK_SRC_CODEC_SPARSE_H
#define WPK_SRC_CODEC_SPARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/bytes.h"
#include "wpk/codec.h"

enum { WPK_SECTION_INDEX = 0, WPK_SECTION_COUNTS = 1, WPK_SECTION_VALUES = 2 };
enum { WPK_FLAG_COUNT_TYPE = 3, WPK_FLAG_WIDE_INDEX = 4 };

/* The row counts of a blob, ready to be read. */
typedef struct {
    const uint8_t *bytes;
    uint32_t width_log2;
    uint32_t mean;
} wpk_counts;

static inline wpk_counts wpk_counts_of(const wpk_blob *blob) {
    return (wpk_counts){blob->section[WPK_SECTION_COUNTS], blob->flags & WPK_FLAG_COUNT_TYPE,
                        blob->section_nbytes[WPK_SECTION_VALUES] / blob->rows};
}

/* The stored elements of a row; of unchecked blobs any 32-bit number, which then is not below 2^31
 * if the stored difference made it negative. */
static inline uint32_t wpk_count(const wpk_counts *counts, uint32_t row) {
    const uint8_t *const at = counts->bytes + (row << counts->width_log2);
    uint32_t difference;
    if (counts->width_log2 == 0) {
        difference = (uint32_t)(int32_t)(int8_t)*at;
    } else if (counts->width_log2 == 1) {
        difference = (uint32_t)(int32_t)(int16_t)wpk_load_u16(at);
    } else {
        difference = wpk_load_u32(at);
    }
    return counts->mean + difference;
}

/* wpk_codec.stored of codecs with a values section. */
uint32_t wpk_sparse_stored(const wpk_blob *blob);

static inline uint32_t wpk_nibble(const uint8_t *bytes, uint32_t i) {
    return (i & 1) == 0 ? (uint32_t)bytes[i >> 1] >> 4 : bytes[i >> 1] & 15u;
}

#if WPK_MVE

/* Sums of bytes up to each lane, and of all of them; below 256. A product with 0x01010101 makes
 * them in each word; its top byte is what the word adds to those behind it. */
static inline uint8x16_t wpk_prefix_sums(uint8x16_t bytes, uint32_t *total) {
    const uint32x4_t words = vmulq_n_u32(vreinterpretq_u32_u8(bytes), 0x01010101u);
    uint32_t a, b, c, d;
    uint32x4_t before;
    __asm__(
        "vmov %[a], %[c], %q[words][2], %q[words][0]\n\t"
        "vmov %[b], %[d], %q[words][3], %q[words][1]\n\t"
        "lsr %[a], %[a], #24\n\t"
        "add %[b], %[a], %[b], lsr #24\n\t"
        "add %[c], %[b], %[c], lsr #24\n\t"
        "add %[d], %[c], %[d], lsr #24\n\t"
        "vmov %q[before][2], %q[before][0], %[zero], %[b]\n\t"
        "vmov %q[before][3], %q[before][1], %[a], %[c]\n\t"
        : [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [before] "=&w"(before)
        : [words] "w"(words), [zero] "r"(0));
    *total = d;
    return vreinterpretq_u8_u32(vmlaq_n_u32(words, before, 0x01010101u));
}

#endif

/* The length of the row index. */
bool wpk_sparse_index_fits(const wpk_blob *blob, uint32_t streams);

/* Both members of an entry in one store. */
static inline void wpk_store_entry(wpk_entry *entry, uint32_t offset, int32_t value) {
    const uint32_t first = WPK_MVE ? (uint16_t)value : offset;
    const uint32_t second = WPK_MVE ? offset : (uint32_t)value;
    wpk_store_u32(entry, first | second << 16);
}

/* Flags, section count, and the lengths of row index and row counts. */
bool wpk_sparse_sections_fit(const wpk_blob *blob, uint32_t sections, uint32_t streams);

/* At the first row of a block, the row index must hold the positions reached. True for other rows.
 */
bool wpk_sparse_index_agrees(const wpk_blob *blob, const wpk_cursor *cursor, uint32_t streams);

/* Set the cursor to the first row of the block that holds `row`. */
void wpk_sparse_seek_block(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row,
                           uint32_t streams);

#endif
