#include "wpk/table.h"

#include <string.h>

#include "arithmetic.h"
#include "fields.h"

enum {
    HEADER_NBYTES = 28,
    TAIL_NBYTES = 4,
    VERSION = 2,
    FLAG_PER_TENSOR = 2,
    FLAG_SCALED = 4,
    FLAGS = 7,
    MIN_SHIFT = -31,
    MAX_SHIFT = 30,
    MAX_CHANNELS = 1 << 26
};

/* The header's fields, and what follows from them. */
typedef struct {
    uint32_t channels, multipliers;
    uint32_t bias_width, multiplier_width, shift_width;
    uint32_t bias_base, multiplier_base;
    wpk_factor factor; /* of scaled multipliers */
    int32_t shift_base;
    bool scaled;
} layout;

static layout layout_of(const uint8_t *data) {
    return (layout){
        .channels = wpk_load_u32(data + 16),
        .multipliers = data[5] & FLAG_PER_TENSOR ? 1 : wpk_load_u32(data + 16),
        .bias_width = data[6],
        .multiplier_width = data[7],
        .shift_width = data[8],
        .bias_base = wpk_load_u32(data + 20),
        .multiplier_base = wpk_load_u32(data + 24),
        .factor = {wpk_load_u32(data + 24), wpk_load_u16(data + 14)},
        .shift_base = (int8_t)data[9],
        .scaled = (data[5] & FLAG_SCALED) != 0,
    };
}

/* Whether every multiplier is below 2^31, or can be asked for. */
static bool multipliers_fit(const layout *l) {
    if (l->scaled) {
        return l->multiplier_width == WPK_MANTISSA_WIDTH && l->factor.high >> 31 != 0;
    }
    return l->multiplier_base + (UINT64_C(1) << l->multiplier_width) <= UINT64_C(1) << 31 &&
           l->factor.low == 0;
}

static uint32_t mantissa_product(const layout *l, const uint8_t *stream, uint32_t i) {
    const uint32_t width = WPK_MANTISSA_WIDTH;
    return wpk_scaled(wpk_field(stream, i * width, width, true), l->factor);
}

wpk_status wpk_table_parse(const uint8_t *data, uint32_t nbytes, wpk_table *table) {
    if (nbytes < HEADER_NBYTES || memcmp(data, "WPRQ", 4) != 0 || data[4] != VERSION ||
        data[5] > FLAGS) {
        return WPK_BAD_TABLE;
    }
    const layout l = layout_of(data);
    if (l.channels == 0 || l.channels > MAX_CHANNELS || l.bias_width > 32 ||
        l.multiplier_width > 31 || l.shift_width > 6 || (int8_t)data[12] > (int8_t)data[13] ||
        !multipliers_fit(&l)) {
        return WPK_BAD_TABLE;
    }
    const uint64_t multiplier_at =
        (uint64_t)HEADER_NBYTES + wpk_fields_nbytes(l.channels, l.bias_width);
    const uint64_t shift_at = multiplier_at + wpk_fields_nbytes(l.multipliers, l.multiplier_width);
    if (shift_at + wpk_fields_nbytes(l.multipliers, l.shift_width) + TAIL_NBYTES != nbytes) {
        return WPK_BAD_TABLE;
    }
    for (uint32_t i = 0; i < l.multipliers; ++i) {
        const int32_t shift = l.shift_base + (int32_t)wpk_field(data + shift_at, i * l.shift_width,
                                                                l.shift_width, true);
        if (shift < MIN_SHIFT || shift > MAX_SHIFT ||
            (l.scaled && mantissa_product(&l, data + multiplier_at, i) > INT32_MAX)) {
            return WPK_BAD_TABLE;
        }
    }
    *table = (wpk_table){data, l.channels, (int8_t)data[10], (int8_t)data[11]};
    return WPK_OK;
}

static uint32_t arrays_nbytes(const layout *l) {
    return (uint32_t)wpk_align16(4 * l->channels + 5 * l->multipliers);
}

uint32_t wpk_table_scratch_nbytes(const wpk_table *table) {
    const layout l = layout_of(table->data);
    return arrays_nbytes(&l);
}

/* The stream behind another one. */
static wpk_fields behind(const wpk_fields *before, uint32_t count, uint32_t width, uint32_t base) {
    return (wpk_fields){before->stream + wpk_fields_nbytes(before->count, before->width), count,
                        width, base};
}

void *wpk_table_unpack(const wpk_table *table, void *scratch, wpk_requant *requant) {
    const uint8_t *const data = table->data;
    const layout l = layout_of(data);
    int32_t *const bias = scratch;
    int32_t *const multiplier = bias + l.channels;
    int8_t *const shift = (int8_t *)(multiplier + l.multipliers);
    wpk_fields fields = {data + HEADER_NBYTES, l.channels, l.bias_width, l.bias_base};
    wpk_fields_to_words(fields, bias);
    fields = behind(&fields, l.multipliers, l.multiplier_width, l.multiplier_base);
    if (l.scaled) {
        wpk_fields_to_scaled(fields, l.factor, multiplier);
    } else {
        wpk_fields_to_words(fields, multiplier);
    }
    fields = behind(&fields, l.multipliers, l.shift_width, (uint32_t)l.shift_base);
    wpk_fields_to_bytes(fields, shift);
    *requant = (wpk_requant){
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
    return (uint8_t *)scratch + arrays_nbytes(&l);
}
