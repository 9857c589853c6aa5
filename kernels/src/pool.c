#include "wpk/pool.h"

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

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

/* As stored: excess 2^(lut_bits − 1). */
static uint32_t stored_entry(const wpk_pool *pool, int32_t sum) {
    const int32_t entry = (sum + ((1 << pool->lut_shift) >> 1)) >> pool->lut_shift;
    return (uint32_t)(entry + (1 << (pool->lut_bits - 1)));
}

static uint32_t load_entry(const wpk_pool *pool, const uint8_t *lut, uint32_t at) {
    switch (pool->lut_bits) {
        case 4:
            return lut[at / 2] >> 4 * (at % 2) & 15;
        case 8:
            return lut[at];
        default:
            return wpk_load_u16(lut + 2 * at);
    }
}

/* The lower nibble of a byte is written first, and the upper one becomes zero. */
static void store_entry(const wpk_pool *pool, uint8_t *lut, uint32_t at, uint32_t entry) {
    switch (pool->lut_bits) {
        case 4:
            lut[at / 2] = (uint8_t)(at % 2 == 0 ? entry : lut[at / 2] | entry << 4);
            break;
        case 8:
            lut[at] = (uint8_t)entry;
            break;
        default:
            lut[2 * at] = (uint8_t)entry;
            lut[2 * at + 1] = (uint8_t)(entry >> 8);
    }
}

/* All patterns of one pool vector, each one element away from the one before; of no vector: its
 * entries are zero. Stores them, or tells whether they are what is stored. */
static bool walk_entries(const wpk_pool *pool, uint32_t s, const uint8_t *stored, uint8_t *lut) {
    uint32_t pattern = 0;
    int32_t sum = 0;
    for (uint32_t step = 1;; ++step) {
        const uint32_t at = pattern * pool->pitch + s, entry = stored_entry(pool, sum);
        if (lut != NULL) {
            store_entry(pool, lut, at, entry);
        } else if (load_entry(pool, stored, at) != entry) {
            return false;
        }
        if (step == WPK_POOL_PATTERNS) {
            return true;
        }
        uint32_t bit = 0;
        while ((step >> bit & 1) == 0) {
            ++bit;
        }
        const int32_t element = s < pool->size ? pool->vectors[s * WPK_POOL_LANES + bit] : 0;
        pattern ^= 1u << bit;
        sum += (pattern >> bit & 1) != 0 ? element : -element;
    }
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
    for (uint32_t s = 0; pool->lut != NULL && s < pool->pitch; ++s) {
        if (!walk_entries(pool, s, pool->lut, NULL)) {
            return WPK_BAD_POOL;
        }
    }
    return WPK_OK;
}

void wpk_pool_build_lut(const wpk_pool *pool, uint8_t *lut) {
    for (uint32_t s = 0; s < pool->pitch; ++s) {
        walk_entries(pool, s, NULL, lut);
    }
}
