/* Rows of packed codes, one implementation with Helium and one without. */
#ifndef WPK_SRC_CODEC_PACKED_H
#define WPK_SRC_CODEC_PACKED_H

#include <stdint.h>

/* One row: its codes and what they stand for. */
typedef struct {
    const uint8_t *codes;
    const int8_t *table; /* NULL: integers from `base` on */
    int8_t base;
} wpk_packed_row;

/* Writes n weights to dst, or returns Σ w · x modulo 2^32 where dst is NULL. */
int32_t wpk_packed_run(wpk_packed_row s, uint32_t bits, uint32_t n, const int8_t *x, int8_t *dst);

/* Codes to the values of their columns' tables of 2^bits entries, in place. */
void wpk_packed_map_columns(const int8_t *table, uint32_t bits, uint32_t n, int8_t *codes);

#endif
