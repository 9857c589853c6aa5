/* Activations with their lower bits dropped (docs/FORMAT.md, "Weight pools"). Private. */
#ifndef WPK_SRC_LEVELS_H
#define WPK_SRC_LEVELS_H

#include <stdint.h>

/* x becomes min((x + add) >> drop, top) − half, a signed number of `bits` bits. */
typedef struct {
    int32_t add, top, half;
    uint32_t bits, drop;
} wpk_levels;

static inline wpk_levels wpk_levels_of(uint32_t act_bits, int8_t zero_point) {
    const uint32_t drop = 8 - act_bits;
    /* So that the zero point lies in the middle of what becomes its level. */
    const uint32_t middle = drop == 0 ? 0 : 1u << (drop - 1);
    const uint32_t round = (middle - (uint32_t)(zero_point + 128)) & ((1u << drop) - 1);
    return (wpk_levels){128 + (int32_t)round, (1 << act_bits) - 1, 1 << (act_bits - 1), act_bits,
                        drop};
}

static inline int8_t wpk_level(const wpk_levels *levels, int8_t x) {
    const int32_t level = (x + levels->add) >> levels->drop;
    return (int8_t)((level < levels->top ? level : levels->top) - levels->half);
}

/* What Helium needs instead: it adds this, saturated, so that too much becomes the top level, and
 * shifts right by `drop`. */
static inline int32_t wpk_levels_round(const wpk_levels *levels) {
    return levels->add - 128;
}

#endif
