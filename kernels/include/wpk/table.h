/* How accumulators become outputs, and the table in the file that says so (docs/FORMAT.md,
 * "Requantisation table"). */
#ifndef WPK_TABLE_H
#define WPK_TABLE_H

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/status.h"

WPK_BEGIN_C

/* Output channel c is
 *     acc = bias[c] + Σ w · (x − input_offset)                     int32, wrapping
 *     y   = clamp(output_zero_point + rescale(acc, multiplier[m], shift[m]), activation_min,
 * activation_max) with m = c, or 0 if there is one multiplier for all channels. Taps outside the
 * image have x = input_zero_point. */
typedef struct {
    uint32_t channels;
    uint32_t multipliers;      /* 1 or channels */
    const int32_t *bias;       /* [channels]; NULL: all 0 */
    const int32_t *multiplier; /* [multipliers], each ≥ 0 */
    const int8_t *shift;       /* [multipliers], each −31 to 30 */
    int8_t input_zero_point;
    int8_t output_zero_point;
    int8_t activation_min, activation_max; /* min ≤ max */
    /* Subtracted from every activation: 0 where the bias has the input zero point folded in, as
     * tables have; otherwise equal to input_zero_point. Must be 0 where WPK_WANTS_FOLDED_BIAS is 1
     * (wpk/arch.h). */
    int16_t input_offset;
} wpk_requant;

/* A checked table, still packed. */
typedef struct {
    const uint8_t *data;
    uint32_t channels;
    int8_t input_zero_point, output_zero_point;
} wpk_table;

/* Check a whole table; `data` may have any alignment. WPK_OK or WPK_BAD_TABLE. */
wpk_status wpk_table_parse(const uint8_t *data, uint32_t nbytes, wpk_table *table);

/* Scratch of wpk_table_unpack in bytes, a multiple of 16: at most 9 a channel, and 30. */
uint32_t wpk_table_scratch_nbytes(const wpk_table *table);

/* Unpack a table for one invocation of its layer: the pointers of `requant` lie in `scratch`,
 * which is aligned to 16 bytes. Returns the end of the scratch that was used. */
void *wpk_table_unpack(const wpk_table *table, void *scratch, wpk_requant *requant);

WPK_END_C

#endif
