#include "huffman.h"

enum { MIN_DIRECT_LOG2 = 2, MAX_DIRECT_LOG2 = 6, MAX_GAP_LOG2 = 31, PERIOD_NBITS = 12 };

static uint32_t index_nbytes(const wpk_blob *blob) {
    const uint32_t blocks = (uint32_t)(((uint64_t)blob->rows - 1) >> blob->block_log2);
    return blocks * ((blob->flags & WPK_HUFFMAN_WIDE_INDEX) != 0 ? 4 : 2);
}

bool wpk_huffman_read_heads(const wpk_blob *blob, wpk_huffman_heads *heads) {
    const uint64_t nbytes = blob->section_nbytes[0];
    const uint64_t index = index_nbytes(blob);
    if (blob->section_count != 1 || (blob->flags & ~WPK_HUFFMAN_FLAGS) != 0 ||
        nbytes < index + WPK_HUFFMAN_TAIL_NBYTES || nbytes > UINT32_MAX / 8) {
        return false;
    }
    const uint32_t data_nbytes = (uint32_t)(nbytes - index - WPK_HUFFMAN_TAIL_NBYTES);
    heads->bits = (wpk_bits){blob->section[0] + index, 0, 8 * data_nbytes};
    heads->density = wpk_get_bits(&heads->bits, 8);
    heads->codes = 1;
    heads->direct_log2 = MIN_DIRECT_LOG2;
    if ((blob->flags & WPK_HUFFMAN_RUNS) != 0) {
        heads->codes = 2;
        heads->direct_log2 = wpk_get_bits(&heads->bits, 3);
        if (heads->direct_log2 < MIN_DIRECT_LOG2 || heads->direct_log2 > MAX_DIRECT_LOG2) {
            return false;
        }
    }
    for (uint32_t c = 0; c < heads->codes; ++c) {
        if (!wpk_read_head(&heads->bits, &heads->head[c])) {
            return false;
        }
    }
    heads->period = 0;
    if ((blob->flags & WPK_HUFFMAN_LIVE_COLUMNS) != 0) {
        heads->period = wpk_get_bits(&heads->bits, PERIOD_NBITS) + 1;
        return blob->cols % heads->period == 0;
    }
    return true;
}

/* Whether every gap symbol is one. */
static bool gaps_are_known(const wpk_code *code, uint32_t direct_log2) {
    const uint32_t known = (1u << direct_log2) + 4 * (MAX_GAP_LOG2 - direct_log2);
    const uint32_t last = code->place[WPK_CODE_NBITS] +
                          (code->limit[WPK_CODE_NBITS] - code->limit[WPK_CODE_NBITS - 1]);
    for (uint32_t i = 0; i < last; ++i) {
        if (code->symbols[i] >= known) {
            return false;
        }
    }
    return true;
}

bool wpk_huffman_open(const wpk_blob *blob, wpk_huffman_heads *heads, wpk_huffman *huffman) {
    wpk_bits *const bits = &heads->bits;
    huffman->data = bits->bytes;
    huffman->end = bits->end;
    huffman->direct_log2 = heads->direct_log2;
    for (uint32_t c = 0; c < heads->codes; ++c) {
        if (!wpk_read_code(bits, &heads->head[c], &huffman->code[c])) {
            return false;
        }
    }
    if (heads->codes == 2 && !gaps_are_known(&huffman->code[WPK_GAPS], heads->direct_log2)) {
        return false;
    }
    huffman->period = huffman->live = blob->cols;
    huffman->map = 0;
    if (heads->period != 0) {
        huffman->period = heads->period;
        huffman->map = bits->position;
        huffman->live = 0;
        for (uint32_t k = 0; k < huffman->period; ++k) {
            huffman->live += wpk_get_bits(bits, 1);
        }
        if (huffman->live == 0) {
            return false;
        }
    }
    huffman->start = bits->position;
    return bits->position <= bits->end;
}

uint32_t wpk_huffman_block_start(const wpk_blob *blob, uint32_t block) {
    if (block == 0) {
        return 0;
    }
    const uint8_t *const index = blob->section[0];
    return (blob->flags & WPK_HUFFMAN_WIDE_INDEX) != 0
               ? wpk_load_u32(index + 4 * (size_t)(block - 1))
               : wpk_load_u16(index + 2 * (size_t)(block - 1));
}

/* Behind the code at *position; false if it passes the end. */
static bool skip_code(const wpk_huffman *huffman, uint32_t which, uint32_t *position,
                      uint32_t *window, uint32_t *nbits) {
    if (*position >= huffman->end) {
        return false;
    }
    *window = wpk_load_u32(huffman->data + (*position >> 3)) >> (*position & 7);
    *nbits = wpk_code_nbits(&huffman->code[which], *window);
    *position += *nbits;
    return *position <= huffman->end;
}

bool wpk_huffman_gap(const wpk_huffman *huffman, uint32_t *position, uint32_t *gap) {
    uint32_t window, nbits;
    if (!skip_code(huffman, WPK_GAPS, position, &window, &nbits)) {
        return false;
    }
    const uint32_t symbol = wpk_code_symbol(&huffman->code[WPK_GAPS], window, nbits);
    const uint32_t extra = wpk_gap_extra_nbits(symbol, huffman->direct_log2);
    wpk_bits bits = {huffman->data, *position, huffman->end};
    *gap = wpk_gap_base(symbol, huffman->direct_log2, extra);
    for (uint32_t done = 0, part; done < extra; done += part) {
        part = extra - done < 16 ? extra - done : 16;
        *gap += wpk_get_bits(&bits, part) << done;
    }
    *position = bits.position;
    return *position <= huffman->end;
}

bool wpk_huffman_skip_row(const wpk_blob *blob, const wpk_huffman *huffman, uint32_t *position,
                          uint32_t *pending) {
    const uint32_t cols = wpk_huffman_cols(blob, huffman);
    const bool runs = (blob->flags & WPK_HUFFMAN_RUNS) != 0;
    uint32_t column = runs ? *pending : 0, gap = 0, window, nbits;
    for (; column < cols; column += gap + 1) {
        if (!skip_code(huffman, WPK_VALUES, position, &window, &nbits) ||
            (runs && !wpk_huffman_gap(huffman, position, &gap))) {
            return false;
        }
    }
    *pending = column - cols;
    return true;
}
