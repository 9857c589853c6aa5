/* Codec 5 of docs/FORMAT.md, from that document alone: one bit at a time. See stranger.c. */
#ifndef STRANGER_HUFFMAN_H
#define STRANGER_HUFFMAN_H

#include "stranger_blob.h"

enum { HUFFMAN_RUNS = 1, HUFFMAN_WIDE = 2, HUFFMAN_LEFT_OUT = 4 };
enum { SYMBOLS = 256, LONGEST = 12, TAIL = 3 };

struct bit_string {
    const uint8_t *bytes;
    uint64_t position, end;
    bool over; /* something was read behind the end */
};

static uint64_t take(struct bit_string *bits, uint32_t count) {
    uint64_t number = 0;
    for (uint32_t i = 0; i < count; ++i) {
        if (bits->position >= bits->end) {
            bits->over = true;
            return 0;
        }
        const uint64_t bit = bits->bytes[bits->position / 8] >> (bits->position % 8) & 1u;
        number += bit << i;
        bits->position += 1;
    }
    return number;
}

struct code {
    uint32_t first, group_log2, groups;
    uint32_t length[SYMBOLS]; /* 0: no code */
    uint32_t code[SYMBOLS];   /* first bit highest */
};

static enum status read_head(struct bit_string *bits, struct code *code) {
    code->first = (uint32_t)take(bits, 8);
    code->group_log2 = (uint32_t)take(bits, 3);
    code->groups = (uint32_t)take(bits, 8) + 1;
    if (bits->over || code->group_log2 > 4 ||
        code->first + code->groups * (1u << code->group_log2) > SYMBOLS) {
        return STATUS_CODE;
    }
    return STATUS_OK;
}

static enum status read_lengths(struct bit_string *bits, struct code *code) {
    int32_t last = 8;
    uint32_t sum = 0; /* in units of 2^-12 */
    memset(code->length, 0, sizeof code->length);
    for (uint32_t g = 0; g < code->groups; ++g) {
        if (take(bits, 1) == 1) {
            if (take(bits, 1) == 0) {
                last += take(bits, 1) == 1 ? 1 : -1;
            } else if (take(bits, 1) == 0) {
                continue;
            } else {
                last = (int32_t)take(bits, 4);
            }
        }
        if (bits->over || last < 1 || last > (int32_t)(LONGEST - code->group_log2)) {
            return STATUS_CODE;
        }
        sum += 1u << (LONGEST - last);
        for (uint32_t k = 0; k < 1u << code->group_log2; ++k) {
            code->length[code->first + (g << code->group_log2) + k] =
                (uint32_t)last + code->group_log2;
        }
    }
    if (bits->over || sum != 1u << LONGEST) {
        return STATUS_CODE;
    }
    uint32_t next = 0;
    for (uint32_t length = 1; length <= LONGEST; ++length, next *= 2) {
        for (uint32_t symbol = 0; symbol < SYMBOLS; ++symbol) {
            if (code->length[symbol] == length) {
                code->code[symbol] = next++;
            }
        }
    }
    return STATUS_OK;
}

/* The symbol whose code comes next; any when the string is over. */
static uint32_t take_symbol(struct bit_string *bits, const struct code *code) {
    uint32_t read = 0;
    for (uint32_t length = 1; length <= LONGEST && !bits->over; ++length) {
        read = 2 * read + (uint32_t)take(bits, 1);
        for (uint32_t symbol = 0; symbol < SYMBOLS; ++symbol) {
            if (code->length[symbol] == length && code->code[symbol] == read) {
                return symbol;
            }
        }
    }
    bits->over = true;
    return 0;
}

struct huffman {
    struct code values, gaps;
    uint32_t direct_log2;
    uint32_t period;
    uint8_t *live; /* [period] */
};

static uint64_t take_gap(struct bit_string *bits, const struct huffman *huffman) {
    const uint32_t symbol = take_symbol(bits, &huffman->gaps);
    const uint32_t direct = 1u << huffman->direct_log2;
    if (symbol < direct) {
        return symbol;
    }
    const uint32_t q = symbol - direct;
    const uint32_t extra = q / 4 + huffman->direct_log2 - 2;
    return ((4 + (uint64_t)(q % 4)) << extra) + take(bits, extra);
}

static enum status read_description(const struct blob *blob, struct bit_string *bits,
                                    struct huffman *huffman) {
    const bool runs = (blob->flags & HUFFMAN_RUNS) != 0;
    take(bits, 8);
    if (runs) {
        huffman->direct_log2 = (uint32_t)take(bits, 3);
        if (huffman->direct_log2 < 2 || huffman->direct_log2 > 6) {
            return STATUS_CODE;
        }
    }
    enum status status = read_head(bits, &huffman->values);
    if (status == STATUS_OK && runs) {
        status = read_head(bits, &huffman->gaps);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if ((blob->flags & HUFFMAN_LEFT_OUT) != 0) {
        huffman->period = (uint32_t)take(bits, 12) + 1;
        if (blob->cols % huffman->period != 0) {
            return STATUS_CODE;
        }
    }
    status = read_lengths(bits, &huffman->values);
    if (status == STATUS_OK && runs) {
        status = read_lengths(bits, &huffman->gaps);
        for (uint32_t s = (1u << huffman->direct_log2) + 4 * (31 - huffman->direct_log2);
             status == STATUS_OK && s < SYMBOLS; ++s) {
            status = huffman->gaps.length[s] == 0 ? STATUS_OK : STATUS_CODE;
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    bool any = false;
    for (uint32_t k = 0; huffman->live != NULL && k < huffman->period; ++k) {
        huffman->live[k] = (uint8_t)take(bits, 1);
        any = any || huffman->live[k] != 0;
    }
    return bits->over || (huffman->live != NULL && !any) ? STATUS_CODE : STATUS_OK;
}

/* Elements of a block, [first, end) of those that are stored, in row-major order. */
static enum status decode_block(const struct blob *blob, struct bit_string *bits,
                                const struct huffman *huffman, uint64_t count, int8_t *stored) {
    if ((blob->flags & HUFFMAN_RUNS) == 0) {
        for (uint64_t e = 0; e < count && !bits->over; ++e) {
            stored[e] = (int8_t)((int32_t)take_symbol(bits, &huffman->values) - 128);
        }
        return bits->over ? STATUS_COLUMN : STATUS_OK;
    }
    for (uint64_t position = 0;; ++position) {
        position += take_gap(bits, huffman);
        if (bits->over || position > count) {
            return STATUS_COLUMN;
        }
        if (position == count) {
            return STATUS_OK;
        }
        stored[position] = (int8_t)((int32_t)take_symbol(bits, &huffman->values) - 128);
    }
}

static enum status decode_blocks(const struct blob *blob, struct bit_string *bits,
                                 const struct huffman *huffman, int8_t *weights) {
    const uint8_t *const index = blob->sections[0].bytes;
    uint32_t live = huffman->live == NULL ? blob->cols : 0;
    for (uint32_t k = 0; huffman->live != NULL && k < huffman->period; ++k) {
        live += huffman->live[k] != 0 ? blob->cols / huffman->period : 0;
    }
    const uint64_t start = bits->position;
    for (uint32_t r = 0, b = 0; r < blob->rows; r += blob->block_rows, ++b) {
        if (b > 0) {
            const uint64_t entry = (blob->flags & HUFFMAN_WIDE) != 0
                                       ? read_u32(index + 4 * (size_t)(b - 1))
                                       : read_u16(index + 2 * (size_t)(b - 1));
            if (entry != bits->position - start) {
                return STATUS_INDEX;
            }
        }
        const uint32_t left = blob->rows - r;
        const uint32_t rows = left < blob->block_rows ? left : blob->block_rows;
        int8_t *const stored = calloc((size_t)rows * live, 1);
        const enum status status = decode_block(blob, bits, huffman, (uint64_t)rows * live, stored);
        const int8_t *from = stored;
        for (size_t e = 0; status == STATUS_OK && e < (size_t)rows * blob->cols; ++e) {
            const bool is_stored =
                huffman->live == NULL || huffman->live[e % blob->cols % huffman->period] != 0;
            weights[(size_t)r * blob->cols + e] = is_stored ? *from++ : 0;
        }
        free(stored);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status decode_huffman(const struct blob *blob, int8_t *weights) {
    const uint64_t width = (blob->flags & HUFFMAN_WIDE) != 0 ? 4 : 2;
    const uint64_t blocks = ((uint64_t)blob->rows + blob->block_rows - 1) / blob->block_rows;
    const uint64_t index = (blocks - 1) * width;
    const uint64_t nbytes = blob->sections[0].nbytes;
    if (nbytes < index + TAIL || nbytes >= 1u << 29) {
        return STATUS_SECTION;
    }
    const uint8_t *const tail = blob->sections[0].bytes + nbytes - TAIL;
    if (tail[0] != 0 || tail[1] != 0 || tail[2] != 0) {
        return STATUS_SECTION;
    }
    struct bit_string bits = {blob->sections[0].bytes + index, 0, 8 * (nbytes - index - TAIL),
                              false};
    struct huffman *const huffman = calloc(1, sizeof *huffman);
    huffman->live = (blob->flags & HUFFMAN_LEFT_OUT) != 0 ? calloc(4096, 1) : NULL;
    enum status status = read_description(blob, &bits, huffman);
    if (status == STATUS_OK) {
        status = decode_blocks(blob, &bits, huffman, weights);
    }
    if (status == STATUS_OK && bits.end - bits.position >= 8) {
        status = STATUS_SECTION;
    }
    while (status == STATUS_OK && bits.position < bits.end) {
        status = take(&bits, 1) == 0 ? STATUS_OK : STATUS_SECTION;
    }
    free(huffman->live);
    free(huffman);
    return status;
}

#endif
