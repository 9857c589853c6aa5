/* Codec 3, bitmap: a bit a weight, and the weights that are not 0 (docs/FORMAT.md). */
#include "codec_sparse.h"
#include "list_kernels.h"

enum { SECTION_BITS = 1, SECTIONS = 3, STREAMS = 1 };

static inline uint32_t row_nbytes(const wpk_blob *blob) {
    return (blob->cols + 7) / 8;
}

/* 1 to 3 bytes as a word. */
static inline uint32_t load_rest(const uint8_t *at, uint32_t nbytes) {
    const uint32_t word = nbytes == 1 ? *at : wpk_load_u16(at);
    return nbytes == 3 ? word | (uint32_t)at[2] << 16 : word;
}

static inline uint32_t ones_of_word(uint32_t word) {
    word -= word >> 1 & 0x55555555u;
    word = (word & 0x33333333u) + (word >> 2 & 0x33333333u);
    return ((word + (word >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;
}

static uint32_t ones(const uint8_t *bits, uint32_t nbytes) {
    uint32_t sum = 0;
    for (; nbytes >= 4; nbytes -= 4, bits += 4) {
        sum += ones_of_word(wpk_load_u32(bits));
    }
    return nbytes == 0 ? sum : sum + ones_of_word(load_rest(bits, nbytes));
}

static wpk_status check(const wpk_blob *blob) {
    if (blob->codec != wpk_codec_bitmap.number) {
        return WPK_UNKNOWN_CODEC;
    }
    const uint32_t nbytes = row_nbytes(blob);
    if (blob->section_count != SECTIONS || (blob->flags & ~WPK_FLAG_WIDE_INDEX) != 0 ||
        !wpk_sparse_index_fits(blob, STREAMS) ||
        blob->section_nbytes[SECTION_BITS] != (uint64_t)blob->rows * nbytes) {
        return WPK_BAD_BLOB;
    }
    const uint32_t unused = 8 * nbytes - blob->cols;
    const uint8_t *bits = blob->section[SECTION_BITS];
    wpk_cursor cursor = {0};
    for (; cursor.row < blob->rows; ++cursor.row, bits += nbytes) {
        if (!wpk_sparse_index_agrees(blob, &cursor, STREAMS) ||
            bits[nbytes - 1] >> (8 - unused) != 0) {
            return WPK_BAD_BLOB;
        }
        cursor.at[0] += ones(bits, nbytes);
    }
    return cursor.at[0] == blob->section_nbytes[WPK_SECTION_VALUES] ? WPK_OK : WPK_BAD_BLOB;
}

/* A row that is being read; the next one lies behind it. */
typedef struct {
    const uint8_t *bits;
    const int8_t *value;
} reader;

static inline reader open_row(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row) {
    const uint32_t nbytes = row_nbytes(blob);
    if (cursor->row != row) {
        wpk_sparse_seek_block(blob, cursor, row, STREAMS);
        cursor->at[0] +=
            ones(blob->section[SECTION_BITS] + cursor->row * nbytes, (row - cursor->row) * nbytes);
        cursor->row = row;
    }
    return (reader){blob->section[SECTION_BITS] + row * nbytes,
                    (const int8_t *)blob->section[WPK_SECTION_VALUES] + cursor->at[0]};
}

static inline void close_row(const wpk_blob *blob, const reader *r, wpk_cursor *cursor) {
    cursor->at[0] = (uint32_t)(r->value - (const int8_t *)blob->section[WPK_SECTION_VALUES]);
    ++cursor->row;
}

#if WPK_MVE || WPK_DSP || WPK_THUMB2

/* The first column in the highest bit, where CLZ looks for it. */
static inline uint32_t ordered(uint32_t word) {
    __asm__("rbit %0, %0" : "+r"(word));
    return word;
}

/* The first column of a word that is not 0. */
static inline uint32_t first_column(uint32_t word) {
    return (uint32_t)__builtin_clz(word);
}

/* Clears the bit of the first column; whether others are left. Compilers compare once more. */
static inline bool next_column(uint32_t *word, uint32_t column) {
    bool more;
    __asm__("eors %0, %0, %2" : "+r"(*word), "=@ccne"(more) : "r"(0x80000000u >> column));
    return more;
}

#else

static inline uint32_t ordered(uint32_t word) {
    return word;
}

static inline uint32_t first_column(uint32_t word) {
    return (uint32_t)__builtin_ctz(word);
}

static inline bool next_column(uint32_t *word, uint32_t column) {
    *word ^= 1u << column;
    return *word != 0;
}

#endif

static inline const int8_t *list_word(uint32_t word, const int8_t *value, uint32_t offset,
                                      uint32_t scale, wpk_entry **entry) {
    for (bool more = word != 0; more; ++*entry) {
        const uint32_t column = first_column(word);
        wpk_store_entry(*entry, offset + column * scale, *value++);
        more = next_column(&word, column);
    }
    return value;
}

static inline wpk_entry *list_row(reader *r, uint32_t cols, uint32_t scale, wpk_entry *entry) {
    const uint32_t nbytes = (cols + 7) / 8;
    uint32_t at = 0;
    for (uint32_t words = nbytes / 4; words > 0; --words, r->bits += 4, at += 32 * scale) {
        r->value = list_word(ordered(wpk_load_u32(r->bits)), r->value, at, scale, &entry);
    }
    if (nbytes % 4 != 0) {
        r->value = list_word(ordered(load_rest(r->bits, nbytes % 4)), r->value, at, scale, &entry);
    }
    return entry;
}

#if WPK_MVE

enum { LANES = 16 };

/* The next weights, one a lane; bits of lanes that are not used are 0. A bit is the lane's
 * predicate, and the bits up to it count to its value. */
static inline int8x16_t next_weights(reader *r, mve_pred16_t stored) {
    uint32_t total;
    const uint8x16_t one = vdupq_n_u8(1), zero = vdupq_n_u8(0);
    const uint8x16_t positions = wpk_prefix_sums(vpselq_u8(one, zero, stored), &total);
    const int8x16_t weights = vldrbq_gather_offset_z_s8(r->value - 1, positions, stored);
    r->value += total;
    return weights;
}

static inline mve_pred16_t next_bits(reader *r) {
    const mve_pred16_t bits = (mve_pred16_t)wpk_load_u16(r->bits);
    r->bits += 2;
    return bits;
}

/* Of the last, at most 15, columns of a row. */
static inline mve_pred16_t last_bits(reader *r, uint32_t cols) {
    const uint32_t nbytes = cols > 8 ? 2 : 1;
    const uint32_t bits = load_rest(r->bits, nbytes);
    r->bits += nbytes;
    return (mve_pred16_t)bits;
}

static inline void decode_row(reader *r, uint32_t cols, int8_t *row, uint32_t stride) {
    for (uint32_t groups = cols / LANES; groups > 0; --groups, row += LANES) {
        vstrbq_s8(row, next_weights(r, next_bits(r)));
    }
    const uint32_t left = cols % LANES;
    if (left > 0) {
        vstrbq_p_s8(row, next_weights(r, last_bits(r, left)), vctp8q(left));
    }
    wpk_fill(row + left, 0, stride - cols);
}

static inline int32_t dot_row(reader *r, uint32_t cols, const int8_t *x) {
    int32_t acc = 0;
    for (uint32_t groups = cols / LANES; groups > 0; --groups, x += LANES) {
        acc = vmladavaq_s8(acc, vldrbq_s8(x), next_weights(r, next_bits(r)));
    }
    const uint32_t left = cols % LANES;
    if (left > 0) {
        const int8x16_t weights = next_weights(r, last_bits(r, left));
        acc = vmladavaq_s8(acc, vldrbq_z_s8(x, vctp8q(left)), weights);
    }
    return acc;
}

#else

static inline const int8_t *decode_word(uint32_t word, const int8_t *value, int8_t *row) {
    for (bool more = word != 0; more;) {
        const uint32_t column = first_column(word);
        row[column] = *value++;
        more = next_column(&word, column);
    }
    return value;
}

static inline const int8_t *dot_word(uint32_t word, const int8_t *value, const int8_t *x,
                                     uint32_t *acc) {
    for (bool more = word != 0; more;) {
        const uint32_t column = first_column(word);
        *acc += (uint32_t)(x[column] * *value++);
        more = next_column(&word, column);
    }
    return value;
}

static inline void decode_row(reader *r, uint32_t cols, int8_t *row, uint32_t stride) {
    const uint32_t nbytes = (cols + 7) / 8;
    wpk_fill(row, 0, stride);
    for (uint32_t words = nbytes / 4; words > 0; --words, r->bits += 4, row += 32) {
        r->value = decode_word(ordered(wpk_load_u32(r->bits)), r->value, row);
    }
    if (nbytes % 4 != 0) {
        r->value = decode_word(ordered(load_rest(r->bits, nbytes % 4)), r->value, row);
    }
}

static inline int32_t dot_row(reader *r, uint32_t cols, const int8_t *x) {
    const uint32_t nbytes = (cols + 7) / 8;
    uint32_t acc = 0;
    for (uint32_t words = nbytes / 4; words > 0; --words, r->bits += 4, x += 32) {
        r->value = dot_word(ordered(wpk_load_u32(r->bits)), r->value, x, &acc);
    }
    if (nbytes % 4 != 0) {
        r->value = dot_word(ordered(load_rest(r->bits, nbytes % 4)), r->value, x, &acc);
    }
    return (int32_t)acc;
}

#endif

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    for (; count > 0; --count, ++first, dst += stride) {
        reader r = open_row(blob, cursor, first);
        decode_row(&r, blob->cols, dst, stride);
        close_row(blob, &r, cursor);
    }
}

static int32_t dot(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x) {
    reader r = open_row(blob, cursor, row);
    const int32_t sum = dot_row(&r, blob->cols, x);
    close_row(blob, &r, cursor);
    return sum;
}

static uint32_t list(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, uint32_t scale,
                     wpk_entry *entries, uint32_t capacity) {
    reader r = open_row(blob, cursor, row);
    if (capacity < blob->cols && ones(r.bits, row_nbytes(blob)) > capacity) {
        return WPK_NO_ROOM;
    }
    const wpk_entry *const end = list_row(&r, blob->cols, scale, entries);
    close_row(blob, &r, cursor);
    return (uint32_t)(end - entries);
}

const wpk_codec wpk_codec_bitmap = {
    WPK_CODEC_IDENTITY(bitmap),
    .check = check,
    .decode = decode,
    .list = list,
    .dot = dot,
    .list_kernels = &wpk_lists,
    .stored = wpk_sparse_stored,
};
