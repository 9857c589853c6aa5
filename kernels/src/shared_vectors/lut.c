#include <stddef.h>

#include "../base/bytes.h"
#include "kernels.h"

/* Word columns of a table: words of the same entries of all rows. One is made, or compared with
 * what is stored. */
typedef struct {
    const wpk_shared_vectors *shared;
    const uint8_t *stored; /* NULL: the table is made */
    uint8_t *made;
    uint32_t row_nbytes;
} table;

static inline bool put(const table *t, uint32_t pattern, uint32_t column, uint32_t word) {
    const uint32_t at = pattern * t->row_nbytes + column;
    if (t->stored != NULL) {
        return wpk_load_u32(t->stored + at) == word;
    }
    wpk_store_u32(t->made + at, word);
    return true;
}

/* Element j of vector s; vectors behind the last are zero. */
static int32_t element(const wpk_shared_vectors *shared, uint32_t s, uint32_t j) {
    return s < shared->size ? shared->vectors[s * WPK_SV_LANES + j] : 0;
}

/* A word of each of `count` rows plus `add` to one further down. */
static void add_rows(const uint8_t *from, uint8_t *to, uint32_t row_nbytes, uint32_t count,
                     uint32_t add) {
    for (; count > 0; --count, from += row_nbytes, to += row_nbytes) {
        wpk_store_u32(to, wpk_load_u32(from) + add);
    }
}

/* Whether they are there. */
static bool are_added(const uint8_t *from, const uint8_t *to, uint32_t row_nbytes, uint32_t count,
                      uint32_t add) {
    bool right = true;
    for (; count > 0; --count, from += row_nbytes, to += row_nbytes) {
        right = wpk_load_u32(to) == wpk_load_u32(from) + add && right;
    }
    return right;
}

/* Entries of 8 or 16 bits, which are sums. All of them fit, so words can be added up as wholes: a
 * pattern's is that without its highest bit and the elements of that bit. */
static bool sum_column(const table *t, uint32_t column) {
    const uint32_t bits = t->shared->lut_bits, lanes = 32 / bits, first = column / 4 * lanes;
    bool right = put(t, 0, column, bits == 8 ? 0x80808080u : 0x80008000u);
    for (uint32_t j = 0; j < WPK_SV_LANES; ++j) {
        const uint32_t count = 1u << j, behind = column + count * t->row_nbytes;
        uint32_t add = 0;
        for (uint32_t k = 0; k < lanes; ++k) {
            add += (uint32_t)element(t->shared, first + k, j) << bits * k;
        }
        if (t->stored == NULL) {
            add_rows(t->made + column, t->made + behind, t->row_nbytes, count, add);
        } else {
            right = are_added(t->stored + column, t->stored + behind, t->row_nbytes, count, add) &&
                    right;
        }
    }
    return right;
}

enum { NIBBLES = 0x000f000f };

/* Entries of 4 bits, which are rounded: exact sums are kept in halves of words, those of entries
 * k and k + 4 of the column in word k, with what rounds them and makes them positive. Each pattern
 * differs in one bit from the one before. */
static bool round_column(const table *t, uint32_t column) {
    const uint32_t shift = t->shared->lut_shift, first = 2 * column;
    uint32_t elements[WPK_SV_LANES][4], sums[4];
    for (uint32_t k = 0; k < 4; ++k) {
        sums[k] = ((8u << shift) + ((1u << shift) >> 1)) * 0x10001u;
        for (uint32_t j = 0; j < WPK_SV_LANES; ++j) {
            elements[j][k] = (uint32_t)element(t->shared, first + k, j) +
                             ((uint32_t)element(t->shared, first + k + 4, j) << 16);
        }
    }
    bool right = true;
    for (uint32_t step = 1, pattern = 0;; ++step) {
        uint32_t word = 0;
        for (uint32_t k = 0; k < 4; ++k) {
            word |= (sums[k] >> shift & NIBBLES) << 4 * k;
        }
        right = put(t, pattern, column, word) && right;
        if (step == WPK_SV_PATTERNS) {
            return right;
        }
        uint32_t bit = 0;
        while ((step >> bit & 1) == 0) {
            ++bit;
        }
        pattern ^= 1u << bit;
        const uint32_t sign = (pattern >> bit & 1) - 1; /* 0 adds, all ones subtracts */
        for (uint32_t k = 0; k < 4; ++k) {
            sums[k] += (elements[bit][k] ^ sign) - sign;
        }
    }
}

static bool each_column(const table *t) {
    bool right = true;
    for (uint32_t column = 0; column < t->row_nbytes && right; column += 4) {
        right = t->shared->lut_bits == 4 ? round_column(t, column) : sum_column(t, column);
    }
    return right;
}

bool wpk_sv_lut_is_right(const wpk_shared_vectors *shared) {
    const table t = {shared, shared->lut, NULL, shared->pitch * shared->lut_bits / 8};
    return each_column(&t);
}

void wpk_sv_build_lut(const wpk_shared_vectors *shared, uint8_t *lut) {
    const table t = {shared, NULL, lut, shared->pitch * shared->lut_bits / 8};
    (void)each_column(&t);
}
