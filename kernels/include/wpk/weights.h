/* Where a layer's weights come from: plain rows in flash, or a blob and its codec. */
#ifndef WPK_WEIGHTS_H
#define WPK_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/codec.h"

WPK_BEGIN_C

/* An int8 matrix [rows, cols]. Convolution and fully connected: a row per output channel.
 * Depthwise: a row per tap. */
typedef struct {
    const int8_t *dense;    /* the rows, contiguous; NULL: decode the blob */
    const wpk_codec *codec; /* of a checked blob; unused with dense rows */
    wpk_blob blob;
    uint32_t rows, cols;
    uint8_t act_bits; /* the bits of an activation that count: 8, or less for codecs with
                       * layers of their own */
} wpk_weights;

/* Weights of a checked blob. Dense blobs are read in place. */
static inline wpk_weights wpk_weights_of_blob(const wpk_blob *blob, const wpk_codec *codec) {
    const int8_t *const dense =
        blob->codec == WPK_CODEC_NUMBER_dense ? (const int8_t *)blob->section[0] : NULL;
    const wpk_weights weights = {dense, codec, *blob, blob->rows, blob->cols, 8};
    return weights;
}

/* Bytes of the tables that decoding needs in RAM, a multiple of 16; 0 for most codecs. */
static inline uint32_t wpk_tables_nbytes(const wpk_weights *weights) {
    if (weights->dense != NULL || weights->codec->tables_nbytes == NULL) {
        return 0;
    }
    return (weights->codec->tables_nbytes(&weights->blob) + 15) & ~15u;
}

/* A cursor at row 0. Loads the tables into `tables`: wpk_tables_nbytes bytes, aligned to 16. */
static inline wpk_cursor wpk_first_row(const wpk_weights *weights, void *tables) {
    wpk_cursor cursor = {0, {0, 0, 0}, NULL};
    if (weights->dense == NULL && weights->codec->load_tables != NULL) {
        weights->codec->load_tables(&weights->blob, tables);
        cursor.tables = tables;
    }
    return cursor;
}

WPK_END_C

#endif
