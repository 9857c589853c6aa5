/* Codecs: decode rows of a weight blob. One object per codec; only those that a program names are
 * linked. */
#ifndef WPK_CODEC_H
#define WPK_CODEC_H

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/blob.h"
#include "wpk/status.h"

WPK_BEGIN_C

/* Where a decoder stands. Start with all zeros but the tables: that is row 0 of any blob. */
typedef struct {
    uint32_t row;       /* the next row */
    uint32_t at[3];     /* its position in each of the codec's streams */
    const void *tables; /* what load_tables wrote; NULL if the codec has none */
} wpk_cursor;

#define WPK_NO_ROOM UINT32_MAX

/* Kernels for rows as lists, inside the library: named here so that they are linked with a codec
 * that has lists, and only then. */
struct wpk_list_kernels;

/* Kernels of a codec for whole layers, inside the library as well. */
struct wpk_layer_kernels;

/* A stored element of a row, for kernels that multiply with those alone. Helium takes a scalar
 * operand from the low half of a register, the DSP instructions an offset. */
typedef struct {
#if WPK_MVE
    int16_t value;
    uint16_t offset; /* column · scale */
#else
    uint16_t offset;
    int16_t value;
#endif
} wpk_entry;

/* 16 stored elements of a row, for Helium: their columns are base + offset, the base being the sum
 * of the steps up to this group. */
typedef struct {
    int8_t value[16];
    uint8_t offset[16];
    int32_t step;
} wpk_group;

typedef struct wpk_codec {
    const char *name; /* as in the "codec" option of WP_* operators */
    uint8_t number;   /* as in wpk_blob.codec */

    uint8_t side_nbytes; /* of what parse_side writes */

    /* Check the side tensor that blobs of some codecs need, and write what decoding wants to know
     * of it, aligned to a pointer. It is attached to the blob before its check, and the tensor must
     * outlive it. WPK_OK or WPK_BAD_SIDE. NULL without a side tensor. */
    wpk_status (*parse_side)(const uint8_t *data, uint32_t nbytes, void *side);

    /* Everything that decode relies on, the whole stream; once per model, from Prepare. */
    wpk_status (*check)(const wpk_blob *blob);

    /* Write rows [first, first + count) of a checked blob, zeros included: row r at dst + (r −
     * first) · stride. Bytes cols to stride − 1 of a row become 0. stride ≥ cols. Going on where
     * the cursor stands costs nothing; other rows are found through the row index. */
    void (*decode)(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride);

    /* Write the stored elements of one row, by increasing column, and return how many; values may
     * be 0. With more than `capacity` of them, which is never more than cols, the cursor stays and
     * what was written is worth nothing: WPK_NO_ROOM. cols · scale ≤ 65536. NULL if the codec
     * stores all elements. */
    uint32_t (*list)(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, uint32_t scale,
                     wpk_entry *entries, uint32_t capacity);

    /* Σ w · x of one row, modulo 2^32; x is [cols]. The cursor is as for decode. NULL for dense
     * rows, which are read in place. */
    int32_t (*dot)(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x);

    /* The same in groups; returns how many. Lanes without an element have the value 0 and a column
     * of the row. Room for cols / 16 + 1 is enough for any row. NULL on cores without Helium, or
     * if the codec stores all elements. */
    uint32_t (*groups)(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, wpk_group *groups,
                       uint32_t capacity);

    const struct wpk_list_kernels *list_kernels; /* NULL if there are none for this core */

    /* How many elements the rows list together, about; for planning. NULL if there are no lists. */
    uint32_t (*stored)(const wpk_blob *blob);

    /* Tables in RAM, made from the blob, that decode, list and dot read through the cursor; loaded
     * once per layer. Size in bytes, and what writes them, aligned to 16. NULL if none are needed.
     */
    uint32_t (*tables_nbytes)(const wpk_blob *blob);
    void (*load_tables)(const wpk_blob *blob, void *tables);

    /* What wpk_conv_s8 and wpk_fully_connected_s8 leave these layers to; NULL for most codecs. */
    const struct wpk_layer_kernels *layers;
} wpk_codec;

#define WPK_CODEC(number, name, groups) extern const wpk_codec wpk_codec_##name;
#include "wpk/codecs.def"

enum {
#define WPK_CODEC(number, name, groups) WPK_CODEC_NUMBER_##name = number,
#include "wpk/codecs.def"
};

/* The first members of the object of a codec. */
#define WPK_CODEC_IDENTITY(codec) .name = #codec, .number = WPK_CODEC_NUMBER_##codec

WPK_END_C

#endif
