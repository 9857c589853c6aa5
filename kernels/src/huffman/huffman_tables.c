#include "huffman_tables.h"

enum { VALUES = 1 << WPK_VALUE_NBITS, GAPS = 1 << WPK_GAP_NBITS };

/* Room for the struct. The same on every core, whatever the size of a pointer, so that a host knows
 * what scratch a board needs. */
enum { TABLES_NBYTES = 192 };

_Static_assert(sizeof(wpk_huffman_tables) <= TABLES_NBYTES, "the tables outgrew their room");

/* Escapes of values. */
static uint32_t escapes_of(const wpk_code *values) {
    return ((1u << WPK_CODE_NBITS) - values->limit[WPK_VALUE_NBITS]) >>
           (WPK_CODE_NBITS - WPK_VALUE_NBITS);
}

/* Room for the symbols of a code, in units of two bytes. */
static uint32_t symbol_pairs(const wpk_code_head *head) {
    return (((uint32_t)head->groups << head->group_log2) + 1) / 2;
}

uint32_t wpk_huffman_tables_nbytes(const wpk_blob *blob) {
    wpk_huffman_heads heads;
    wpk_huffman_read_heads(blob, &heads);
    wpk_code values;
    values.symbols = NULL;
    wpk_read_code(&heads.bits, &heads.head[WPK_VALUES], &values);
    uint32_t pairs = VALUES + WPK_ESCAPE_ENTRIES * escapes_of(&values) + heads.period;
    if (heads.codes == 2) {
        pairs += GAPS + symbol_pairs(&heads.head[WPK_GAPS]);
    }
    return TABLES_NBYTES + 2 * pairs;
}

/* The entries of a code: from `first` on every 2^nbits-th. */
static void fill(uint16_t *lookup, uint32_t size, uint32_t first, uint32_t nbits, uint32_t entry) {
    for (uint32_t i = first; i < size; i += 1u << nbits) {
        lookup[i] = (uint16_t)entry;
    }
}

/* Returns where the lookup ends. */
static uint16_t *fill_values(const wpk_code *code, uint16_t *lookup) {
    const uint8_t *symbol = code->symbols;
    uint32_t bits = 0; /* a code, filled up with zeros behind to 12 bits */
    for (uint32_t n = 1; n <= WPK_VALUE_NBITS; ++n) {
        for (; bits < code->limit[n]; bits += 1u << (WPK_CODE_NBITS - n), ++symbol) {
            const uint32_t value = *symbol ^ WPK_HUFFMAN_ZERO;
            fill(lookup, VALUES, wpk_reverse_12(bits), n, value << 8 | n);
        }
    }
    uint16_t *more = lookup + VALUES;
    for (uint32_t n = WPK_VALUE_NBITS + 1; n <= WPK_CODE_NBITS; ++n) {
        for (; bits < code->limit[n]; bits += 1u << (WPK_CODE_NBITS - n), ++symbol) {
            const uint32_t number = (bits - code->limit[WPK_VALUE_NBITS]) / WPK_ESCAPE_ENTRIES;
            const uint32_t reversed = wpk_reverse_12(bits), value = *symbol ^ WPK_HUFFMAN_ZERO;
            lookup[reversed % VALUES] = (uint16_t)(number << 8 | WPK_ESCAPE);
            fill(more + WPK_ESCAPE_ENTRIES * number, WPK_ESCAPE_ENTRIES, reversed / VALUES,
                 n - WPK_VALUE_NBITS, value << 8 | n);
        }
    }
    return more + WPK_ESCAPE_ENTRIES * escapes_of(code);
}

static void fill_gaps(const wpk_huffman *huffman, uint16_t *lookup) {
    const wpk_code *const code = &huffman->code[WPK_GAPS];
    const uint8_t *symbol = code->symbols;
    uint32_t bits = 0;
    for (uint32_t i = 0; i < GAPS; i += 2) {
        wpk_store_u32(lookup + i, (WPK_NO_SYMBOL << 8 | WPK_ESCAPE) * 0x10001u);
    }
    for (uint32_t n = 1; n <= WPK_GAP_NBITS; ++n) {
        for (; bits < code->limit[n]; bits += 1u << (WPK_CODE_NBITS - n), ++symbol) {
            const bool direct = *symbol < 1u << huffman->direct_log2;
            const uint32_t high = direct ? *symbol + 1u : *symbol;
            fill(lookup, GAPS, wpk_reverse_12(bits), n, high << 8 | (direct ? 0 : WPK_ESCAPE) | n);
        }
    }
}

void wpk_huffman_load_tables(const wpk_blob *blob, void *memory) {
    wpk_huffman_tables *const t = memory;
    uint8_t symbols[WPK_CODE_SYMBOLS];
    wpk_huffman_heads heads;
    wpk_huffman_read_heads(blob, &heads);
    uint16_t *at = (uint16_t *)(void *)(t + 1), *const gaps = at;
    if (heads.codes == 2) {
        at += GAPS;
        t->huffman.code[WPK_GAPS].symbols = (uint8_t *)at;
        at += symbol_pairs(&heads.head[WPK_GAPS]);
    }
    t->huffman.code[WPK_VALUES].symbols = symbols;
    wpk_huffman_open(blob, &heads, &t->huffman);
    if (heads.codes == 2) {
        fill_gaps(&t->huffman, gaps);
    }
    t->gaps = gaps;
    t->values = at;
    at = fill_values(&t->huffman.code[WPK_VALUES], at);
    t->columns = NULL;
    if (t->huffman.map != 0) {
        t->columns = at;
        wpk_bits live = {t->huffman.data, t->huffman.map, t->huffman.start};
        for (uint32_t k = 0; k < t->huffman.period; ++k) {
            *at = (uint16_t)k;
            at += wpk_get_bits(&live, 1);
        }
    }
}
