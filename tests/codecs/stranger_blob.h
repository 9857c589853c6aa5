/* Reading and decoding blobs, from docs/FORMAT.md alone. See stranger.c. */
#ifndef STRANGER_BLOB_H
#define STRANGER_BLOB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status {
    STATUS_OK = 0,
    STATUS_LENGTH = 1,     /* shorter or longer than its fields say */
    STATUS_MAGIC = 2,      /* not this kind of data */
    STATUS_VERSION = 3,    /* a version or codec this reader does not know */
    STATUS_HEADER = 4,     /* a header field out of range, or two that disagree */
    STATUS_SECTION = 5,    /* a section's length is not what the others imply */
    STATUS_COUNTS = 6,     /* row counts negative, or their sum is not the total */
    STATUS_INDEX = 7,      /* the row index disagrees with the row counts */
    STATUS_COLUMN = 8,     /* a column out of range or out of order */
    STATUS_ELEMENT = 9,    /* an element that its codec forbids */
    STATUS_EXPANSION = 10, /* implausibly many weights for its length */
    STATUS_CODE = 11       /* a code's description is malformed */
};

enum {
    CODEC_DENSE = 0,
    CODEC_RLE = 1,
    CODEC_DCSR = 2,
    CODEC_BITMAP = 3,
    CODEC_PACKED = 4,
    CODEC_HUFFMAN = 5,
    CODEC_POOL = 6,
    CODEC_COUNT = 7
};
enum { MAX_DIMS = 4, MAX_SECTIONS = 8, LANES = 16, MAX_OFFSET = 255, FILLER = 15 };
enum { FLAG_COUNT_TYPE = 3, FLAG_WIDE_INDEX = 4, COUNT_TYPES = 3 };

static const uint32_t SECTION_COUNT[CODEC_COUNT] = {1, 4, 7, 3, 2, 1, 1};

struct section {
    const uint8_t *bytes;
    uint32_t nbytes;
};

struct blob {
    uint32_t codec;
    uint32_t rows;
    uint32_t cols;
    uint32_t block_rows;
    uint32_t flags;
    struct section sections[MAX_SECTIONS];
};

static uint32_t read_u16(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t read_u32(const uint8_t *at) {
    return read_u16(at) | read_u16(at + 2) << 16;
}

static int32_t read_i8(const uint8_t *at) {
    return at[0] < 128 ? at[0] : at[0] - 256;
}

static int32_t read_i16(const uint8_t *at) {
    const int32_t value = (int32_t)read_u16(at);
    return value < 32768 ? value : value - 65536;
}

static int32_t as_i32(uint32_t bits) {
    return bits < 0x80000000u ? (int32_t)bits : (int32_t)(bits - 0x80000000u) + INT32_MIN;
}

static int32_t read_i32(const uint8_t *at) {
    return as_i32(read_u32(at));
}

static void write_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; ++i) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint32_t nibble(const uint8_t *bytes, uint32_t index) {
    return index % 2 == 0 ? bytes[index / 2] >> 4 : bytes[index / 2] & 15u;
}

static uint64_t align16(uint64_t nbytes) {
    return (nbytes + 15) / 16 * 16;
}

/* Rows and columns must be the products of the dimensions; products stay below 2^63 because each is
 * cut at 2^31. */
static enum status check_shape(const uint8_t *data, const struct blob *blob) {
    const uint32_t row_dims = data[7];
    const uint32_t ndim = data[20];
    uint64_t rows = 1;
    uint64_t cols = 1;
    if (ndim < 1 || ndim > MAX_DIMS || row_dims < 1 || row_dims > ndim) {
        return STATUS_HEADER;
    }
    for (uint32_t i = 0; i < MAX_DIMS; ++i) {
        const uint32_t dim = read_u32(data + 24 + 4 * i);
        uint64_t *const product = i < row_dims ? &rows : &cols;
        if (i >= ndim) {
            if (dim != 0) {
                return STATUS_HEADER;
            }
            continue;
        }
        *product *= dim;
        if (*product >= (1u << 31)) {
            return STATUS_HEADER;
        }
    }
    if (rows == 0 || cols == 0 || rows != blob->rows || cols != blob->cols ||
        rows * cols >= (1u << 31)) {
        return STATUS_HEADER;
    }
    return STATUS_OK;
}

static bool flags_are_known(uint32_t codec, uint32_t flags) {
    switch (codec) {
        case CODEC_DENSE:
            return flags == 0;
        case CODEC_BITMAP:
            return (flags & ~(uint32_t)FLAG_WIDE_INDEX) == 0;
        case CODEC_PACKED:
            return (flags & 7) != 0 && flags >> 3 <= 4;
        case CODEC_HUFFMAN:
            return flags < 8;
        case CODEC_POOL:
            return flags >= 1 && flags <= 8;
        default:
            return flags < 8 && (flags & FLAG_COUNT_TYPE) < COUNT_TYPES;
    }
}

static enum status parse_blob(const uint8_t *data, uint32_t nbytes, struct blob *blob) {
    if (nbytes < 40) {
        return STATUS_LENGTH;
    }
    if (memcmp(data, "WPKB", 4) != 0) {
        return STATUS_MAGIC;
    }
    if (data[4] != 1 || data[5] >= CODEC_COUNT || data[6] != 1) {
        return STATUS_VERSION;
    }
    blob->codec = data[5];
    blob->rows = read_u32(data + 8);
    blob->cols = read_u32(data + 12);
    if (read_u32(data + 16) != nbytes) {
        return STATUS_LENGTH;
    }
    const enum status shape = check_shape(data, blob);
    if (shape != STATUS_OK) {
        return shape;
    }
    if (data[21] > 15 || data[22] != SECTION_COUNT[blob->codec]) {
        return STATUS_HEADER;
    }
    blob->block_rows = 1u << data[21];
    blob->flags = data[23];
    if (!flags_are_known(blob->codec, blob->flags)) {
        return STATUS_HEADER;
    }
    const uint32_t section_count = data[22];
    uint64_t end = 40 + 4 * (uint64_t)section_count;
    if (end > nbytes) {
        return STATUS_LENGTH;
    }
    for (uint32_t i = 0; i < section_count; ++i) {
        const uint64_t start = align16(end);
        const uint32_t length = read_u32(data + 40 + 4 * i);
        if (start + length > nbytes) {
            return STATUS_LENGTH;
        }
        blob->sections[i].bytes = data + start;
        blob->sections[i].nbytes = length;
        end = start + length;
    }
    if (align16(end) != nbytes) {
        return STATUS_LENGTH;
    }
    const uint64_t weights = (uint64_t)blob->rows * blob->cols;
    if (weights > (1u << 26) && weights > 4096 * (uint64_t)nbytes) {
        return STATUS_EXPANSION;
    }
    return STATUS_OK;
}

/* What every sparse codec shares: the total and the row index, and, but for bitmap, row counts. */
struct sparse {
    const struct blob *blob;
    uint32_t total;
    uint32_t mean;
    uint32_t count_width;
    uint32_t index_width;
    uint32_t streams;
};

static enum status open_index(const struct blob *blob, uint32_t streams, struct sparse *sparse) {
    sparse->blob = blob;
    sparse->streams = streams;
    sparse->total = blob->sections[2].nbytes;
    sparse->index_width = (blob->flags & FLAG_WIDE_INDEX) != 0 ? 4 : 2;
    const uint64_t blocks = ((uint64_t)blob->rows + blob->block_rows - 1) / blob->block_rows;
    return blob->sections[0].nbytes == blocks * streams * sparse->index_width ? STATUS_OK
                                                                              : STATUS_SECTION;
}

static enum status open_sparse(const struct blob *blob, uint32_t streams, struct sparse *sparse) {
    sparse->mean = blob->sections[2].nbytes / blob->rows;
    sparse->count_width = 1u << (blob->flags & FLAG_COUNT_TYPE);
    if (blob->sections[1].nbytes != (uint64_t)blob->rows * sparse->count_width) {
        return STATUS_SECTION;
    }
    return open_index(blob, streams, sparse);
}

/* The count of row r; `used` elements belong to the rows before it. */
static enum status row_count(const struct sparse *sparse, uint32_t r, uint32_t used,
                             uint32_t *count) {
    const uint8_t *const at = sparse->blob->sections[1].bytes + (size_t)r * sparse->count_width;
    const int64_t difference = sparse->count_width == 1   ? read_i8(at)
                               : sparse->count_width == 2 ? read_i16(at)
                                                          : read_i32(at);
    const int64_t value = difference + sparse->mean;
    if (value < 0 || value > (int64_t)sparse->total - used) {
        return STATUS_COUNTS;
    }
    *count = (uint32_t)value;
    return STATUS_OK;
}

/* At the first row of a block the index must hold the position reached in each stream. */
static enum status check_index(const struct sparse *sparse, uint32_t r, const uint32_t *positions) {
    if (r % sparse->blob->block_rows != 0) {
        return STATUS_OK;
    }
    const size_t entry = (size_t)(r / sparse->blob->block_rows) * sparse->streams;
    for (uint32_t s = 0; s < sparse->streams; ++s) {
        const uint8_t *const at =
            sparse->blob->sections[0].bytes + (entry + s) * sparse->index_width;
        if ((sparse->index_width == 4 ? read_u32(at) : read_u16(at)) != positions[s]) {
            return STATUS_INDEX;
        }
    }
    return STATUS_OK;
}

static enum status decode_dense(const struct blob *blob, int8_t *weights) {
    const size_t count = (size_t)blob->rows * blob->cols;
    if (blob->sections[0].nbytes != count) {
        return STATUS_SECTION;
    }
    memcpy(weights, blob->sections[0].bytes, count);
    return STATUS_OK;
}

static enum status decode_rle_row(const struct blob *blob, uint32_t first, uint32_t count,
                                  int8_t *row) {
    const uint8_t *const values = blob->sections[2].bytes;
    const uint8_t *const steps = blob->sections[3].bytes;
    uint64_t column = 0;
    bool may_stay = true;
    for (uint32_t e = first; e < first + count; ++e) {
        const uint32_t step = nibble(steps, e);
        column += step;
        if (column >= blob->cols) {
            return STATUS_COLUMN;
        }
        if (step == FILLER) {
            if (values[e] != 0) {
                return STATUS_ELEMENT;
            }
        } else {
            if (step == 0 && !may_stay) {
                return STATUS_COLUMN;
            }
            row[column] = (int8_t)read_i8(values + e);
        }
        may_stay = step == FILLER;
    }
    return STATUS_OK;
}

static enum status decode_rle(const struct blob *blob, int8_t *weights) {
    struct sparse sparse;
    enum status status = open_sparse(blob, 1, &sparse);
    if (status != STATUS_OK) {
        return status;
    }
    if (blob->sections[3].nbytes != ((uint64_t)sparse.total + 1) / 2) {
        return STATUS_SECTION;
    }
    uint32_t element = 0;
    for (uint32_t r = 0; r < blob->rows; ++r) {
        uint32_t count = 0;
        status = check_index(&sparse, r, &element);
        if (status == STATUS_OK) {
            status = row_count(&sparse, r, element, &count);
        }
        if (status == STATUS_OK) {
            status = decode_rle_row(blob, element, count, weights + (size_t)r * blob->cols);
        }
        if (status != STATUS_OK) {
            return status;
        }
        element += count;
    }
    return element == sparse.total ? STATUS_OK : STATUS_COUNTS;
}

enum { STREAM_ELEMENT = 0, STREAM_GROUP = 1, STREAM_MASK = 2, STREAMS = 3 };

/* Deltas of one group; advances the mask position past the masks that the group has. */
static enum status group_deltas(const struct blob *blob, uint32_t group, uint32_t *mask,
                                uint32_t *delta) {
    const uint32_t masks = blob->sections[6].nbytes / 2;
    const uint8_t *const low = blob->sections[4].bytes + (size_t)(group / 2) * LANES;
    for (uint32_t j = 0; j < LANES; ++j) {
        delta[j] = group % 2 == 0 ? low[j] >> 4 : low[j] & 15u;
    }
    const uint32_t planes = nibble(blob->sections[5].bytes, group);
    for (uint32_t q = 0; q < 4; ++q) {
        if ((planes >> q & 1u) == 0) {
            continue;
        }
        if (*mask >= masks) {
            return STATUS_SECTION;
        }
        const uint32_t bits = read_u16(blob->sections[6].bytes + 2 * (size_t)*mask);
        *mask += 1;
        for (uint32_t j = 0; j < LANES; ++j) {
            delta[j] |= (bits >> j & 1u) << (4 + q);
        }
    }
    return STATUS_OK;
}

static enum status decode_dcsr_row(const struct blob *blob, uint32_t count, uint32_t *position,
                                   int8_t *row) {
    const int64_t slope = count == 0 ? 0 : ((int64_t)blob->cols + count / 2) / count;
    const uint32_t groups = blob->sections[3].nbytes;
    int64_t base = 0;
    int64_t previous = -1;
    for (uint32_t done = 0; done < count; done += LANES) {
        uint32_t delta[LANES];
        const uint32_t group = position[STREAM_GROUP];
        if (group >= groups) {
            return STATUS_SECTION;
        }
        base += read_i8(blob->sections[3].bytes + group) + (done == 0 ? 0 : LANES * slope);
        const enum status status = group_deltas(blob, group, &position[STREAM_MASK], delta);
        if (status != STATUS_OK) {
            return status;
        }
        const uint32_t lanes = count - done < LANES ? count - done : LANES;
        for (uint32_t j = 0; j < lanes; ++j) {
            const int64_t offset = slope * j + delta[j];
            const int64_t column = base + offset;
            if (offset > MAX_OFFSET || column <= previous || column >= blob->cols) {
                return STATUS_COLUMN;
            }
            row[column] = (int8_t)read_i8(blob->sections[2].bytes + position[STREAM_ELEMENT] + j);
            previous = column;
        }
        position[STREAM_ELEMENT] += lanes;
        position[STREAM_GROUP] += 1;
    }
    return STATUS_OK;
}

static enum status decode_dcsr(const struct blob *blob, int8_t *weights) {
    struct sparse sparse;
    enum status status = open_sparse(blob, STREAMS, &sparse);
    if (status != STATUS_OK) {
        return status;
    }
    const uint64_t pairs = ((uint64_t)blob->sections[3].nbytes + 1) / 2;
    if (blob->sections[4].nbytes != LANES * pairs || blob->sections[5].nbytes != pairs ||
        blob->sections[6].nbytes % 2 != 0) {
        return STATUS_SECTION;
    }
    uint32_t position[STREAMS] = {0, 0, 0};
    for (uint32_t r = 0; r < blob->rows; ++r) {
        uint32_t count = 0;
        status = check_index(&sparse, r, position);
        if (status == STATUS_OK) {
            status = row_count(&sparse, r, position[STREAM_ELEMENT], &count);
        }
        if (status == STATUS_OK) {
            status = decode_dcsr_row(blob, count, position, weights + (size_t)r * blob->cols);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (position[STREAM_ELEMENT] != sparse.total) {
        return STATUS_COUNTS;
    }
    return position[STREAM_GROUP] == blob->sections[3].nbytes &&
                   position[STREAM_MASK] == blob->sections[6].nbytes / 2
               ? STATUS_OK
               : STATUS_SECTION;
}

static enum status decode_bitmap(const struct blob *blob, int8_t *weights) {
    struct sparse sparse;
    const enum status status = open_index(blob, 1, &sparse);
    const uint64_t row_nbytes = ((uint64_t)blob->cols + 7) / 8;
    if (status != STATUS_OK || blob->sections[1].nbytes != blob->rows * row_nbytes) {
        return STATUS_SECTION;
    }
    uint32_t element = 0;
    for (uint32_t r = 0; r < blob->rows; ++r) {
        const uint8_t *const bits = blob->sections[1].bytes + r * row_nbytes;
        if (check_index(&sparse, r, &element) != STATUS_OK) {
            return STATUS_INDEX;
        }
        for (uint64_t c = 0; c < 8 * row_nbytes; ++c) {
            if ((bits[c / 8] >> c % 8 & 1u) == 0) {
                continue;
            }
            if (c >= blob->cols) {
                return STATUS_COLUMN;
            }
            if (element == sparse.total) {
                return STATUS_COUNTS;
            }
            weights[(size_t)r * blob->cols + c] =
                (int8_t)read_i8(blob->sections[2].bytes + element++);
        }
    }
    return element == sparse.total ? STATUS_OK : STATUS_COUNTS;
}

static enum status decode_packed(const struct blob *blob, int8_t *weights) {
    const uint32_t bits = blob->flags & 7, mapping = blob->flags >> 3;
    const uint64_t row_nbytes = ((uint64_t)blob->cols * bits + 7) / 8;
    const uint64_t tables = mapping == 2 ? 1 : mapping == 3 ? blob->rows : blob->cols;
    const uint64_t table_nbytes = mapping < 2 ? mapping : tables << bits;
    if (blob->sections[0].nbytes != table_nbytes ||
        blob->sections[1].nbytes != blob->rows * row_nbytes) {
        return STATUS_SECTION;
    }
    const uint8_t *const table = blob->sections[0].bytes;
    if (mapping == 1 && read_i8(table) > 128 - (1 << bits)) {
        return STATUS_ELEMENT;
    }
    for (uint32_t r = 0; r < blob->rows; ++r) {
        const uint8_t *const row = blob->sections[1].bytes + r * row_nbytes;
        for (uint32_t c = 0; c < blob->cols; ++c) {
            int32_t code = 0;
            for (uint32_t i = 0; i < bits; ++i) {
                const uint64_t bit = (uint64_t)c * bits + i;
                code |= (row[bit / 8] >> bit % 8 & 1) << i;
            }
            const size_t entry = (mapping == 3 ? r : mapping == 4 ? c : 0) * ((size_t)1 << bits);
            const int32_t value = mapping == 0   ? code - (1 << (bits - 1))
                                  : mapping == 1 ? read_i8(table) + code
                                                 : read_i8(table + entry + code);
            weights[(size_t)r * blob->cols + c] = (int8_t)value;
        }
    }
    return STATUS_OK;
}

#endif
