/* Codec 2, dCSR: columns as a line plus small deltas, in groups of 16 lanes (docs/FORMAT.md). */
#include "codec_sparse.h"
#include "list_kernels.h"

enum {
    SECTION_MINIMA = 3,
    SECTION_NIBBLES = 4,
    SECTION_PLANES = 5,
    SECTION_MASKS = 6,
    SECTIONS = 7,
    LANES = 16,
    MAX_OFFSET = 255
};
enum { ELEMENT = 0, GROUP = 1, MASK = 2, STREAMS = 3 };

static uint32_t slope_of(uint32_t cols, uint32_t count) {
    return count == 0 ? 0 : (cols + count / 2) / count;
}

static uint32_t bits_of_nibble(uint32_t nibble) {
    const uint32_t pairs = nibble - (nibble >> 1 & 5);
    return (pairs & 3) + (pairs >> 2);
}

/* The lane's delta; `masks` are the group's own. */
static uint32_t delta_of(const wpk_blob *blob, uint32_t group, uint32_t planes,
                         const uint8_t *masks, uint32_t lane) {
    const uint32_t pair = blob->section[SECTION_NIBBLES][(size_t)(group / 2) * LANES + lane];
    uint32_t delta = (group & 1) == 0 ? pair >> 4 : pair & 15;
    for (uint32_t q = 0; q < 4; ++q) {
        if ((planes >> q & 1) != 0) {
            delta |= (wpk_load_u16(masks) >> lane & 1) << (4 + q);
            masks += 2;
        }
    }
    return delta;
}

/* Checks a row of `count` elements where the cursor stands and moves the cursor behind it. */
static bool row_is_valid(const wpk_blob *blob, wpk_cursor *cursor, uint32_t count) {
    const uint32_t slope = slope_of(blob->cols, count);
    int64_t base = 0, previous = -1;
    for (uint32_t done = 0; done < count; done += LANES) {
        const uint32_t group = cursor->at[GROUP]++;
        if (group >= blob->section_nbytes[SECTION_MINIMA]) {
            return false;
        }
        base += (int8_t)blob->section[SECTION_MINIMA][group];
        base += done == 0 ? 0 : LANES * (int64_t)slope;
        const uint32_t planes = wpk_nibble(blob->section[SECTION_PLANES], group);
        const uint32_t masks = bits_of_nibble(planes);
        if (masks > blob->section_nbytes[SECTION_MASKS] / 2 - cursor->at[MASK]) {
            return false;
        }
        const uint8_t *const mask = blob->section[SECTION_MASKS] + 2 * (size_t)cursor->at[MASK];
        cursor->at[MASK] += masks;
        for (uint32_t lane = 0; lane < LANES && lane < count - done; ++lane) {
            const uint64_t offset =
                (uint64_t)slope * lane + delta_of(blob, group, planes, mask, lane);
            const int64_t column = base + (int64_t)offset;
            if (offset > MAX_OFFSET || column <= previous || column >= (int64_t)blob->cols) {
                return false;
            }
            previous = column;
        }
    }
    cursor->at[ELEMENT] += count;
    return true;
}

static wpk_status check(const wpk_blob *blob) {
    if (blob->codec != wpk_codec_dcsr.number) {
        return WPK_UNKNOWN_CODEC;
    }
    const uint32_t total = blob->section_nbytes[WPK_SECTION_VALUES];
    const uint64_t pairs = ((uint64_t)blob->section_nbytes[SECTION_MINIMA] + 1) / 2;
    if (!wpk_sparse_sections_fit(blob, SECTIONS, STREAMS) ||
        blob->section_nbytes[SECTION_NIBBLES] != LANES * pairs ||
        blob->section_nbytes[SECTION_PLANES] != pairs ||
        blob->section_nbytes[SECTION_MASKS] % 2 != 0) {
        return WPK_BAD_BLOB;
    }
    const wpk_counts counts = wpk_counts_of(blob);
    wpk_cursor cursor = {0};
    for (; cursor.row < blob->rows; ++cursor.row) {
        const uint32_t count = wpk_count(&counts, cursor.row);
        if (!wpk_sparse_index_agrees(blob, &cursor, STREAMS) ||
            count > total - cursor.at[ELEMENT] || !row_is_valid(blob, &cursor, count)) {
            return WPK_BAD_BLOB;
        }
    }
    return cursor.at[ELEMENT] == total &&
                   cursor.at[GROUP] == blob->section_nbytes[SECTION_MINIMA] &&
                   cursor.at[MASK] == blob->section_nbytes[SECTION_MASKS] / 2
               ? WPK_OK
               : WPK_BAD_BLOB;
}

/* To the row `first`, over the rows before it in its block. */
WPK_NOINLINE void seek(const wpk_blob *blob, const wpk_counts *counts, wpk_cursor *cursor,
                       uint32_t first) {
    wpk_sparse_seek_block(blob, cursor, first, STREAMS);
    for (; cursor->row < first; ++cursor->row) {
        const uint32_t count = wpk_count(counts, cursor->row);
        cursor->at[ELEMENT] += count;
        for (uint32_t groups = (count + LANES - 1) / LANES; groups > 0; --groups) {
            const uint32_t planes = wpk_nibble(blob->section[SECTION_PLANES], cursor->at[GROUP]++);
            cursor->at[MASK] += bits_of_nibble(planes);
        }
    }
}

/* The counts, with the cursor at a row. */
static inline wpk_counts counts_at(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row) {
    const wpk_counts counts = wpk_counts_of(blob);
    if (cursor->row != row) {
        seek(blob, &counts, cursor, row);
    }
    return counts;
}

/* A row that is being read, group by group. */
typedef struct {
    const uint8_t *nibbles, *planes; /* of the whole blob */
    const int8_t *value, *minimum;
    const uint8_t *mask;
    uint32_t group, left; /* left: elements */
    uint32_t slope;
} reader;

static inline reader open_row(const wpk_blob *blob, const wpk_counts *counts,
                              const wpk_cursor *cursor) {
    const uint32_t count = wpk_count(counts, cursor->row);
    return (reader){
        .nibbles = blob->section[SECTION_NIBBLES],
        .planes = blob->section[SECTION_PLANES],
        .value = (const int8_t *)blob->section[WPK_SECTION_VALUES] + cursor->at[ELEMENT],
        .minimum = (const int8_t *)blob->section[SECTION_MINIMA] + cursor->at[GROUP],
        .mask = blob->section[SECTION_MASKS] + 2 * (size_t)cursor->at[MASK],
        .group = cursor->at[GROUP],
        .left = count,
        .slope = slope_of(blob->cols, count),
    };
}

static inline void close_row(const wpk_blob *blob, const reader *r, uint32_t count,
                             wpk_cursor *cursor) {
    cursor->at[ELEMENT] += count;
    cursor->at[GROUP] = r->group;
    cursor->at[MASK] = (uint32_t)(r->mask - blob->section[SECTION_MASKS]) / 2;
    ++cursor->row;
}

#if WPK_MVE
#include "dcsr_rows_mve.h"
#else
#include "dcsr_rows_plain.h"
#endif

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    const wpk_counts counts = counts_at(blob, cursor, first);
    wpk_cursor at = *cursor;
    wpk_fill(dst, 0, count * stride);
    for (; count > 0; --count, dst += stride) {
        reader r = open_row(blob, &counts, &at);
        const uint32_t elements = r.left;
        decode_row(&r, dst);
        close_row(blob, &r, elements, &at);
    }
    *cursor = at;
}

static int32_t dot(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x) {
    const wpk_counts counts = counts_at(blob, cursor, row);
    reader r = open_row(blob, &counts, cursor);
    const uint32_t elements = r.left;
    const int32_t sum = dot_row(&r, x);
    close_row(blob, &r, elements, cursor);
    return sum;
}

static uint32_t list(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, uint32_t scale,
                     wpk_entry *entries, uint32_t capacity) {
    const wpk_counts counts = counts_at(blob, cursor, row);
    reader r = open_row(blob, &counts, cursor);
    const uint32_t elements = r.left;
    if (elements > capacity) {
        return WPK_NO_ROOM;
    }
    list_row(&r, scale, entries);
    close_row(blob, &r, elements, cursor);
    return elements;
}

#if WPK_MVE

static uint32_t to_groups(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, wpk_group *group,
                          uint32_t capacity) {
    const wpk_counts counts = counts_at(blob, cursor, row);
    reader r = open_row(blob, &counts, cursor);
    const uint32_t elements = r.left, count = (elements + LANES - 1) / LANES;
    if (count > capacity) {
        return WPK_NO_ROOM;
    }
    group_row(&r, group);
    close_row(blob, &r, elements, cursor);
    return count;
}

#else

#define to_groups NULL

#endif

const wpk_codec wpk_codec_dcsr = {
    WPK_CODEC_IDENTITY(dcsr),
    .check = check,
    .decode = decode,
    .list = list,
    .dot = dot,
    .groups = to_groups,
    .list_kernels = &wpk_lists,
    .stored = wpk_sparse_stored,
};
