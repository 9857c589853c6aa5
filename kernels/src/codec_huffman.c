/* Codec 5, Huffman: prefix codes of all weights, or of the non-zero ones and the gaps between them
 * (docs/FORMAT.md). Most codes are looked up whole; longer ones are read bit for bit. */
#include "huffman.h"
#include "lists.h"

/* Bits that a lookup takes at most. */
enum { PLAIN_NBITS = 9, RUNS_VALUE_NBITS = 8, RUNS_GAP_NBITS = 7 };

/* Lookup entries: the length of the code below, and above the value, or how far the next element
 * is. Codes that are longer than the lookup and gaps with extra bits escape. */
enum { ESCAPE = 0x80 };

typedef struct {
    wpk_huffman huffman;
    uint16_t *lookup[WPK_HUFFMAN_CODES];
    uint32_t mask[WPK_HUFFMAN_CODES];
    uint16_t *columns; /* number of each stored column of a period, NULL if all are stored */
} tables;

static uint32_t lookup_nbits(const wpk_huffman_heads *heads, uint32_t code) {
    const uint32_t most = heads->codes == 1    ? PLAIN_NBITS
                          : code == WPK_VALUES ? RUNS_VALUE_NBITS
                                               : RUNS_GAP_NBITS;
    const uint32_t longest = wpk_longest_code(&heads->head[code]);
    return longest < most ? longest : most;
}

static uint32_t symbols_of(const wpk_code_head *head) {
    return (uint32_t)head->groups << head->group_log2;
}

static wpk_status check(const wpk_blob *blob) {
    if (blob->codec != wpk_codec_huffman.number) {
        return WPK_UNKNOWN_CODEC;
    }
    uint8_t symbols[WPK_HUFFMAN_CODES][WPK_CODE_SYMBOLS];
    wpk_huffman_heads heads;
    wpk_huffman huffman;
    huffman.code[WPK_VALUES].symbols = symbols[WPK_VALUES];
    huffman.code[WPK_GAPS].symbols = symbols[WPK_GAPS];
    if (!wpk_huffman_read_heads(blob, &heads) || !wpk_huffman_open(blob, &heads, &huffman)) {
        return WPK_BAD_BLOB;
    }
    const uint32_t in_block = (1u << blob->block_log2) - 1;
    const bool runs = heads.codes == 2;
    uint32_t position = huffman.start, pending = 0;
    for (uint32_t r = 0; r < blob->rows; ++r) {
        if ((r & in_block) == 0 &&
            (pending != 0 ||
             wpk_huffman_block_start(blob, r >> blob->block_log2) != position - huffman.start ||
             (runs && !wpk_huffman_gap(&huffman, &position, &pending)))) {
            return WPK_BAD_BLOB;
        }
        if (!wpk_huffman_skip_row(blob, &huffman, &position, &pending)) {
            return WPK_BAD_BLOB;
        }
    }
    if (pending != 0 || huffman.end - position >= 8) {
        return WPK_BAD_BLOB;
    }
    wpk_bits rest = {huffman.data, position, huffman.end + 8 * WPK_HUFFMAN_TAIL_NBYTES};
    while (rest.position < rest.end) {
        if (wpk_get_bits(&rest, 1) != 0) {
            return WPK_BAD_BLOB;
        }
    }
    return WPK_OK;
}

static uint32_t stored(const wpk_blob *blob) {
    wpk_huffman_heads heads;
    wpk_huffman_read_heads(blob, &heads);
    return (uint32_t)((uint64_t)blob->rows * blob->cols * (heads.density + 1) >> 8);
}

static uint32_t tables_nbytes(const wpk_blob *blob) {
    wpk_huffman_heads heads;
    wpk_huffman_read_heads(blob, &heads);
    uint32_t nbytes = sizeof(tables);
    for (uint32_t c = 0; c < heads.codes; ++c) {
        nbytes += (2u << lookup_nbits(&heads, c)) + ((symbols_of(&heads.head[c]) + 1) & ~1u);
    }
    return nbytes + 2 * heads.period;
}

static void fill_lookup(tables *t, uint32_t which, uint32_t nbits) {
    const wpk_code *const code = &t->huffman.code[which];
    uint16_t *const lookup = t->lookup[which];
    for (uint32_t i = 0; i < 1u << nbits; ++i) {
        lookup[i] = ESCAPE;
    }
    const uint32_t direct = 1u << t->huffman.direct_log2;
    const uint8_t *symbol = code->symbols;
    uint32_t bits = 0; /* the code, filled up with zeros behind to 12 bits */
    for (uint32_t n = 1; n <= nbits; ++n) {
        for (; bits < code->limit[n]; bits += 1u << (WPK_CODE_NBITS - n), ++symbol) {
            if (which == WPK_GAPS && *symbol >= direct) {
                continue;
            }
            const uint32_t high = which == WPK_GAPS ? *symbol + 1u : *symbol ^ WPK_HUFFMAN_ZERO;
            for (uint32_t i = wpk_reverse_12(bits); i < 1u << nbits; i += 1u << n) {
                lookup[i] = (uint16_t)(high << 8 | n);
            }
        }
    }
}

static void load_tables(const wpk_blob *blob, void *memory) {
    tables *const t = memory;
    wpk_huffman_heads heads;
    wpk_huffman_read_heads(blob, &heads);
    uint16_t *at = (uint16_t *)(void *)(t + 1);
    uint32_t nbits[WPK_HUFFMAN_CODES];
    for (uint32_t c = 0; c < heads.codes; ++c) {
        nbits[c] = lookup_nbits(&heads, c);
        t->lookup[c] = at;
        t->mask[c] = (1u << nbits[c]) - 1;
        at += 1u << nbits[c];
        t->huffman.code[c].symbols = (uint8_t *)at;
        at += (symbols_of(&heads.head[c]) + 1) / 2;
    }
    wpk_huffman_open(blob, &heads, &t->huffman);
    for (uint32_t c = 0; c < heads.codes; ++c) {
        fill_lookup(t, c, nbits[c]);
    }
    t->columns = NULL;
    if (t->huffman.map != 0) {
        t->columns = at;
        for (uint32_t k = 0; k < t->huffman.period; ++k) {
            *at = (uint16_t)k;
            at += wpk_huffman_is_live(&t->huffman, k);
        }
    }
}

/* Codes that are being read: the byte where they go on, and how many of its bits and those behind
 * were read. */
typedef struct {
    const uint8_t *at;
    uint32_t used;
} stream;

static inline stream open_stream(const tables *t, const wpk_cursor *cursor) {
    const uint32_t position = t->huffman.start + cursor->at[0];
    const stream in = {t->huffman.data + (position >> 3), position & 7};
    return in;
}

static inline uint32_t position_of(const tables *t, const stream *in) {
    return 8 * (uint32_t)(in->at - t->huffman.data) + in->used;
}

/* The next bits, 25 of them valid: two codes. */
static inline uint32_t window_of(stream *in) {
    in->at += in->used >> 3;
    in->used &= 7;
    return wpk_load_u32(in->at) >> in->used;
}

/* Drop the bits of a code from the window. */
static inline uint32_t behind(uint32_t window, uint32_t entry) {
#if WPK_MVE || WPK_DSP || WPK_THUMB2
    /* A shift takes the lowest byte of its distance. */
    __asm__("lsr %0, %0, %1" : "+r"(window) : "r"(entry));
    return window;
#else
    return window >> (entry & 31);
#endif
}

static __attribute__((noinline)) int32_t long_value(const tables *t, stream *in, uint32_t *window) {
    uint32_t nbits;
    const uint32_t symbol = wpk_decode_symbol(&t->huffman.code[WPK_VALUES], *window, &nbits);
    *window >>= nbits;
    in->used += nbits;
    return (int8_t)(symbol ^ WPK_HUFFMAN_ZERO);
}

/* How far the next element is. */
static __attribute__((noinline)) uint32_t long_gap(const tables *t, stream *in) {
    uint32_t position = position_of(t, in), gap;
    wpk_huffman_gap(&t->huffman, &position, &gap);
    in->at = t->huffman.data + (position >> 3);
    in->used = position & 7;
    return gap + 1;
}

/* What is done with elements. */
typedef enum { STORE, LIST, MULTIPLY } use;
typedef struct {
    int8_t *row;            /* STORE */
    wpk_entry *entry, *end; /* LIST */
    uint32_t scale, offset;
    const int8_t *x; /* MULTIPLY */
    uint32_t acc;
} sink;

static inline bool put(use what, sink *s, uint32_t column, int32_t value, bool may_be_zero) {
    if (what == STORE) {
        s->row[column] = (int8_t)value;
    } else if (what == MULTIPLY) {
        s->acc += (uint32_t)(s->x[column] * value);
    } else {
        if (s->entry == s->end) {
            return may_be_zero && value == 0;
        }
        s->entry->offset = (uint16_t)(s->offset + column * s->scale);
        s->entry->value = (int16_t)value;
        s->entry += !may_be_zero || value != 0;
    }
    return true;
}

/* To the next period of the row. */
static inline void advance(use what, sink *s, uint32_t columns) {
    if (what == STORE) {
        s->row += columns;
    } else if (what == MULTIPLY) {
        s->x += columns;
    } else {
        s->offset += columns * s->scale;
    }
}

static inline bool plain_period(use what, bool mapped, const tables *t, stream *in, sink *s) {
    const uint16_t *const lookup = t->lookup[WPK_VALUES], *const columns = t->columns;
    const uint32_t mask = t->mask[WPK_VALUES];
    for (uint32_t c = 0; c < t->huffman.live; ++c) {
        uint32_t window = window_of(in);
        const uint32_t entry = lookup[window & mask];
        int32_t value = (int8_t)(entry >> 8);
        if ((entry & ESCAPE) != 0) {
            value = long_value(t, in, &window);
        } else {
            in->used += entry & 0xff;
        }
        if (!put(what, s, mapped ? columns[c] : c, value, true)) {
            return false;
        }
    }
    return true;
}

static inline bool runs_period(use what, bool mapped, const tables *t, stream *in,
                               uint32_t *pending, sink *s) {
    const uint16_t *const values = t->lookup[WPK_VALUES], *const gaps = t->lookup[WPK_GAPS];
    const uint16_t *const columns = t->columns;
    const uint32_t value_mask = t->mask[WPK_VALUES], gap_mask = t->mask[WPK_GAPS];
    const uint32_t live = t->huffman.live;
    uint32_t c = *pending;
    while (c < live) {
        uint32_t window = window_of(in);
        const uint32_t entry = values[window & value_mask];
        int32_t value = (int8_t)(entry >> 8);
        if ((entry & ESCAPE) != 0) {
            value = long_value(t, in, &window);
        } else {
            window = behind(window, entry);
            in->used += entry & 0xff;
        }
        if (!put(what, s, mapped ? columns[c] : c, value, false)) {
            return false;
        }
        const uint32_t gap = gaps[window & gap_mask];
        if ((gap & ESCAPE) != 0) {
            c += long_gap(t, in);
        } else {
            in->used += gap & 0xff;
            c += gap >> 8;
        }
    }
    *pending = c - live;
    return true;
}

/* The row where the cursor stands. */
static inline bool read_row(use what, const wpk_blob *blob, const tables *t, wpk_cursor *cursor,
                            stream *in, sink *s) {
    const bool runs = (blob->flags & WPK_HUFFMAN_RUNS) != 0, mapped = t->columns != NULL;
    if (runs && (cursor->row & ((1u << blob->block_log2) - 1)) == 0) {
        cursor->at[1] = long_gap(t, in) - 1;
    }
    for (uint32_t c = 0; c < blob->cols; c += t->huffman.period) {
        const bool room = runs     ? mapped ? runs_period(what, true, t, in, &cursor->at[1], s)
                                            : runs_period(what, false, t, in, &cursor->at[1], s)
                              : mapped ? plain_period(what, true, t, in, s)
                                   : plain_period(what, false, t, in, s);
        if (!room) {
            return false;
        }
        advance(what, s, t->huffman.period);
    }
    ++cursor->row;
    return true;
}

/* To the row `first`, over the rows before it in its block. */
static __attribute__((noinline)) void seek(const wpk_blob *blob, const tables *t,
                                           wpk_cursor *cursor, uint32_t first) {
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
    const tables *const t = cursor->tables;
    if (cursor->row != first) {
        seek(blob, t, cursor, first);
    }
    stream in = open_stream(t, cursor);
    wpk_fill(dst, 0, count * stride);
    for (; count > 0; --count, dst += stride) {
        sink s = {.row = dst};
        read_row(STORE, blob, t, cursor, &in, &s);
    }
    cursor->at[0] = position_of(t, &in) - t->huffman.start;
}

static int32_t dot(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x) {
    const tables *const t = cursor->tables;
    if (cursor->row != row) {
        seek(blob, t, cursor, row);
    }
    stream in = open_stream(t, cursor);
    sink s = {.x = x};
    read_row(MULTIPLY, blob, t, cursor, &in, &s);
    cursor->at[0] = position_of(t, &in) - t->huffman.start;
    return (int32_t)s.acc;
}

#if WPK_MVE

#define list NULL

#else

static uint32_t list(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, uint32_t scale,
                     wpk_entry *entries, uint32_t capacity) {
    const tables *const t = cursor->tables;
    if (cursor->row != row) {
        seek(blob, t, cursor, row);
    }
    stream in = open_stream(t, cursor);
    wpk_cursor at = *cursor;
    sink s = {.entry = entries, .end = entries + capacity, .scale = scale};
    if (!read_row(LIST, blob, t, &at, &in, &s)) {
        return WPK_NO_ROOM;
    }
    at.at[0] = position_of(t, &in) - t->huffman.start;
    *cursor = at;
    return (uint32_t)(s.entry - entries);
}

#endif

const wpk_codec wpk_codec_huffman = {"huffman",        5,      check,         decode,     list, dot,
                                     WPK_LIST_KERNELS, stored, tables_nbytes, load_tables};
