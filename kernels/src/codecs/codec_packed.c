/* Codec 4, packed: codes of 1 to 7 bits, integers or positions in tables (docs/FORMAT.md). */
#include "codec_packed.h"

#include <stdbool.h>
#include <stddef.h>

#include "../base/bytes.h"
#include "wpk/codec.h"

enum { SECTION_TABLE = 0, SECTION_CODES = 1, SECTIONS = 2 };
enum { FLAG_BITS = 7, MAPPING_SHIFT = 3 };
enum { SIGNED = 0, OFFSET = 1, TABLE = 2, ROW_TABLES = 3, COLUMN_TABLES = 4 };

static inline uint32_t bits_of(const wpk_blob *blob) {
    return blob->flags & FLAG_BITS;
}

static inline uint32_t mapping_of(const wpk_blob *blob) {
    return (uint32_t)blob->flags >> MAPPING_SHIFT;
}

static inline uint32_t row_nbytes(const wpk_blob *blob) {
    return (uint32_t)(((uint64_t)blob->cols * bits_of(blob) + 7) / 8);
}

/* Value of code 0, if codes are integers. */
static inline int8_t base_of(const wpk_blob *blob) {
    switch (mapping_of(blob)) {
        case SIGNED:
            return (int8_t)(-1 * (1 << (bits_of(blob) - 1)));
        case OFFSET:
            return (int8_t)blob->section[SECTION_TABLE][0];
        default:
            return 0;
    }
}

static uint64_t table_nbytes(const wpk_blob *blob) {
    switch (mapping_of(blob)) {
        case TABLE:
            return (uint64_t)1 << bits_of(blob);
        case ROW_TABLES:
            return (uint64_t)blob->rows << bits_of(blob);
        case COLUMN_TABLES:
            return (uint64_t)blob->cols << bits_of(blob);
        default:
            return mapping_of(blob);
    }
}

static wpk_status check(const wpk_blob *blob) {
    if (blob->codec != wpk_codec_packed.number) {
        return WPK_UNKNOWN_CODEC;
    }
    const bool fits =
        blob->section_count == SECTIONS && bits_of(blob) != 0 &&
        mapping_of(blob) <= COLUMN_TABLES &&
        blob->section_nbytes[SECTION_TABLE] == table_nbytes(blob) &&
        blob->section_nbytes[SECTION_CODES] == (uint64_t)blob->rows * row_nbytes(blob);
    return fits && base_of(blob) <= 128 - (1 << bits_of(blob)) ? WPK_OK : WPK_BAD_BLOB;
}

static inline wpk_packed_row open_row(const wpk_blob *blob, uint32_t row) {
    const int8_t *const table = (const int8_t *)blob->section[SECTION_TABLE];
    const uint32_t mapping = mapping_of(blob);
    return (wpk_packed_row){
        .codes = blob->section[SECTION_CODES] + row * row_nbytes(blob),
        .table = mapping == TABLE        ? table
                 : mapping == ROW_TABLES ? table + (row << bits_of(blob))
                                         : NULL,
        .base = base_of(blob),
    };
}

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    cursor->row = first + count;
    for (uint32_t row = first; row < cursor->row; ++row, dst += stride) {
        wpk_packed_run(open_row(blob, row), bits_of(blob), blob->cols, NULL, dst);
        if (mapping_of(blob) == COLUMN_TABLES) {
            wpk_packed_map_columns((const int8_t *)blob->section[SECTION_TABLE], bits_of(blob),
                                   blob->cols, dst);
        }
        wpk_fill(dst + blob->cols, 0, stride - blob->cols);
    }
}

/* A row of a blob with a table per column. Those are for depthwise convolutions, which decode. */
static int32_t dot_with_column_tables(const wpk_blob *blob, uint32_t row, const int8_t *x) {
    const uint32_t bits = bits_of(blob);
    const uint8_t *const codes = blob->section[SECTION_CODES] + row * row_nbytes(blob);
    const int8_t *table = (const int8_t *)blob->section[SECTION_TABLE];
    uint32_t acc = 0;
    for (uint64_t at = 0; at < (uint64_t)blob->cols * bits; at += bits, table += 1u << bits) {
        const uint32_t low = codes[at / 8], high = codes[(at + bits - 1) / 8];
        const uint32_t code = (low | high << 8) >> at % 8 & ((1u << bits) - 1);
        acc += (uint32_t)(table[code] * *x++);
    }
    return (int32_t)acc;
}

static int32_t dot(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x) {
    const uint32_t bits = bits_of(blob), cols = blob->cols;
    cursor->row = row + 1;
    if (mapping_of(blob) == COLUMN_TABLES) {
        return dot_with_column_tables(blob, row, x);
    }
    return wpk_packed_run(open_row(blob, row), bits, cols, x, NULL);
}

const wpk_codec wpk_codec_packed = {
    WPK_CODEC_IDENTITY(packed),
    .check = check,
    .decode = decode,
    .dot = dot,
};
