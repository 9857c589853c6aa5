#include <stdbool.h>
#include <stddef.h>

#include "../base/arithmetic.h"
#include "../base/bytes.h"
#include "kernels.h"
#include "wpk/shared_vectors.h"

enum { HEADER_NBYTES = 16, RESERVED_AT = 10, VERSION = 1, MAX_LUT_SHIFT = 7 };

/* Whether the entry for this sum of elements fits its bits. */
static bool entry_fits(const wpk_shared_vectors *shared, int32_t sum) {
    const int32_t half = 1 << (shared->lut_bits - 1);
    const int32_t entry = (sum + ((1 << shared->lut_shift) >> 1)) >> shared->lut_shift;
    return entry >= -half && entry < half;
}

/* Every entry fits lut_bits: those of all positive and of all negative elements are the extremes.
 */
static bool vectors_fit(const wpk_shared_vectors *shared) {
    const int8_t *v = shared->vectors;
    for (uint32_t s = 0; s < shared->size; ++s) {
        int32_t low = 0, high = 0;
        for (uint32_t j = 0; j < WPK_SV_LANES; ++j, ++v) {
            low += *v < 0 ? *v : 0;
            high += *v > 0 ? *v : 0;
        }
        if (!entry_fits(shared, low) || !entry_fits(shared, high)) {
            return false;
        }
    }
    return true;
}

static bool is_header(const uint8_t *data, const wpk_shared_vectors *shared) {
    for (uint32_t i = RESERVED_AT; i < HEADER_NBYTES; ++i) {
        if (data[i] != 0) {
            return false;
        }
    }
    const bool rounded = shared->lut_shift != 0;
    return memcmp(data, "WPKP", 4) == 0 && data[4] == VERSION && shared->size >= 1 &&
           shared->size <= WPK_SV_MAX_SIZE && shared->lut_mode <= WPK_LUT_FLASH &&
           (shared->lut_bits == 4 || shared->lut_bits == 8 || shared->lut_bits == 16) &&
           shared->lut_shift <= MAX_LUT_SHIFT &&
           !(rounded && (shared->lut_bits != 4 || shared->lut_mode == WPK_LUT_NONE));
}

uint32_t wpk_sv_lut_nbytes(const wpk_shared_vectors *shared) {
    return WPK_SV_PATTERNS / 8 * shared->pitch * shared->lut_bits;
}

wpk_status wpk_sv_parse(const uint8_t *data, uint32_t nbytes, void *side) {
    wpk_shared_vectors *const shared = side;
    if (nbytes < HEADER_NBYTES) {
        return WPK_BAD_SIDE;
    }
    const uint32_t size = wpk_load_u16(data + 8);
    const wpk_shared_vectors parsed = {
        .vectors = (const int8_t *)data + HEADER_NBYTES,
        .size = size,
        .pitch = (size + 7) & ~7u,
        .lut_bits = data[5],
        .lut_shift = data[6],
        .lut_mode = data[7],
    };
    if (!is_header(data, &parsed)) {
        return WPK_BAD_SIDE;
    }
    *shared = parsed;
    uint32_t end = (uint32_t)wpk_align16(HEADER_NBYTES + size * WPK_SV_LANES);
    if (shared->lut_mode == WPK_LUT_FLASH) {
        shared->lut = data + end;
        end += wpk_sv_lut_nbytes(shared);
    }
    if (end != nbytes || !vectors_fit(shared)) {
        return WPK_BAD_SIDE;
    }
    return shared->lut == NULL || wpk_sv_lut_is_right(shared) ? WPK_OK : WPK_BAD_SIDE;
}
