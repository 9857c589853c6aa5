#include <stdbool.h>
#include <stddef.h>

#include "../base/bytes.h"
#include "lut.h"
#include "wpk/pool.h"

enum { HEADER_NBYTES = 16, RESERVED_AT = 10, VERSION = 1, MAX_LUT_SHIFT = 7 };

static uint32_t align16(uint32_t nbytes) {
    return (nbytes + 15) & ~15u;
}

/* Whether the entry for this sum of elements fits its bits. */
static bool entry_fits(const wpk_pool *pool, int32_t sum) {
    const int32_t half = 1 << (pool->lut_bits - 1);
    const int32_t entry = (sum + ((1 << pool->lut_shift) >> 1)) >> pool->lut_shift;
    return entry >= -half && entry < half;
}

/* Every entry fits lut_bits: those of all positive and of all negative elements are the extremes.
 */
static bool vectors_fit(const wpk_pool *pool) {
    const int8_t *v = pool->vectors;
    for (uint32_t s = 0; s < pool->size; ++s) {
        int32_t low = 0, high = 0;
        for (uint32_t j = 0; j < WPK_POOL_LANES; ++j, ++v) {
            low += *v < 0 ? *v : 0;
            high += *v > 0 ? *v : 0;
        }
        if (!entry_fits(pool, low) || !entry_fits(pool, high)) {
            return false;
        }
    }
    return true;
}

static bool is_header(const uint8_t *data, const wpk_pool *pool) {
    for (uint32_t i = RESERVED_AT; i < HEADER_NBYTES; ++i) {
        if (data[i] != 0) {
            return false;
        }
    }
    const bool rounded = pool->lut_shift != 0;
    return memcmp(data, "WPKP", 4) == 0 && data[4] == VERSION && pool->size >= 1 &&
           pool->size <= WPK_POOL_MAX_SIZE && pool->lut_mode <= WPK_LUT_FLASH &&
           (pool->lut_bits == 4 || pool->lut_bits == 8 || pool->lut_bits == 16) &&
           pool->lut_shift <= MAX_LUT_SHIFT &&
           !(rounded && (pool->lut_bits != 4 || pool->lut_mode == WPK_LUT_NONE));
}

uint32_t wpk_pool_lut_nbytes(const wpk_pool *pool) {
    return WPK_POOL_PATTERNS / 8 * pool->pitch * pool->lut_bits;
}

wpk_status wpk_pool_parse(const uint8_t *data, uint32_t nbytes, wpk_pool *pool) {
    if (nbytes < HEADER_NBYTES) {
        return WPK_BAD_POOL;
    }
    const uint32_t size = wpk_load_u16(data + 8);
    const wpk_pool parsed = {
        .vectors = (const int8_t *)data + HEADER_NBYTES,
        .size = size,
        .pitch = (size + 7) & ~7u,
        .lut_bits = data[5],
        .lut_shift = data[6],
        .lut_mode = data[7],
    };
    if (!is_header(data, &parsed)) {
        return WPK_BAD_POOL;
    }
    *pool = parsed;
    uint32_t end = align16(HEADER_NBYTES + size * WPK_POOL_LANES);
    if (pool->lut_mode == WPK_LUT_FLASH) {
        pool->lut = data + end;
        end += wpk_pool_lut_nbytes(pool);
    }
    if (end != nbytes || !vectors_fit(pool)) {
        return WPK_BAD_POOL;
    }
    return pool->lut == NULL || wpk_pool_lut_is_right(pool) ? WPK_OK : WPK_BAD_POOL;
}
