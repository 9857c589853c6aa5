/* Canonical prefix codes of at most 12 bits (docs/FORMAT.md, "Codes"): their description in a blob,
 * and decoding a symbol bit for bit. The first bit of a bit string is the lowest of its first byte.
 */
#ifndef WPK_SRC_PREFIX_CODE_H
#define WPK_SRC_PREFIX_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/bytes.h"

enum { WPK_CODE_NBITS = 12, WPK_CODE_SYMBOLS = 256 };

/* Reads a bit string of `end` bits, behind whose last byte three more can be read. What is read
 * behind the end is worth nothing, and `position` passes `end`. */
typedef struct {
    const uint8_t *bytes;
    uint32_t position, end;
} wpk_bits;

/* The next n ≤ 16 bits. */
static inline uint32_t wpk_get_bits(wpk_bits *bits, uint32_t n) {
    const uint32_t position = bits->position;
    if (position >= bits->end) {
        bits->position += n != 0;
        return 0;
    }
    bits->position = position + n;
    const uint32_t window = wpk_load_u32(bits->bytes + (position >> 3)) >> (position & 7);
    return window & ((1u << n) - 1);
}

/* Groups of 2^group_log2 neighbouring symbols from `first` on. */
typedef struct {
    uint8_t first, group_log2;
    uint16_t groups;
} wpk_code_head;

/* False if it is malformed. */
bool wpk_read_head(wpk_bits *bits, wpk_code_head *head);

/* A code ready to be read bit for bit: codes of at most n bits, filled up with zeros behind to 12,
 * are below limit[n], and the symbols of n bits start at place[n] of `symbols`. */
typedef struct {
    uint16_t limit[WPK_CODE_NBITS + 1], place[WPK_CODE_NBITS + 1];
    uint8_t *symbols; /* by code: groups << group_log2 of them */
} wpk_code;

/* Read the lengths of a code and make `code`, whose `symbols` has room or is NULL if they are not
 * wanted. False if the lengths do not make a complete code. */
bool wpk_read_code(wpk_bits *bits, const wpk_code_head *head, wpk_code *code);

/* The lowest 12 bits in reverse order. */
static inline uint32_t wpk_reverse_12(uint32_t bits) {
#if WPK_MVE || WPK_DSP || WPK_THUMB2
    __asm__("rbit %0, %1" : "=r"(bits) : "r"(bits));
    return bits >> 20;
#else
    bits = (bits & 0x555) << 1 | (bits >> 1 & 0x555);
    bits = (bits & 0x333) << 2 | (bits >> 2 & 0x333);
    return (bits & 0x00f) << 8 | (bits & 0x0f0) | (bits >> 8 & 0x00f);
#endif
}

/* The length of the code that the lowest bits of `window` start with. */
static inline uint32_t wpk_code_nbits(const wpk_code *code, uint32_t window) {
    const uint32_t bits = wpk_reverse_12(window);
    uint32_t n = 1;
    while (bits >= code->limit[n]) {
        ++n;
    }
    return n;
}

/* Its symbol. */
static inline uint32_t wpk_code_symbol(const wpk_code *code, uint32_t window, uint32_t nbits) {
    const uint32_t behind = wpk_reverse_12(window) - code->limit[nbits - 1];
    return code->symbols[code->place[nbits] + (behind >> (WPK_CODE_NBITS - nbits))];
}

#endif
