#include "wpk/table.h"

#include <string.h>

#include "bytes.h"

enum { HEADER_NBYTES = 20, VERSION = 1, FLAG_BIAS = 1, MIN_SHIFT = -31, MAX_SHIFT = 30 };

wpk_status wpk_table_parse(const uint8_t *data, uint32_t nbytes, wpk_requant *table) {
    if (nbytes < HEADER_NBYTES || (uintptr_t)data % 4 != 0 || memcmp(data, "WPRQ", 4) != 0 ||
        data[4] != VERSION || data[5] > FLAG_BIAS || wpk_load_u16(data + 6) != 0) {
        return WPK_BAD_TABLE;
    }
    const uint32_t channels = wpk_load_u32(data + 8);
    const uint32_t multipliers = wpk_load_u32(data + 12);
    if (channels == 0 || (multipliers != 1 && multipliers != channels) ||
        HEADER_NBYTES + 4 * (uint64_t)channels + 5 * (uint64_t)multipliers != nbytes) {
        return WPK_BAD_TABLE;
    }
    const int8_t *const zero_points = (const int8_t *)data + 16;
    const int32_t *const bias = (const int32_t *)(const void *)(data + HEADER_NBYTES);
    const int32_t *const multiplier = bias + channels;
    const int8_t *const shift = (const int8_t *)(multiplier + multipliers);
    for (uint32_t i = 0; i < multipliers; ++i) {
        if (multiplier[i] < 0 || shift[i] < MIN_SHIFT || shift[i] > MAX_SHIFT) {
            return WPK_BAD_TABLE;
        }
    }
    if (zero_points[2] > zero_points[3]) {
        return WPK_BAD_TABLE;
    }
    const wpk_requant parsed = {
        .channels = channels,
        .multipliers = multipliers,
        .bias = bias,
        .multiplier = multiplier,
        .shift = shift,
        .input_zero_point = zero_points[0],
        .output_zero_point = zero_points[1],
        .activation_min = zero_points[2],
        .activation_max = zero_points[3],
        .input_offset = 0,
    };
    *table = parsed;
    return WPK_OK;
}
