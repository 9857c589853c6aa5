/* Codec 1, RLE: non-zero weights and 4-bit distances between them (docs/FORMAT.md). */
#include "codec_sparse.h"
#include "list_kernels.h"

enum { SECTION_STEPS = 3, SECTIONS = 4, STREAMS = 1, FILLER = 15 };

/* Elements [begin, end) are one row: columns inside, in order, fillers 0. */
static bool row_is_valid(const wpk_blob *blob, uint32_t begin, uint32_t end) {
    const uint8_t *const values = blob->section[WPK_SECTION_VALUES];
    const uint8_t *const steps = blob->section[SECTION_STEPS];
    uint64_t column = 0;
    bool may_stay = true;
    for (uint32_t e = begin; e < end; ++e) {
        const uint32_t step = wpk_nibble(steps, e);
        column += step;
        if (column >= blob->cols || (step == 0 && !may_stay) ||
            (step == FILLER && values[e] != 0)) {
            return false;
        }
        may_stay = step == FILLER;
    }
    return true;
}

static wpk_status check(const wpk_blob *blob) {
    if (blob->codec != wpk_codec_rle.number) {
        return WPK_UNKNOWN_CODEC;
    }
    const uint32_t total = blob->section_nbytes[WPK_SECTION_VALUES];
    if (!wpk_sparse_sections_fit(blob, SECTIONS, STREAMS) ||
        blob->section_nbytes[SECTION_STEPS] != total / 2 + total % 2) {
        return WPK_BAD_BLOB;
    }
    const wpk_counts counts = wpk_counts_of(blob);
    wpk_cursor cursor = {0};
    for (; cursor.row < blob->rows; ++cursor.row) {
        const uint32_t count = wpk_count(&counts, cursor.row);
        if (!wpk_sparse_index_agrees(blob, &cursor, STREAMS) || count > total - cursor.at[0] ||
            !row_is_valid(blob, cursor.at[0], cursor.at[0] + count)) {
            return WPK_BAD_BLOB;
        }
        cursor.at[0] += count;
    }
    return cursor.at[0] == total ? WPK_OK : WPK_BAD_BLOB;
}

/* Does `act` with the step and the weight of each element [begin, end), two to a byte of steps. */
#define FOR_EACH_ELEMENT(blob, begin, end, act)                                              \
    do {                                                                                     \
        const int8_t *value = (const int8_t *)(blob)->section[WPK_SECTION_VALUES] + (begin); \
        const int8_t *const last = value + ((end) - (begin));                                \
        const uint8_t *steps = (blob)->section[SECTION_STEPS] + (begin) / 2;                 \
        if (((begin)&1) != 0 && value < last) {                                              \
            act(*steps++ & 15, *value++);                                                    \
        }                                                                                    \
        for (; last - value >= 2; value += 2) {                                              \
            const uint32_t pair = *steps++;                                                  \
            act(pair >> 4, value[0]);                                                        \
            act(pair & 15, value[1]);                                                        \
        }                                                                                    \
        if (value < last) {                                                                  \
            act(*steps >> 4, *value);                                                        \
        }                                                                                    \
    } while (0)

#if WPK_MVE

enum { LANES = 16 };

/* Steps of 16 elements from their bytes, one in each 16-bit lane; the first is in a high nibble. */
static inline uint8x16_t steps_of(uint16x8_t pairs) {
    const uint16x8_t nibbles = vsliq_n_u16(vshrq_n_u16(pairs, 4), pairs, 8);
    return vandq_u8(vreinterpretq_u8_u16(nibbles), vdupq_n_u8(15));
}

/* Columns are prefix sums of the steps, at most 16 · 15, from the column of the element before. */
static void decode_row(const wpk_blob *blob, uint32_t begin, uint32_t end, int8_t *row) {
    const int8_t *value = (const int8_t *)blob->section[WPK_SECTION_VALUES] + begin;
    const uint8_t *step = blob->section[SECTION_STEPS] + begin / 2;
    uint32_t left = end - begin, total;
    if ((begin & 1) != 0 && left > 0) {
        row += *step++ & 15;
        *row = *value++;
        --left;
    }
    for (; left >= LANES; left -= LANES, value += LANES, step += LANES / 2) {
        const uint8x16_t steps = steps_of(vldrbq_u16(step));
        const uint8x16_t columns = wpk_prefix_sums(steps, &total);
        vstrbq_scatter_offset_p_s8(row, columns, vldrbq_s8(value),
                                   vcmpneq_u8(steps, vdupq_n_u8(FILLER)));
        row += total;
    }
    if (left > 0) {
        const uint8x16_t steps = steps_of(vldrbq_z_u16(step, vctp16q((left + 1) / 2)));
        const uint8x16_t columns = wpk_prefix_sums(steps, &total);
        const int8x16_t values = vldrbq_z_s8(value, vctp8q(left));
        vstrbq_scatter_offset_p_s8(row, columns, values,
                                   vcmpneq_m_n_u8(steps, FILLER, vctp8q(left)));
    }
}

static int32_t dot_row(const wpk_blob *blob, uint32_t begin, uint32_t end, const int8_t *x) {
    const int8_t *value = (const int8_t *)blob->section[WPK_SECTION_VALUES] + begin;
    const uint8_t *step = blob->section[SECTION_STEPS] + begin / 2;
    uint32_t left = end - begin, total;
    int32_t acc = 0;
    if ((begin & 1) != 0 && left > 0) {
        x += *step++ & 15;
        acc = *x * *value++;
        --left;
    }
    /* Fillers have the value 0, and a column inside. */
    for (; left >= LANES; left -= LANES, value += LANES, step += LANES / 2) {
        const uint8x16_t columns = wpk_prefix_sums(steps_of(vldrbq_u16(step)), &total);
        acc = vmladavaq_s8(acc, vldrbq_gather_offset_s8(x, columns), vldrbq_s8(value));
        x += total;
    }
    if (left > 0) {
        const uint8x16_t steps = steps_of(vldrbq_z_u16(step, vctp16q((left + 1) / 2)));
        const uint8x16_t columns = wpk_prefix_sums(steps, &total);
        const mve_pred16_t used = vctp8q(left);
        acc = vmladavaq_s8(acc, vldrbq_gather_offset_z_s8(x, columns, used),
                           vldrbq_z_s8(value, used));
    }
    return acc;
}

/* Steps of 16 elements of which the first is in a low nibble: the high nibbles are those of the
 * bytes behind. */
static inline uint8x16_t odd_steps_of(uint16x8_t pairs, uint16x8_t behind) {
    const uint16x8_t nibbles = vorrq_u16(pairs, vshlq_n_u16(behind, 4));
    return vandq_u8(vreinterpretq_u8_u16(nibbles), vdupq_n_u8(15));
}

static void group_row(const wpk_blob *blob, uint32_t begin, uint32_t left, wpk_group *group) {
    const int8_t *value = (const int8_t *)blob->section[WPK_SECTION_VALUES] + begin;
    const uint8_t *step = blob->section[SECTION_STEPS] + begin / 2;
    const bool odd = (begin & 1) != 0;
    uint32_t total = 0;
    for (; left >= LANES; left -= LANES, ++group, value += LANES, step += LANES / 2) {
        const uint16x8_t pairs = vldrbq_u16(step);
        group->step = (int32_t)total;
        vstrbq_u8(group->offset,
                  wpk_prefix_sums(odd ? odd_steps_of(pairs, vldrbq_u16(step + 1)) : steps_of(pairs),
                                  &total));
        vstrbq_s8(group->value, vldrbq_s8(value));
    }
    if (left > 0) {
        const mve_pred16_t used = vctp8q(left);
        const uint16x8_t pairs = vldrbq_z_u16(step, vctp16q((left + 1) / 2));
        const uint8x16_t steps =
            odd ? odd_steps_of(pairs, vldrbq_z_u16(step + 1, vctp16q(left / 2))) : steps_of(pairs);
        group->step = (int32_t)total;
        /* Without a step a lane stays at the column before. */
        vstrbq_u8(group->offset, wpk_prefix_sums(vpselq_u8(steps, vdupq_n_u8(0), used), &total));
        vstrbq_s8(group->value, vldrbq_z_s8(value, used));
    }
}

#else

static void decode_row(const wpk_blob *blob, uint32_t begin, uint32_t end, int8_t *row) {
    /* A filler stores its 0 like any other element: the weight after it may lie at the same column
     * and is stored later, otherwise the 0 is right. */
#define STORE(step, weight) row += (step), *row = (weight)
    FOR_EACH_ELEMENT(blob, begin, end, STORE);
}

static int32_t dot_row(const wpk_blob *blob, uint32_t begin, uint32_t end, const int8_t *x) {
    uint32_t acc = 0;
    /* Fillers have the value 0. */
#define MULTIPLY(step, weight) x += (step), acc += (uint32_t)(*x * (weight))
    FOR_EACH_ELEMENT(blob, begin, end, MULTIPLY);
    return (int32_t)acc;
}

#endif

static void seek(const wpk_blob *blob, const wpk_counts *counts, wpk_cursor *cursor,
                 uint32_t first) {
    wpk_sparse_seek_block(blob, cursor, first, STREAMS);
    for (; cursor->row < first; ++cursor->row) {
        cursor->at[0] += wpk_count(counts, cursor->row);
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

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    const wpk_counts counts = counts_at(blob, cursor, first);
    wpk_fill(dst, 0, count * stride);
    for (uint32_t r = 0; r < count; ++r, ++cursor->row) {
        const uint32_t end = cursor->at[0] + wpk_count(&counts, cursor->row);
        decode_row(blob, cursor->at[0], end, dst + r * stride);
        cursor->at[0] = end;
    }
}

/* A filler may be followed by an element of the same column: it must not take a place of its own.
 */
static inline void add_entry(wpk_entry **entry, uint32_t step, uint32_t scale, uint32_t *offset,
                             int8_t value) {
    *offset += step * scale;
    (*entry)->offset = (uint16_t)*offset;
    (*entry)->value = value;
    *entry += step != FILLER;
}

static uint32_t list(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, uint32_t scale,
                     wpk_entry *entries, uint32_t capacity) {
    const wpk_counts counts = counts_at(blob, cursor, row);
    const uint32_t count = wpk_count(&counts, row);
    if (count > capacity) {
        return WPK_NO_ROOM;
    }
    const uint32_t begin = cursor->at[0], end = begin + count;
    uint32_t offset = 0;
    wpk_entry *entry = entries;
#define ADD(step, weight) add_entry(&entry, step, scale, &offset, weight)
    FOR_EACH_ELEMENT(blob, begin, end, ADD);
    cursor->at[0] = end;
    cursor->row = row + 1;
    return (uint32_t)(entry - entries);
}

static int32_t dot(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x) {
    const wpk_counts counts = counts_at(blob, cursor, row);
    const uint32_t begin = cursor->at[0], end = begin + wpk_count(&counts, row);
    cursor->at[0] = end;
    cursor->row = row + 1;
    return dot_row(blob, begin, end, x);
}

#if WPK_MVE

static uint32_t to_groups(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, wpk_group *group,
                          uint32_t capacity) {
    const wpk_counts counts = counts_at(blob, cursor, row);
    const uint32_t begin = cursor->at[0], elements = wpk_count(&counts, row);
    const uint32_t count = (elements + LANES - 1) / LANES;
    if (count > capacity) {
        return WPK_NO_ROOM;
    }
    group_row(blob, begin, elements, group);
    cursor->at[0] = begin + elements;
    cursor->row = row + 1;
    return count;
}

#else

#define to_groups NULL

#endif

const wpk_codec wpk_codec_rle = {
    WPK_CODEC_IDENTITY(rle),
    .check = check,
    .decode = decode,
    .list = list,
    .dot = dot,
    .groups = to_groups,
    .list_kernels = &wpk_lists,
    .stored = wpk_sparse_stored,
};
