/* Codec 2, dCSR: columns as a line plus small deltas, in groups of 16 lanes (docs/FORMAT.md). */
#include "../gemm/lists.h"
#include "codec_sparse.h"

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
    const uint32_t total = blob->section_nbytes[SECTION_VALUES];
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
static void seek(const wpk_blob *blob, const wpk_counts *counts, wpk_cursor *cursor,
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
    const reader r = {
        .nibbles = blob->section[SECTION_NIBBLES],
        .planes = blob->section[SECTION_PLANES],
        .value = (const int8_t *)blob->section[SECTION_VALUES] + cursor->at[ELEMENT],
        .minimum = (const int8_t *)blob->section[SECTION_MINIMA] + cursor->at[GROUP],
        .mask = blob->section[SECTION_MASKS] + 2 * (size_t)cursor->at[MASK],
        .group = cursor->at[GROUP],
        .left = count,
        .slope = slope_of(blob->cols, count),
    };
    return r;
}

static inline void close_row(const wpk_blob *blob, const reader *r, uint32_t count,
                             wpk_cursor *cursor) {
    cursor->at[ELEMENT] += count;
    cursor->at[GROUP] = r->group;
    cursor->at[MASK] = (uint32_t)(r->mask - blob->section[SECTION_MASKS]) / 2;
    ++cursor->row;
}

#if WPK_MVE

typedef uint8x16_t lanes;

/* Columns of the next group's lanes, less the base. Those that are not used may be anything. */
static inline lanes next_group(reader *r, lanes line) {
    const uint32_t pair = r->group / 2;
    lanes delta = vldrbq_u8(r->nibbles + pair * LANES);
    uint32_t planes = r->planes[pair];
    if ((r->group++ & 1) == 0) {
        delta = vshrq_n_u8(delta, 4);
        planes >>= 4;
    } else {
        delta = vandq_u8(delta, vdupq_n_u8(15));
        planes &= 15;
    }
    for (uint8_t bit = 16; planes != 0; planes >>= 1, bit = (uint8_t)(bit << 1)) {
        if ((planes & 1) != 0) {
            delta = vaddq_m_n_u8(delta, delta, bit, (mve_pred16_t)wpk_load_u16(r->mask));
            r->mask += 2;
        }
    }
    return vaddq_u8(delta, line);
}

/* slope · lane; of used lanes it fits 8 bits. */
static inline lanes line_of(const reader *r) {
    return vmulq_n_u8(vidupq_n_u8(0, 1), (uint8_t)r->slope);
}

static inline void decode_row(reader *r, int8_t *row) {
    const lanes line = line_of(r);
    const uint32_t step = LANES * r->slope;
    uint32_t left = r->left;
    for (; left >= LANES; left -= LANES) {
        row += *r->minimum++;
        vstrbq_scatter_offset_s8(row, next_group(r, line), vldrbq_s8(r->value));
        r->value += LANES;
        row += step;
    }
    if (left > 0) {
        row += *r->minimum++;
        const lanes columns = next_group(r, line);
        const int8x16_t values = vldrbq_z_s8(r->value, vctp8q(left));
        vstrbq_scatter_offset_p_s8(row, columns, values, vctp8q(left));
    }
}

static inline int32_t dot_row(reader *r, const int8_t *x) {
    const lanes line = line_of(r);
    const uint32_t step = LANES * r->slope;
    int32_t acc = 0;
    for (int32_t left = (int32_t)r->left; left > 0; left -= LANES) {
        x += *r->minimum++;
        const lanes columns = next_group(r, line);
        const mve_pred16_t used = vctp8q((uint32_t)left);
        const int8x16_t gathered = vldrbq_gather_offset_z_s8(x, columns, used);
        acc = vmladavaq_s8(acc, gathered, vldrbq_z_s8(r->value, used));
        r->value += LANES;
        x += step;
    }
    return acc;
}

/* Entries of `used` lanes, 8 at most. */
static inline void list_half(const int8_t *value, const uint8_t *column, uint32_t used,
                             uint32_t scale, uint32_t base, wpk_entry *entries) {
    const uint16x8_t offset =
        vmlasq_n_u16(vldrbq_u16(column), vdupq_n_u16((uint16_t)scale), (uint16_t)(base * scale));
    if (used >= LANES / 2) {
        const uint16x8x2_t pairs = {{vreinterpretq_u16_s16(vldrbq_s16(value)), offset}};
        vst2q_u16((uint16_t *)(void *)entries, pairs);
        return;
    }
    const mve_pred16_t lanes_used = vctp16q(used);
    const uint16x8_t at = vidupq_n_u16(0, 4);
    vstrhq_scatter_offset_p_s16(&entries->value, at, vldrbq_z_s16(value, lanes_used), lanes_used);
    vstrhq_scatter_offset_p_u16(&entries->offset, at, offset, lanes_used);
}

static inline void list_row(reader *r, uint32_t scale, wpk_entry *entries) {
    const lanes line = line_of(r);
    uint32_t base = 0;
    for (int32_t left = (int32_t)r->left; left > 0; left -= LANES) {
        uint8_t column[LANES];
        base += (uint32_t)(int32_t)*r->minimum++;
        vstrbq_u8(column, next_group(r, line));
        list_half(r->value, column, (uint32_t)left, scale, base, entries);
        if (left > LANES / 2) {
            list_half(r->value + LANES / 2, column + LANES / 2, (uint32_t)left - LANES / 2, scale,
                      base, entries + LANES / 2);
        }
        entries += LANES;
        r->value += LANES;
        base += LANES * r->slope;
    }
}

static inline void group_row(reader *r, wpk_group *group) {
    const lanes line = line_of(r);
    int32_t step = 0;
    uint32_t left = r->left;
    for (; left >= LANES; left -= LANES, ++group) {
        group->step = step + *r->minimum++;
        vstrbq_u8(group->offset, next_group(r, line));
        vstrbq_s8(group->value, vldrbq_s8(r->value));
        r->value += LANES;
        step = (int32_t)(LANES * r->slope);
    }
    if (left > 0) {
        group->step = step + *r->minimum++;
        const lanes columns = next_group(r, line);
        const mve_pred16_t used = vctp8q(left);
        /* The base itself may lie before the row. Not by two stores, the second one predicated: GCC
         * takes that for one of the whole vector, and drops the first. */
        const lanes first = vdupq_n_u8((uint8_t)vgetq_lane_u8(columns, 0));
        vstrbq_u8(group->offset, vpselq_u8(columns, first, used));
        vstrbq_s8(group->value, vldrbq_z_s8(r->value, used));
    }
}

#else

typedef struct {
    uint8_t at[LANES];
} lanes;

/* Deltas of the next group; returns how many of its lanes are used. */
static inline uint32_t next_group(reader *r, lanes *delta) {
    const uint8_t *const pairs = r->nibbles + (size_t)(r->group / 2) * LANES;
    uint32_t planes = wpk_nibble(r->planes, r->group);
    const uint32_t high = (r->group & 1) == 0 ? 4 : 0;
    ++r->group;
    uint32_t word[4];
    for (uint32_t i = 0; i < 4; ++i) {
        word[i] = wpk_load_u32(pairs + 4 * i) >> high & 0x0f0f0f0fu;
    }
    for (uint32_t bit = 4; planes != 0; planes >>= 1, ++bit) {
        if ((planes & 1) != 0) {
            uint32_t mask = wpk_load_u16(r->mask);
            r->mask += 2;
            for (uint32_t i = 0; i < 4; ++i, mask >>= 4) {
                /* Four bits to the lowest bits of four bytes. */
                word[i] |= ((mask & 15) * 0x00204081u & 0x01010101u) << bit;
            }
        }
    }
    memcpy(delta->at, word, LANES);
    const uint32_t used = r->left < LANES ? r->left : LANES;
    r->left -= used;
    return used;
}

/* Base of the next group: modulo 2^32, since it may lie before the row, or behind it after the last
 * element. */
static inline uint32_t next_base(reader *r, uint32_t base) {
    return base + (uint32_t)(int32_t)*r->minimum++;
}

static inline void decode_row(reader *r, int8_t *row) {
    for (uint32_t base = 0; r->left > 0; base += LANES * r->slope) {
        lanes delta;
        const uint32_t used = next_group(r, &delta);
        base = next_base(r, base);
        uint32_t line = base;
        for (uint32_t lane = 0; lane < used; ++lane, line += r->slope) {
            row[(uint32_t)(line + delta.at[lane])] = *r->value++;
        }
    }
}

static inline int32_t dot_row(reader *r, const int8_t *x) {
    uint32_t acc = 0;
    for (uint32_t base = 0; r->left > 0; base += LANES * r->slope) {
        lanes delta;
        const uint32_t used = next_group(r, &delta);
        base = next_base(r, base);
        uint32_t line = base;
        for (uint32_t lane = 0; lane < used; ++lane, line += r->slope) {
            acc += (uint32_t)(x[(uint32_t)(line + delta.at[lane])] * *r->value++);
        }
    }
    return (int32_t)acc;
}

static inline void list_row(reader *r, uint32_t scale, wpk_entry *entries) {
    const uint32_t step = r->slope * scale;
    for (uint32_t base = 0; r->left > 0; base += LANES * r->slope) {
        lanes delta;
        const uint32_t used = next_group(r, &delta);
        base = next_base(r, base);
        uint32_t line = base * scale;
        for (uint32_t lane = 0; lane < used; ++lane, line += step, ++entries) {
            entries->offset = (uint16_t)(line + delta.at[lane] * scale);
            entries->value = *r->value++;
        }
    }
}

#endif

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    const wpk_counts counts = wpk_counts_of(blob);
    if (cursor->row != first) {
        seek(blob, &counts, cursor, first);
    }
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
    const wpk_counts counts = wpk_counts_of(blob);
    if (cursor->row != row) {
        seek(blob, &counts, cursor, row);
    }
    reader r = open_row(blob, &counts, cursor);
    const uint32_t elements = r.left;
    const int32_t sum = dot_row(&r, x);
    close_row(blob, &r, elements, cursor);
    return sum;
}

static uint32_t list(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, uint32_t scale,
                     wpk_entry *entries, uint32_t capacity) {
    const wpk_counts counts = wpk_counts_of(blob);
    if (cursor->row != row) {
        seek(blob, &counts, cursor, row);
    }
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
    const wpk_counts counts = wpk_counts_of(blob);
    if (cursor->row != row) {
        seek(blob, &counts, cursor, row);
    }
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
    .list_kernels = WPK_LIST_KERNELS,
    .stored = wpk_sparse_stored,
};
