/* Reads the file of codec_cases.py and compares verdict and content: of blobs decoded as a whole,
 * row by row from the last to the first, listed, and multiplied; of tables; of rescale. For hosts,
 * with sanitizers.
 *
 * A record: u32 kind (0 blob, 1 table, 2 rescale, 3 length of a pool tensor, the tensor and its
 * blob, 4 pool tensor), length, whether the reference reader accepts it, length of what it makes of
 * it; then both. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codecs.h"
#include "wpk/requant.h"
#include "wpk/shared_vectors.h"
#include "wpk/weights.h"

static bool rows_agree(const wpk_blob *blob, const wpk_codec *codec, const wpk_cursor *start,
                       const int8_t *weights) {
    const uint32_t stride = blob->cols + 5;
    int8_t *const rows = malloc((size_t)blob->rows * stride);
    wpk_cursor cursor = *start;
    bool same = rows != NULL;
    if (same) {
        memset(rows, 0x55, (size_t)blob->rows * stride);
        codec->decode(blob, &cursor, 0, blob->rows, rows, stride);
    }
    for (uint32_t r = 0; same && r < blob->rows; ++r) {
        same = memcmp(rows + (size_t)r * stride, weights + (size_t)r * blob->cols, blob->cols) == 0;
        for (uint32_t c = blob->cols; c < stride; ++c) {
            same = same && rows[(size_t)r * stride + c] == 0;
        }
    }
    for (uint32_t r = blob->rows; same && r-- > 0;) {
        codec->decode(blob, &cursor, r, 1, rows, blob->cols);
        same = memcmp(rows, weights + (size_t)r * blob->cols, blob->cols) == 0;
    }
    free(rows);
    return same;
}

static bool list_agrees(const wpk_blob *blob, const wpk_codec *codec, const wpk_cursor *start,
                        uint32_t row, const int8_t *weights) {
    wpk_cursor cursor = *start;
    if (codec->list == NULL || blob->cols > 65536) {
        return true;
    }
    /* A place more: a trailing filler of RLE is written and not counted. */
    wpk_entry *const entries = malloc((blob->cols + 1) * sizeof *entries);
    const uint32_t count = codec->list(blob, &cursor, row, 1, entries, blob->cols);
    bool same = count <= blob->cols;
    uint32_t e = 0;
    for (uint32_t c = 0; same && c < blob->cols; ++c) {
        if (e < count && entries[e].offset == c) {
            same = entries[e++].value == weights[c];
        } else {
            same = weights[c] == 0;
        }
    }
    same = same && e == count &&
           (count == 0 || codec->list(blob, &cursor, row, 1, entries, 0) == WPK_NO_ROOM);
    free(entries);
    return same;
}

static bool dot_agrees(const wpk_blob *blob, const wpk_codec *codec, const wpk_cursor *start,
                       uint32_t row, const int8_t *weights) {
    if (codec->dot == NULL) {
        return true;
    }
    int8_t *const x = malloc(blob->cols);
    uint32_t expected = 0;
    for (uint32_t c = 0; c < blob->cols; ++c) {
        x[c] = (int8_t)(c * 37 + row);
        expected += (uint32_t)(x[c] * weights[c]);
    }
    wpk_cursor cursor = *start;
    const bool same =
        codec->dot(blob, &cursor, row, x) == (int32_t)expected && cursor.row == row + 1;
    free(x);
    return same;
}

static const char *try_rows(const wpk_blob *blob, const wpk_codec *codec, const wpk_cursor *start,
                            const int8_t *rows) {
    if (!rows_agree(blob, codec, start, rows)) {
        return "decodes to something else";
    }
    for (uint32_t r = 0; r < blob->rows; ++r) {
        if (!list_agrees(blob, codec, start, r, rows + (size_t)r * blob->cols)) {
            return "lists something else";
        }
        if (!dot_agrees(blob, codec, start, r, rows + (size_t)r * blob->cols)) {
            return "multiplies something else";
        }
    }
    return NULL;
}

static const char *try_blob(const uint8_t *data, uint32_t nbytes, const wpk_shared_vectors *pool,
                            bool accepted, const uint8_t *weights) {
    wpk_blob blob;
    const bool parsed = wpk_blob_parse(data, nbytes, &blob) == WPK_OK;
    blob.side = pool;
    const wpk_codec *const codec = parsed ? find_codec(blob.codec) : NULL;
    if (codec == NULL || codec->check(&blob) != WPK_OK) {
        return accepted ? "refused" : NULL;
    }
    if (!accepted) {
        return "accepted";
    }
    const wpk_weights stored = wpk_weights_of_blob(&blob, codec);
    void *const tables = malloc(wpk_tables_nbytes(&stored));
    const wpk_cursor start = wpk_first_row(&stored, tables);
    const char *const wrong = try_rows(&blob, stored.codec, &start, (const int8_t *)weights);
    free(tables);
    return wrong;
}

/* A part of a record, in an allocation of its own. */
static uint8_t *copy_of(const uint8_t *data, uint32_t nbytes) {
    uint8_t *const copy = malloc(nbytes + (nbytes == 0));
    memcpy(copy, data, nbytes);
    return copy;
}

static const char *try_pooled_blob(const uint8_t *data, uint32_t nbytes, bool accepted,
                                   const uint8_t *weights) {
    uint32_t pool_nbytes;
    memcpy(&pool_nbytes, data, sizeof pool_nbytes);
    const uint32_t blob_nbytes = nbytes - 4 - pool_nbytes;
    uint8_t *const tensor = copy_of(data + 4, pool_nbytes);
    uint8_t *const blob = copy_of(data + 4 + pool_nbytes, blob_nbytes);
    wpk_shared_vectors pool;
    const char *const wrong = wpk_sv_parse(tensor, pool_nbytes, &pool) == WPK_OK
                                  ? try_blob(blob, blob_nbytes, &pool, accepted, weights)
                              : accepted ? "has its pool refused"
                                         : NULL;
    free(tensor);
    free(blob);
    return wrong;
}

static const char *try_pool(const uint8_t *data, uint32_t nbytes, bool accepted,
                            const uint8_t *expected) {
    wpk_shared_vectors pool;
    if (wpk_sv_parse(data, nbytes, &pool) != WPK_OK) {
        return accepted ? "refused" : NULL;
    }
    if (!accepted) {
        return "accepted";
    }
    const uint32_t fields[4] = {pool.size, pool.lut_bits, pool.lut_shift, pool.lut_mode};
    const bool same = memcmp(fields, expected, sizeof fields) == 0 &&
                      memcmp(pool.vectors, expected + sizeof fields, 8 * (size_t)pool.size) == 0;
    return same ? NULL : "has other fields";
}

static bool table_agrees(const wpk_table *packed, const uint8_t *expected) {
    uint8_t *const scratch = malloc(wpk_table_scratch_nbytes(packed));
    if (scratch == NULL) {
        return false;
    }
    wpk_requant table;
    const uint8_t *const end = wpk_table_unpack(packed, scratch, &table);
    const int8_t fields[4] = {table.input_zero_point, table.output_zero_point, table.activation_min,
                              table.activation_max};
    const uint8_t *const bias = expected + 4;
    const uint8_t *const multiplier = bias + 4 * (size_t)table.channels;
    const bool same =
        end == scratch + wpk_table_scratch_nbytes(packed) && memcmp(fields, expected, 4) == 0 &&
        memcmp(table.bias, bias, 4 * (size_t)table.channels) == 0 &&
        memcmp(table.multiplier, multiplier, 4 * (size_t)table.multipliers) == 0 &&
        memcmp(table.shift, multiplier + 4 * (size_t)table.multipliers, table.multipliers) == 0;
    free(scratch);
    return same;
}

static const char *try_table(const uint8_t *data, uint32_t nbytes, bool accepted,
                             const uint8_t *expected) {
    wpk_table table;
    if (wpk_table_parse(data, nbytes, &table) != WPK_OK) {
        return accepted ? "refused" : NULL;
    }
    if (!accepted) {
        return "accepted";
    }
    return table_agrees(&table, expected) ? NULL : "has other fields";
}

static const char *try_rescale(const uint8_t *data, const uint8_t *expected) {
    int32_t argument[3], result;
    memcpy(argument, data, sizeof argument);
    memcpy(&result, expected, sizeof result);
    return wpk_rescale(argument[0], argument[1], argument[2]) == result
               ? NULL
               : "rescales to something else";
}

int main(int argc, char **argv) {
    FILE *const file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    uint32_t count = 0, failed = 0;
    if (file == NULL || fread(&count, 4, 1, file) != 1) {
        fputs("usage: codec_cases FILE\n", stderr);
        return 2;
    }
    for (uint32_t i = 0; i < count; ++i) {
        uint32_t head[4];
        if (fread(head, sizeof head, 1, file) != 1) {
            return 2;
        }
        /* Of the exact length, so that the sanitizer sees a byte too far. */
        uint8_t *const data = malloc(head[1]), *const expected = malloc(head[3]);
        if (fread(data, 1, head[1], file) != head[1] ||
            fread(expected, 1, head[3], file) != head[3]) {
            return 2;
        }
        const bool accepted = head[2] != 0;
        const char *const wrong = head[0] == 0   ? try_blob(data, head[1], NULL, accepted, expected)
                                  : head[0] == 1 ? try_table(data, head[1], accepted, expected)
                                  : head[0] == 2 ? try_rescale(data, expected)
                                  : head[0] == 3
                                      ? try_pooled_blob(data, head[1], accepted, expected)
                                      : try_pool(data, head[1], accepted, expected);
        if (wrong != NULL) {
            printf("record %lu %s\n", (unsigned long)i, wrong);
            ++failed;
        }
        free(data);
        free(expected);
    }
    fclose(file);
    printf("%lu records, %lu failed\n", (unsigned long)count, (unsigned long)failed);
    return failed != 0;
}
