#include "wpk/table.h"

#include <stdbool.h>
#include <string.h>

#include "bytes.h"

enum {
    HEADER_NBYTES = 28,
    TAIL_NBYTES = 4,
    VERSION = 2,
    FLAG_PER_TENSOR = 2,
    FLAGS = 3,
    MIN_SHIFT = -31,
    MAX_SHIFT = 30,
    MAX_CHANNELS = 1 << 26,
    NARROW = 25 /* bits of a field that four bytes hold, wherever in a byte it starts */
};

/* The header's fields, and what follows from them. */
typedef struct {
    uint32_t channels, multipliers;
    uint32_t bias_width, multiplier_width, shift_width;
    uint32_t bias_base, multiplier_base;
    int32_t shift_base;
} layout;

static layout layout_of(const uint8_t *data) {
    const layout l = {
        .channels = wpk_load_u32(data + 16),
        .multipliers = data[5] & FLAG_PER_TENSOR ? 1 : wpk_load_u32(data + 16),
        .bias_width = data[6],
        .multiplier_width = data[7],
        .shift_width = data[8],
        .bias_base = wpk_load_u32(data + 20),
        .multiplier_base = wpk_load_u32(data + 24),
        .shift_base = (int8_t)data[9],
    };
    return l;
}

/* At most 2^26 fields of at most 32 bits. */
static uint32_t fields_nbytes(uint32_t count, uint32_t width) {
    return (uint32_t)(((uint64_t)count * width + 7) / 8);
}

/* The field of `width` bits, 0 to 32, that starts at bit `at`. May read four bytes beyond. */
static inline uint32_t field(const uint8_t *stream, uint32_t at, uint32_t width, bool narrow) {
    const uint32_t mask = (uint32_t)((UINT64_C(1) << width) - 1);
    uint32_t bits = wpk_load_u32(stream + at / 8) >> at % 8;
    if (!narrow) {
        bits |= (uint32_t)stream[at / 8 + 4] << 1 << (31 - at % 8);
    }
    return bits & mask;
}

static int32_t shift_of(const layout *l, const uint8_t *stream, uint32_t i) {
    return l->shift_base + (int32_t)field(stream, i * l->shift_width, l->shift_width, true);
}

wpk_status wpk_table_parse(const uint8_t *data, uint32_t nbytes, wpk_table *table) {
    if (nbytes < HEADER_NBYTES || memcmp(data, "WPRQ", 4) != 0 || data[4] != VERSION ||
        data[5] > FLAGS || wpk_load_u16(data + 14) != 0) {
        return WPK_BAD_TABLE;
    }
    const layout l = layout_of(data);
    if (l.channels == 0 || l.channels > MAX_CHANNELS || l.bias_width > 32 ||
        l.multiplier_width > 31 || l.shift_width > 6 || (int8_t)data[12] > (int8_t)data[13] ||
        l.multiplier_base + (UINT64_C(1) << l.multiplier_width) > UINT64_C(1) << 31) {
        return WPK_BAD_TABLE;
    }
    const uint64_t shift_at = (uint64_t)HEADER_NBYTES + fields_nbytes(l.channels, l.bias_width) +
                              fields_nbytes(l.multipliers, l.multiplier_width);
    if (shift_at + fields_nbytes(l.multipliers, l.shift_width) + TAIL_NBYTES != nbytes) {
        return WPK_BAD_TABLE;
    }
    for (uint32_t i = 0; i < l.multipliers; ++i) {
        const int32_t shift = shift_of(&l, data + shift_at, i);
        if (shift < MIN_SHIFT || shift > MAX_SHIFT) {
            return WPK_BAD_TABLE;
        }
    }
    const wpk_table parsed = {data, l.channels, (int8_t)data[10], (int8_t)data[11]};
    *table = parsed;
    return WPK_OK;
}

static uint32_t arrays_nbytes(const layout *l) {
    return (4 * l->channels + 5 * l->multipliers + 15) & ~15u;
}

uint32_t wpk_table_scratch_nbytes(const wpk_table *table) {
    const layout l = layout_of(table->data);
    return arrays_nbytes(&l);
}

/* Fields to int32; the stream behind them. */
static const uint8_t *unpack_words(const uint8_t *stream, uint32_t count, uint32_t width,
                                   uint32_t base, int32_t *to) {
    if (width <= NARROW) {
        for (uint32_t i = 0, at = 0; i < count; ++i, at += width) {
            to[i] = (int32_t)(base + field(stream, at, width, true));
        }
    } else {
        for (uint32_t i = 0, at = 0; i < count; ++i, at += width) {
            to[i] = (int32_t)(base + field(stream, at, width, false));
        }
    }
    return stream + fields_nbytes(count, width);
}

void *wpk_table_unpack(const wpk_table *table, void *scratch, wpk_requant *requant) {
    const uint8_t *const data = table->data;
    const layout l = layout_of(data);
    int32_t *const bias = scratch;
    int32_t *const multiplier = bias + l.channels;
    int8_t *const shift = (int8_t *)(multiplier + l.multipliers);
    const uint8_t *stream = data + HEADER_NBYTES;
    stream = unpack_words(stream, l.channels, l.bias_width, l.bias_base, bias);
    stream = unpack_words(stream, l.multipliers, l.multiplier_width, l.multiplier_base, multiplier);
    for (uint32_t i = 0; i < l.multipliers; ++i) {
        shift[i] = (int8_t)shift_of(&l, stream, i);
    }
    const wpk_requant unpacked = {
        .channels = l.channels,
        .multipliers = l.multipliers,
        .bias = bias,
        .multiplier = multiplier,
        .shift = shift,
        .input_zero_point = table->input_zero_point,
        .output_zero_point = table->output_zero_point,
        .activation_min = (int8_t)data[12],
        .activation_max = (int8_t)data[13],
        .input_offset = 0,
    };
    *requant = unpacked;
    return (uint8_t *)scratch + arrays_nbytes(&l);
}
