/* Rows of indices of shared vectors. Private. */
#ifndef WPK_SRC_CODEC_POOL_H
#define WPK_SRC_CODEC_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "wpk/blob.h"
#include "wpk/shared_vectors.h"

static inline const wpk_shared_vectors *wpk_sv_of(const wpk_blob *blob) {
    return blob->side;
}

/* Of a blob of codec pool, checked or not: channels of a tap, groups of eight of them, indices of a
 * row, bits of an index. */
static inline uint32_t wpk_sv_depth(const wpk_blob *blob) {
    return blob->dims[blob->ndim - 1u];
}

static inline uint32_t wpk_sv_groups(const wpk_blob *blob) {
    return wpk_sv_depth(blob) / WPK_SV_LANES + (wpk_sv_depth(blob) % WPK_SV_LANES != 0);
}

static inline uint32_t wpk_sv_positions(const wpk_blob *blob) {
    return blob->cols / wpk_sv_depth(blob) * wpk_sv_groups(blob);
}

static inline uint32_t wpk_sv_index_bits(const wpk_blob *blob) {
    return blob->flags;
}

static inline uint64_t wpk_sv_row_nbytes(const wpk_blob *blob) {
    return ((uint64_t)wpk_sv_positions(blob) * wpk_sv_index_bits(blob) + 7) / 8;
}

static inline const uint8_t *wpk_sv_row(const wpk_blob *blob, uint32_t row) {
    return blob->section[0] + (size_t)(row * wpk_sv_row_nbytes(blob));
}

/* Index `position` of a row, in 32-bit arithmetic: eight indices are a whole number of bytes. */
static inline uint32_t wpk_sv_index(const uint8_t *row, uint32_t bits, uint32_t position) {
    const uint32_t bit = position % 8 * bits;
    const uint8_t *const at = row + position / 8 * bits + bit / 8;
    const uint32_t low = at[0], high = at[(bit % 8 + bits - 1) / 8];
    return (low | high << 8) >> bit % 8 & ((1u << bits) - 1);
}

/* With Helium, where the indices of a row group are, in the order in which the matrix product takes
 * them. */
typedef struct {
    uint32_t row_nbytes;
    uint32_t chunks;   /* of 16 columns */
    uint32_t mask;     /* of an index, times the bytes of a vector */
    uint32_t reserved; /* three vectors of u16 for each chunk follow */
} wpk_sv_order;

#endif
