/* Streams of unsigned bit fields of one width (docs/FORMAT.md, "Requantisation table"). Private. */
#ifndef WPK_SRC_FIELDS_H
#define WPK_SRC_FIELDS_H

#include <stdbool.h>

#include "bytes.h"

/* 23 bits of a float32 mantissa, without the leading 1. */
enum { WPK_MANTISSA_WIDTH = 23 };

/* `count` fields of `width` bits, 0 to 32; their values are base + field. At least four bytes lie
 * before the first one and behind the last one. */
typedef struct {
    const uint8_t *stream;
    uint32_t count, width, base;
} wpk_fields;

/* At most 2^26 fields. */
static inline uint32_t wpk_fields_nbytes(uint32_t count, uint32_t width) {
    return (uint32_t)(((uint64_t)count * width + 7) / 8);
}

/* The field of `width` bits that starts at bit `at`; narrow: at most 25, which four bytes hold
 * wherever the field starts. */
static inline uint32_t wpk_field(const uint8_t *stream, uint32_t at, uint32_t width, bool narrow) {
    const uint32_t mask = (uint32_t)((UINT64_C(1) << width) - 1);
    uint32_t bits = wpk_load_u32(stream + at / 8) >> at % 8;
    if (!narrow) {
        bits |= (uint32_t)stream[at / 8 + 4] << 1 << (31 - at % 8);
    }
    return bits & mask;
}

/* A factor of 48 bits: its upper 32 bits, the highest of them set, and its lower 16. */
typedef struct {
    uint32_t high, low;
} wpk_factor;

/* The product of a mantissa, given as its field, and the factor, rounded to 31 significant bits;
 * 2^31 at most. */
static inline uint32_t wpk_scaled(uint32_t field, wpk_factor factor) {
    const uint32_t mantissa = (1u << WPK_MANTISSA_WIDTH | field) << 8;
    /* Without its lowest 16 bits, which do not reach the rounding: 63 or 64 bits. */
    const uint64_t product =
        (uint64_t)mantissa * factor.high + (uint32_t)(((uint64_t)mantissa * factor.low) >> 16);
    const uint32_t high = (uint32_t)(product >> 32), low = (uint32_t)product;
    const uint32_t bits = high >> 31 ? high : high << 1 | low >> 31;
    return (bits >> 1) + (bits & 1);
}

/* All values of a stream, as int32 or int8, modulo 2^32 and 2^8. */
void wpk_fields_to_words(wpk_fields fields, int32_t *to);
void wpk_fields_to_bytes(wpk_fields fields, int8_t *to);

/* wpk_scaled of every field; width and base are those of mantissas. */
void wpk_fields_to_scaled(wpk_fields fields, wpk_factor factor, int32_t *to);

#endif
