/* Pool tensors, blobs of codec 6 and sums of a pool, from docs/FORMAT.md alone. See stranger.c. */
#ifndef STRANGER_POOL_H
#define STRANGER_POOL_H

#include "stranger_blob.h"

enum { POOL_LANES = 8, PATTERNS = 256 };

struct pool {
    const uint8_t *vectors;
    uint32_t size;
    uint32_t lut_bits;
    uint32_t lut_shift;
    uint32_t lut;
};

/* ⌊sum / 2^shift + 1/2⌋ without relying on how the compiler shifts negative numbers. */
static int32_t round_down(int32_t sum, uint32_t shift) {
    const int32_t divisor = 1 << shift, from = sum + divisor / 2;
    return from >= 0 ? from / divisor : -((-from + divisor - 1) / divisor);
}

static int32_t entry(const struct pool *pool, uint32_t pattern, uint32_t s) {
    int32_t sum = 0;
    for (uint32_t j = 0; j < POOL_LANES; ++j) {
        if ((pattern >> j & 1u) != 0) {
            sum += read_i8(pool->vectors + POOL_LANES * s + j);
        }
    }
    return round_down(sum, pool->lut_shift);
}

static uint32_t stored_field(const uint8_t *table, uint32_t bits, uint32_t at) {
    return bits == 4   ? table[at / 2] >> (at % 2 * 4) & 15u
           : bits == 8 ? table[at]
                       : read_u16(table + 2 * (size_t)at);
}

static enum status check_entries(const struct pool *pool, const uint8_t *table) {
    const int32_t excess = 1 << (pool->lut_bits - 1);
    const uint32_t pitch = (pool->size + 7) / 8 * 8;
    for (uint32_t p = 0; p < PATTERNS; ++p) {
        for (uint32_t s = 0; s < pitch; ++s) {
            const int32_t value = s < pool->size ? entry(pool, p, s) : 0;
            if (value < -excess || value >= excess) {
                return STATUS_ELEMENT;
            }
            if (table != NULL &&
                stored_field(table, pool->lut_bits, p * pitch + s) != (uint32_t)(value + excess)) {
                return STATUS_ELEMENT;
            }
        }
    }
    return STATUS_OK;
}

static enum status parse_pool(const uint8_t *data, uint32_t nbytes, struct pool *pool) {
    static const uint8_t zeros[6] = {0};
    if (nbytes < 16) {
        return STATUS_LENGTH;
    }
    if (memcmp(data, "WPKP", 4) != 0) {
        return STATUS_MAGIC;
    }
    if (data[4] != 1) {
        return STATUS_VERSION;
    }
    pool->lut_bits = data[5];
    pool->lut_shift = data[6];
    pool->lut = data[7];
    pool->size = read_u16(data + 8);
    pool->vectors = data + 16;
    if ((pool->lut_bits != 4 && pool->lut_bits != 8 && pool->lut_bits != 16) ||
        pool->lut_shift > (pool->lut_bits == 4 ? 7 : 0) || pool->lut > 2 ||
        (pool->lut == 0 && pool->lut_shift != 0) || pool->size < 1 || pool->size > 256 ||
        memcmp(data + 10, zeros, sizeof zeros) != 0) {
        return STATUS_HEADER;
    }
    const uint64_t start = align16(16 + POOL_LANES * (uint64_t)pool->size);
    const uint64_t table = PATTERNS * (uint64_t)((pool->size + 7) / 8 * 8) * pool->lut_bits / 8;
    if (nbytes != (pool->lut == 2 ? align16(start + table) : start)) {
        return STATUS_LENGTH;
    }
    return check_entries(pool, pool->lut == 2 ? data + start : NULL);
}

/* The last of the blob's dims. */
static uint32_t last_dim(const uint8_t *data) {
    return read_u32(data + 20 + 4 * (size_t)data[20]);
}

static enum status decode_pool(const uint8_t *data, const struct blob *blob,
                               const struct pool *pool, int8_t *weights) {
    if (pool == NULL || (data[20] != 2 && data[20] != 4) || data[7] != 1) {
        return STATUS_HEADER;
    }
    const uint32_t bits = blob->flags, depth = last_dim(data);
    const uint32_t taps = blob->cols / depth,
                   groups = depth / POOL_LANES + (depth % POOL_LANES > 0);
    const uint64_t row_nbytes = ((uint64_t)taps * groups * bits + 7) / 8;
    if (blob->sections[0].nbytes != blob->rows * row_nbytes) {
        return STATUS_SECTION;
    }
    for (uint32_t r = 0; r < blob->rows; ++r) {
        const uint8_t *const row = blob->sections[0].bytes + r * row_nbytes;
        for (uint64_t i = 0; i < (uint64_t)taps * groups; ++i) {
            uint32_t index = 0;
            for (uint64_t k = 0; k < bits; ++k) {
                const uint64_t bit = i * bits + k;
                index |= (uint32_t)(row[bit / 8] >> bit % 8 & 1) << k;
            }
            if (index >= pool->size) {
                return STATUS_ELEMENT;
            }
            const uint64_t first = i % groups * POOL_LANES;
            for (uint64_t j = 0; j < POOL_LANES && first + j < depth; ++j) {
                weights[(size_t)r * blob->cols + i / groups * depth + first + j] =
                    (int8_t)read_i8(pool->vectors + POOL_LANES * (size_t)index + j);
            }
        }
    }
    return STATUS_OK;
}

static int32_t level(int32_t x, int32_t act_bits, int32_t zero_point) {
    const int32_t step = 1 << (8 - act_bits), half = 1 << (act_bits - 1);
    const int32_t r = ((step / 2 - (zero_point + 128)) % step + step) % step;
    const int32_t at = (x + 128 + r) / step;
    return (at < 2 * half - 1 ? at : 2 * half - 1) - half;
}

static int32_t sum_of_levels(const struct pool *pool, const int32_t *levels, uint32_t act_bits,
                             uint32_t s) {
    int32_t sum = 0;
    for (uint32_t b = 0; b < act_bits; ++b) {
        uint32_t pattern = 0;
        for (uint32_t j = 0; j < POOL_LANES; ++j) {
            pattern |= ((uint32_t)levels[j] >> b & 1u) << j;
        }
        const int32_t plane = entry(pool, pattern, s) * (1 << b);
        sum += b + 1 < act_bits ? plane : -plane;
    }
    return sum;
}

static enum status answer_pool(const uint8_t *data, uint32_t nbytes, uint8_t **answer,
                               uint32_t *answer_nbytes) {
    struct pool pool;
    const enum status status = parse_pool(data, nbytes, &pool);
    if (status != STATUS_OK) {
        return status;
    }
    const size_t fields = 4 + PATTERNS * (size_t)pool.size;
    uint8_t *const out = malloc(4 * fields);
    if (out == NULL) {
        return STATUS_EXPANSION;
    }
    const uint32_t head[4] = {pool.size, pool.lut_bits, pool.lut_shift, pool.lut};
    uint8_t *at = out;
    for (int i = 0; i < 4; ++i, at += 4) {
        write_u32(at, head[i]);
    }
    for (uint32_t p = 0; p < PATTERNS; ++p) {
        for (uint32_t s = 0; s < pool.size; ++s, at += 4) {
            write_u32(at, (uint32_t)entry(&pool, p, s));
        }
    }
    *answer = out;
    *answer_nbytes = (uint32_t)(4 * fields);
    return STATUS_OK;
}

static enum status answer_sums(const uint8_t *data, uint32_t nbytes, const struct pool *pool,
                               uint8_t **answer, uint32_t *answer_nbytes) {
    enum { ASKED = 3 + POOL_LANES, TOLD = POOL_LANES + 1 };
    const uint32_t count = nbytes / (4 * ASKED);
    uint8_t *const out = malloc(4 * TOLD * (size_t)count + 1);
    if (out == NULL) {
        return STATUS_EXPANSION;
    }
    for (uint32_t i = 0; i < count; ++i) {
        int32_t asked[ASKED], levels[POOL_LANES];
        for (uint32_t j = 0; j < ASKED; ++j) {
            asked[j] = read_i32(data + 4 * ((size_t)ASKED * i + j));
        }
        uint8_t *const told = out + 4 * TOLD * (size_t)i;
        for (uint32_t j = 0; j < POOL_LANES; ++j) {
            levels[j] = level(asked[3 + j], asked[0], asked[1]);
            write_u32(told + 4 * j, (uint32_t)levels[j]);
        }
        const int32_t sum = sum_of_levels(pool, levels, (uint32_t)asked[0], (uint32_t)asked[2]);
        write_u32(told + 4 * POOL_LANES, (uint32_t)sum);
    }
    *answer = out;
    *answer_nbytes = 4 * TOLD * count;
    return STATUS_OK;
}

#endif
