/* Codec 5, Huffman: prefix codes of all weights, or of the non-zero ones and the gaps between them
 * (docs/FORMAT.md). Most codes are looked up whole; longer ones are read bit for bit. */
#include "../codecs/list_kernels.h"
#include "huffman_loops.h"

static wpk_status check(const wpk_blob *blob) {
    if (blob->codec != wpk_codec_huffman.number) {
        return WPK_UNKNOWN_CODEC;
    }
    uint8_t gap_symbols[WPK_CODE_SYMBOLS];
    wpk_huffman_heads heads;
    wpk_huffman huffman;
    huffman.code[WPK_VALUES].symbols = NULL;
    huffman.code[WPK_GAPS].symbols = gap_symbols;
    if (!wpk_huffman_read_heads(blob, &heads) || !wpk_huffman_open(blob, &heads, &huffman)) {
        return WPK_BAD_BLOB;
    }
    const uint32_t in_block = (1u << blob->block_log2) - 1;
    const bool runs = heads.codes == 2;
    const uint32_t cols = wpk_huffman_cols(blob, &huffman);
    uint32_t position = huffman.start, pending = 0;
    for (uint32_t r = 0, count; r < blob->rows; r += count) {
        if ((r & in_block) == 0 &&
            (pending != 0 ||
             wpk_huffman_block_start(blob, r >> blob->block_log2) != position - huffman.start ||
             (runs && !wpk_huffman_gap(&huffman, &position, &pending)))) {
            return WPK_BAD_BLOB;
        }
        /* Empty rows at once: one gap may stand for a whole block of them. */
        if (pending >= cols) {
            const uint32_t left = blob->rows - r, block = in_block + 1 - (r & in_block);
            const uint32_t most = left < block ? left : block;
            count = pending / cols < most ? pending / cols : most;
            pending -= count * cols;
            continue;
        }
        count = 1;
        if (!wpk_huffman_skip_row(blob, &huffman, &position, &pending)) {
            return WPK_BAD_BLOB;
        }
    }
    if (pending != 0 || huffman.end - position >= 8) {
        return WPK_BAD_BLOB;
    }
    wpk_bits rest = {huffman.data, position, huffman.end};
    const uint8_t *const tail = huffman.data + huffman.end / 8;
    const uint32_t unused =
        wpk_get_bits(&rest, huffman.end - position) | tail[0] | tail[1] | tail[2];
    return unused == 0 ? WPK_OK : WPK_BAD_BLOB;
}

static uint32_t stored(const wpk_blob *blob) {
    wpk_huffman_heads heads;
    wpk_huffman_read_heads(blob, &heads);
    return (uint32_t)((uint64_t)blob->rows * blob->cols * (heads.density + 1) >> 8);
}

static inline wpk_stream open_stream(const wpk_huffman_tables *t, const wpk_cursor *cursor) {
    const uint32_t position = t->huffman.start + cursor->at[0];
    return (wpk_stream){t->huffman.data + (position >> 3), position & 7};
}

static inline uint32_t position_of(const wpk_huffman_tables *t, const wpk_stream *in) {
    return 8 * (uint32_t)(in->at - t->huffman.data) + in->used;
}

static void close_stream(const wpk_huffman_tables *t, const wpk_stream *in, wpk_cursor *cursor) {
    cursor->at[0] = position_of(t, in) - t->huffman.start;
}

/* How far the next element is, from behind the code of a gap that escaped; of one that was not
 * looked up, from its start. */
WPK_NOINLINE uint32_t long_gap(const wpk_huffman_tables *t, wpk_stream *in, uint32_t symbol) {
    if (symbol == WPK_NO_SYMBOL) {
        const wpk_code *const code = &t->huffman.code[WPK_GAPS];
        const uint32_t window = wpk_window(in), nbits = wpk_code_nbits(code, window);
        symbol = wpk_code_symbol(code, window, nbits);
        in->used += nbits;
    }
    const uint32_t nbits = wpk_gap_extra_nbits(symbol, t->huffman.direct_log2);
    uint32_t gap = wpk_gap_base(symbol, t->huffman.direct_log2, nbits) + 1;
    for (uint32_t done = 0, part; done < nbits; done += part) {
        part = nbits - done < 16 ? nbits - done : 16;
        gap += (wpk_window(in) & ((1u << part) - 1)) << done;
        in->used += part;
    }
    return gap;
}

/* To the next period of the row. */
static inline void advance(wpk_use use, wpk_sink *s, uint32_t columns) {
    if (use == STORE) {
        s->row += columns;
    } else if (use == MULTIPLY) {
        s->x += columns;
    } else {
        s->offset += columns * s->scale;
    }
}

static inline bool plain_period(wpk_use use, bool mapped, const wpk_huffman_tables *t,
                                wpk_stream *in, wpk_sink *s) {
    const uint32_t live = t->huffman.live;
    uint32_t c = 0;
    if (use != LIST && live > 1) {
        c = live & ~1u;
        wpk_plain_loop(use, mapped, t, in, live / 2, s);
    }
    for (; c < live; ++c) {
        const int32_t value = wpk_next_value(t, in);
        if (use == LIST && value == 0) {
            continue;
        }
        if (use == LIST && s->entry == s->end) {
            return false;
        }
        wpk_put(use, s, mapped ? t->columns[c] : c, value);
    }
    return true;
}

static inline bool runs_period(wpk_use use, bool mapped, const wpk_huffman_tables *t,
                               wpk_stream *in, uint32_t *pending, wpk_sink *s) {
    const uint32_t live = t->huffman.live;
    uint32_t c = *pending;
    while (c < live) {
        uint32_t bound = live;
        if (use == LIST) {
            const uint32_t room = (uint32_t)(s->end - s->entry);
            if (room == 0) {
                return false;
            }
            bound = live - c <= room ? live : c + room;
        }
        uint32_t symbol;
        if (!wpk_runs_loop(use, mapped, t, in, &c, bound, s, &symbol)) {
            c += long_gap(t, in, symbol);
        }
    }
    *pending = c - live;
    return true;
}

/* The row where the cursor stands; false if a list has no room for it. */
static inline bool read_row(wpk_use use, const wpk_blob *blob, const wpk_huffman_tables *t,
                            wpk_cursor *cursor, wpk_stream *in, wpk_sink *s) {
    const bool runs = (blob->flags & WPK_HUFFMAN_RUNS) != 0, mapped = t->columns != NULL;
    if (runs && (cursor->row & ((1u << blob->block_log2) - 1)) == 0) {
        cursor->at[1] = long_gap(t, in, WPK_NO_SYMBOL) - 1;
    }
    for (uint32_t c = 0; c < blob->cols; c += t->huffman.period) {
        const bool room = runs     ? mapped ? runs_period(use, true, t, in, &cursor->at[1], s)
                                            : runs_period(use, false, t, in, &cursor->at[1], s)
                              : mapped ? plain_period(use, true, t, in, s)
                                   : plain_period(use, false, t, in, s);
        if (!room) {
            return false;
        }
        advance(use, s, t->huffman.period);
    }
    ++cursor->row;
    return true;
}

/* To the row `first`, over the rows before it in its block. */
WPK_NOINLINE void seek(const wpk_blob *blob, const wpk_huffman_tables *t, wpk_cursor *cursor,
                       uint32_t first) {
    const uint32_t block = first >> blob->block_log2;
    uint32_t position = t->huffman.start + wpk_huffman_block_start(blob, block), pending = 0;
    cursor->row = block << blob->block_log2;
    if (cursor->row < first && (blob->flags & WPK_HUFFMAN_RUNS) != 0) {
        wpk_huffman_gap(&t->huffman, &position, &pending);
    }
    for (; cursor->row < first; ++cursor->row) {
        wpk_huffman_skip_row(blob, &t->huffman, &position, &pending);
    }
    cursor->at[0] = position - t->huffman.start;
    cursor->at[1] = pending;
}

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    const wpk_huffman_tables *const t = cursor->tables;
    if (cursor->row != first) {
        seek(blob, t, cursor, first);
    }
    wpk_stream in = open_stream(t, cursor);
    wpk_fill(dst, 0, count * stride);
    for (; count > 0; --count, dst += stride) {
        wpk_sink s = {.row = dst};
        read_row(STORE, blob, t, cursor, &in, &s);
    }
    close_stream(t, &in, cursor);
}

static int32_t dot(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x) {
    const wpk_huffman_tables *const t = cursor->tables;
    if (cursor->row != row) {
        seek(blob, t, cursor, row);
    }
    wpk_stream in = open_stream(t, cursor);
    wpk_sink s = {.x = x};
    read_row(MULTIPLY, blob, t, cursor, &in, &s);
    close_stream(t, &in, cursor);
    return (int32_t)s.acc;
}

static uint32_t list(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, uint32_t scale,
                     wpk_entry *entries, uint32_t capacity) {
    const wpk_huffman_tables *const t = cursor->tables;
    if (cursor->row != row) {
        seek(blob, t, cursor, row);
    }
    wpk_stream in = open_stream(t, cursor);
    wpk_cursor at = *cursor;
    wpk_sink s = {.entry = entries, .end = entries + capacity, .scale = scale};
    if (!read_row(LIST, blob, t, &at, &in, &s)) {
        return WPK_NO_ROOM;
    }
    close_stream(t, &in, &at);
    *cursor = at;
    return (uint32_t)(s.entry - entries);
}

const wpk_codec wpk_codec_huffman = {
    WPK_CODEC_IDENTITY(huffman),
    .check = check,
    .decode = decode,
    .list = list,
    .dot = dot,
    .list_kernels = &wpk_lists,
    .stored = stored,
    .tables_nbytes = wpk_huffman_tables_nbytes,
    .load_tables = wpk_huffman_load_tables,
};
