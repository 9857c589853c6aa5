/* What the parts of codec 5 share: the layout of its section, and decoding bit for bit
 * (docs/FORMAT.md, "Codec 5: Huffman"). */
#ifndef WPK_SRC_HUFFMAN_H
#define WPK_SRC_HUFFMAN_H

#include "prefix_code.h"
#include "wpk/codec.h"

enum {
    WPK_HUFFMAN_RUNS = 1,
    WPK_HUFFMAN_WIDE_INDEX = 2,
    WPK_HUFFMAN_LIVE_COLUMNS = 4,
    WPK_HUFFMAN_FLAGS = 7
};
enum { WPK_HUFFMAN_TAIL_NBYTES = 3, WPK_HUFFMAN_ZERO = 128 };

/* The codes of values and gaps. */
enum { WPK_VALUES = 0, WPK_GAPS = 1, WPK_HUFFMAN_CODES = 2 };

/* What stands before the lengths of the codes. */
typedef struct {
    wpk_bits bits; /* all behind the row index; at the lengths */
    wpk_code_head head[WPK_HUFFMAN_CODES];
    uint32_t codes; /* how many of them there are */
    uint32_t density, direct_log2;
    uint32_t period; /* of which some columns are left out; 0: none are */
} wpk_huffman_heads;

/* False if it is malformed. */
bool wpk_huffman_read_heads(const wpk_blob *blob, wpk_huffman_heads *heads);

/* Everything that decoding needs. Positions are bits of `data`. */
typedef struct {
    const uint8_t *data;
    uint32_t start, end; /* of the codes, padding included */
    wpk_code code[WPK_HUFFMAN_CODES];
    uint32_t direct_log2;
    /* Of each `period` columns `live` are stored; bit k of the bit string from `map` on tells
     * whether column k is. All are if map is 0. */
    uint32_t period, live, map;
} wpk_huffman;

/* Read all that stands before the first code. Symbols of the codes have room, those of values may
 * be NULL. False if it is malformed. */
bool wpk_huffman_open(const wpk_blob *blob, wpk_huffman_heads *heads, wpk_huffman *huffman);

/* Stored columns of a row. */
static inline uint32_t wpk_huffman_cols(const wpk_blob *blob, const wpk_huffman *huffman) {
    return huffman->map == 0 ? blob->cols : blob->cols / huffman->period * huffman->live;
}

/* The position of a block's first code, from the first code of all. */
uint32_t wpk_huffman_block_start(const wpk_blob *blob, uint32_t block);

/* How many extra bits a gap has, and what it is without them. */
static inline uint32_t wpk_gap_extra_nbits(uint32_t symbol, uint32_t direct_log2) {
    const uint32_t direct = 1u << direct_log2;
    return symbol < direct ? 0 : ((symbol - direct) >> 2) + direct_log2 - 2;
}

static inline uint32_t wpk_gap_base(uint32_t symbol, uint32_t direct_log2, uint32_t nbits) {
    const uint32_t direct = 1u << direct_log2;
    return symbol < direct ? symbol : (4 + ((symbol - direct) & 3)) << nbits;
}

/* The gap at *position, which moves behind it; false if it passes the end. */
bool wpk_huffman_gap(const wpk_huffman *huffman, uint32_t *position, uint32_t *gap);

/* Step over a row. *pending is the gap between the row's start and its first stored element, and
 * becomes that of the next row; nothing without gaps. False if the codes end before the row. */
bool wpk_huffman_skip_row(const wpk_blob *blob, const wpk_huffman *huffman, uint32_t *position,
                          uint32_t *pending);

#endif
