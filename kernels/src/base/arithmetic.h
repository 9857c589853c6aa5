/* Small integer arithmetic. Private. */
#ifndef WPK_SRC_ARITHMETIC_H
#define WPK_SRC_ARITHMETIC_H

#include <stdint.h>

static inline uint32_t wpk_smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static inline uint64_t wpk_larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static inline uint32_t wpk_ceil_div(uint32_t a, uint32_t b) {
    return a / b + (a % b != 0);
}

static inline uint64_t wpk_align16(uint64_t nbytes) {
    return (nbytes + 15) & ~(uint64_t)15;
}

#endif
