/* The inner loops of codec 5 for Cortex-M: elements whose codes are looked up, until there are no
 * more or one escapes. The bit string is read 32 bits at a time, at least 25 of them valid: two
 * codes.
 */
#ifndef WPK_SRC_HUFFMAN_LOOPS_H
#define WPK_SRC_HUFFMAN_LOOPS_H

#include "../codecs/codec_sparse.h"
#include "huffman_tables.h"

/* What is done with elements. */
typedef enum { STORE, LIST, MULTIPLY } wpk_use;
typedef struct {
    int8_t *row;            /* STORE */
    wpk_entry *entry, *end; /* LIST */
    uint32_t scale, offset; /* LIST: column c has the offset c · scale + offset */
    const int8_t *x;        /* MULTIPLY */
    uint32_t acc;
} wpk_sink;

/* Codes that are being read: the byte where they go on, and how many of its bits and those behind
 * were read. */
typedef struct {
    const uint8_t *at;
    uint32_t used;
} wpk_stream;

static inline void wpk_put(wpk_use use, wpk_sink *s, uint32_t column, int32_t value) {
    if (use == STORE) {
        s->row[column] = (int8_t)value;
    } else if (use == MULTIPLY) {
        s->acc += (uint32_t)(s->x[column] * value);
    } else {
        wpk_store_entry(s->entry++, s->offset + column * s->scale, value);
    }
}

/* The next bits, at least 25 of them valid; more than the last one of a blob's codes are not
 * needed. */
static inline uint32_t wpk_window(wpk_stream *in) {
    in->at += in->used >> 3;
    in->used &= 7;
    return wpk_load_u32(in->at) >> in->used;
}

static inline int32_t wpk_next_value(const wpk_huffman_tables *t, wpk_stream *in) {
    const uint32_t window = wpk_window(in);
    uint32_t entry = t->values[window & ((1u << WPK_VALUE_NBITS) - 1)];
    if ((entry & WPK_ESCAPE) != 0) {
        const uint16_t *const more = t->values + (1u << WPK_VALUE_NBITS);
        entry = more[WPK_ESCAPE_ENTRIES * (entry >> 8) +
                     (window >> WPK_VALUE_NBITS) % WPK_ESCAPE_ENTRIES];
    }
    in->used += entry & 0xff;
    return (int8_t)(entry >> 8);
}

#if WPK_MVE || WPK_DSP || WPK_THUMB2

/* An entry's length is its lowest byte: the whole entry can be the distance of a shift. Without
 * uxtab, `used` gathers in its lowest byte what counts. */
#if WPK_THUMB2
#define USE(entry) "add %[used], %[used], %[" entry "]\n\t"
#define REFILL "uxtb %[used], %[used]\n\t" CLEAN_REFILL
#else
#define USE(entry) "uxtab %[used], %[used], %[" entry "]\n\t"
#define REFILL CLEAN_REFILL
#endif
#define CLEAN_REFILL                        \
    "add %[at], %[at], %[used], lsr #3\n\t" \
    "and %[used], %[used], #7\n\t" WINDOW
#define WINDOW                   \
    "ldr %[window], [%[at]]\n\t" \
    "lsr %[window], %[window], %[used]\n\t"
#define DROP(entry) "lsr %[window], %[window], %[" entry "]\n\t" USE(entry)
#define LOOK_UP(load, entry, table, nbits)                                             \
    "ubfx %[" entry "], %[window], #0, #" nbits "\n\t" load " %[" entry "], [%[" table \
    "], %[" entry "], lsl #1]\n\t"
/* With the number of the escape in `entry`. */
#define LOOK_UP_LONG(load, entry, temporary)                                              \
    "ubfx %[" temporary                                                                   \
    "], %[window], #9, #3\n\t"                                                            \
    "add %[" entry "], %[" temporary "], %[" entry                                        \
    "], lsl #3\n\t"                                                                       \
    "add %[" entry "], %[" entry "], #512\n\t" load " %[" entry "], [%[values], %[" entry \
    "], lsl #1]\n\t"

/* An offset and a value as wpk_entry has them. */
#if WPK_MVE
#define LIST_ENTRY "pkhbt %[to], %[entry], %[to], lsl #16\n\t"
#else
#define LIST_ENTRY "orr %[to], %[to], %[entry], lsl #16\n\t"
#endif

/* A value goes where `put` says, a gap moves c. Shifted down, an entry's escape bit falls into the
 * carry. */
#define RUNS(put) RUNS_BELOW(put, "cmp %[c], %[bound]\n\t")
#define RUNS_BELOW(put, compare) \
    "1:\n\t" REFILL LOOK_UP("ldrsh", "entry", "values", "9") DROP("entry")                   \
    "asrs %[entry], %[entry], #8\n\t"                                                        \
    "bcs 3f\n\t"                                                                             \
    "2:\n\t" put "uxtb %[entry], %[window]\n\t"                                              \
    "ldrh %[entry], [%[gaps], %[entry], lsl #1]\n\t" USE("entry")                            \
    "lsrs %[entry], %[entry], #8\n\t"                                                        \
    "bcs 4f\n\t"                                                                             \
    "add %[c], %[c], %[entry]\n\t"                                                           \
    compare "blo 1b\n\t"                                                                             \
    "b 4f\n\t"                                                                               \
    "3: sub %[used], %[used], #128\n\t" WINDOW LOOK_UP_LONG("ldrsh", "entry", "to")          \
    DROP("entry")                                                                            \
    "asr %[entry], %[entry], #8\n\t"                                                         \
    "b 2b\n\t"                                                                               \
    "4:\n\t"
#define RUNS_STATE                                                               \
    [at] "+r"(in->at), [used] "+r"(in->used), [c] "+r"(c), [entry] "=&r"(entry), \
        [window] "=&r"(window), [to] "=&r"(to)
#define LOOKUPS [values] "r"(t->values), [gaps] "r"(t->gaps)
#define RUNS_INPUTS LOOKUPS, [bound] "r"(bound)
/* Where there are not enough registers. */
#define BOUND_IN_MEMORY       \
    "ldr %[to], %[bound]\n\t" \
    "cmp %[c], %[to]\n\t"
#define MAP "ldrh %[to], [%[columns], %[c], lsl #1]\n\t"

/* Elements of a period from column *column on, while it is below `bound`; LIST has room for them.
 * False if it ended behind a gap that escaped, with this symbol. */
static inline bool wpk_runs_loop(wpk_use use, bool mapped, const wpk_huffman_tables *t,
                                 wpk_stream *in, uint32_t *column, uint32_t bound, wpk_sink *s,
                                 uint32_t *symbol) {
    uint32_t c = *column, entry, window, to;
    if (use == STORE && !mapped) {
        __asm__ volatile(RUNS("strb %[entry], [%[row], %[c]]\n\t")
                         : RUNS_STATE
                         : RUNS_INPUTS, [row] "r"(s->row)
                         : "cc", "memory");
    } else if (use == STORE) {
        __asm__ volatile(RUNS(MAP "strb %[entry], [%[row], %[to]]\n\t")
                         : RUNS_STATE
                         : RUNS_INPUTS, [row] "r"(s->row), [columns] "r"(t->columns)
                         : "cc", "memory");
    } else if (use == MULTIPLY && !mapped) {
        __asm__ volatile(RUNS("ldrsb %[to], [%[x], %[c]]\n\t"
                              "mla %[acc], %[to], %[entry], %[acc]\n\t")
                         : RUNS_STATE, [acc] "+r"(s->acc)
                         : RUNS_INPUTS, [x] "r"(s->x)
                         : "cc", "memory");
    } else if (use == MULTIPLY) {
        __asm__ volatile(RUNS_BELOW(MAP "ldrsb %[to], [%[x], %[to]]\n\t"
                                        "mla %[acc], %[to], %[entry], %[acc]\n\t",
                                    BOUND_IN_MEMORY)
                         : RUNS_STATE, [acc] "+r"(s->acc)
                         : LOOKUPS, [bound] "m"(bound), [x] "r"(s->x), [columns] "r"(t->columns)
                         : "cc", "memory");
    } else if (!mapped) {
        __asm__ volatile(
            RUNS("mul %[to], %[c], %[scale]\n\t" LIST_ENTRY "str %[to], [%[list]], #4\n\t")
            : RUNS_STATE, [list] "+r"(s->entry)
            : RUNS_INPUTS, [scale] "r"(s->scale)
            : "cc", "memory");
    } else {
        __asm__ volatile(RUNS_BELOW("ldr %[to], %[columns]\n\t"
                                    "ldrh %[to], [%[to], %[c], lsl #1]\n\t"
                                    "mla %[to], %[to], %[scale], %[offset]\n\t" LIST_ENTRY
                                    "str %[to], [%[list]], #4\n\t",
                                    BOUND_IN_MEMORY)
                         : RUNS_STATE, [list] "+r"(s->entry)
                         : LOOKUPS, [bound] "m"(bound), [scale] "r"(s->scale),
                           [offset] "r"(s->offset), [columns] "m"(t->columns)
                         : "cc", "memory");
    }
    *column = c;
    const bool done = (in->used & WPK_ESCAPE) == 0;
    in->used &= WPK_ESCAPE - 1;
    *symbol = entry;
    return done;
}

#define ANY_VALUE(entry, number)                                                      \
    LOOK_UP("ldrh", entry, "values", "9")                                             \
    "tst %[" entry                                                                    \
    "], #128\n\t"                                                                     \
    "beq " number                                                                     \
    "f\n\t"                                                                           \
    "lsr %[" entry "], %[" entry "], #8\n\t" LOOK_UP_LONG("ldrh", entry, "to") number \
        ":\n\t" DROP(entry)
#define PLAIN(put) \
    "1:\n\t" REFILL LOOK_UP("ldrh", "even", "values", "9") DROP("even")       \
    LOOK_UP("ldrh", "odd", "values", "9") USE("odd")                          \
    "tst %[used], #128\n\t"                                                   \
    "bne 3f\n\t"                                                              \
    "2:\n\t" put                                                              \
    "subs %[pairs], %[pairs], #1\n\t"                                         \
    "bne 1b\n\t"                                                              \
    "b 6f\n\t"                                                                \
    "3: sub %[used], %[used], %[even]\n\t"                                    \
    "sub %[used], %[used], %[odd]\n\t"                                        \
    "uxtb %[used], %[used]\n\t" WINDOW ANY_VALUE("even", "4")                 \
    ANY_VALUE("odd", "5")                                                     \
    "b 2b\n\t"                                                                \
    "6:\n\t"
#define PLAIN_STATE                                                                    \
    [at] "+r"(in->at), [used] "+r"(in->used), [pairs] "+r"(pairs), [even] "=&r"(even), \
        [odd] "=&r"(odd), [window] "=&r"(window), [to] "=&r"(to)

/* `pairs` ≥ 1 pairs of values from the start of a period on. Not for LIST. */
static inline void wpk_plain_loop(wpk_use use, bool mapped, const wpk_huffman_tables *t,
                                  wpk_stream *in, uint32_t pairs, wpk_sink *s) {
    uint32_t even, odd, window, to;
    if (use == STORE && !mapped) {
        int8_t *row = s->row;
        __asm__ volatile(PLAIN("lsr %[even], %[even], #8\n\t"
                               "bfi %[odd], %[even], #0, #8\n\t"
                               "strh %[odd], [%[row]], #2\n\t")
                         : PLAIN_STATE, [row] "+r"(row)
                         : [values] "r"(t->values)
                         : "cc", "memory");
    } else if (use == STORE) {
        const uint16_t *columns = t->columns;
        __asm__ volatile(PLAIN("lsr %[even], %[even], #8\n\t"
                               "ldrh %[window], [%[columns]], #2\n\t"
                               "strb %[even], [%[row], %[window]]\n\t"
                               "lsr %[odd], %[odd], #8\n\t"
                               "ldrh %[window], [%[columns]], #2\n\t"
                               "strb %[odd], [%[row], %[window]]\n\t")
                         : PLAIN_STATE, [columns] "+r"(columns)
                         : [values] "r"(t->values), [row] "r"(s->row)
                         : "cc", "memory");
    } else if (!mapped) {
        const int8_t *x = s->x;
        __asm__ volatile(PLAIN("sbfx %[even], %[even], #8, #8\n\t"
                               "ldrsb %[window], [%[x]], #1\n\t"
                               "mla %[acc], %[even], %[window], %[acc]\n\t"
                               "sbfx %[odd], %[odd], #8, #8\n\t"
                               "ldrsb %[window], [%[x]], #1\n\t"
                               "mla %[acc], %[odd], %[window], %[acc]\n\t")
                         : PLAIN_STATE, [x] "+r"(x), [acc] "+r"(s->acc)
                         : [values] "r"(t->values)
                         : "cc", "memory");
    } else {
        const uint16_t *columns = t->columns;
        __asm__ volatile(PLAIN("sbfx %[even], %[even], #8, #8\n\t"
                               "ldrh %[window], [%[columns]], #2\n\t"
                               "ldrsb %[window], [%[x], %[window]]\n\t"
                               "mla %[acc], %[even], %[window], %[acc]\n\t"
                               "sbfx %[odd], %[odd], #8, #8\n\t"
                               "ldrh %[window], [%[columns]], #2\n\t"
                               "ldrsb %[window], [%[x], %[window]]\n\t"
                               "mla %[acc], %[odd], %[window], %[acc]\n\t")
                         : PLAIN_STATE, [columns] "+r"(columns), [acc] "+r"(s->acc)
                         : [values] "r"(t->values), [x] "r"(s->x)
                         : "cc", "memory");
    }
    in->used &= 0xff;
}

#else

static inline bool wpk_runs_loop(wpk_use use, bool mapped, const wpk_huffman_tables *t,
                                 wpk_stream *in, uint32_t *column, uint32_t bound, wpk_sink *s,
                                 uint32_t *symbol) {
    while (*column < bound) {
        wpk_put(use, s, mapped ? t->columns[*column] : *column, wpk_next_value(t, in));
        const uint32_t window = wpk_window(in);
        const uint32_t gap = t->gaps[window & ((1u << WPK_GAP_NBITS) - 1)];
        in->used += gap & (WPK_ESCAPE - 1);
        if ((gap & WPK_ESCAPE) != 0) {
            *symbol = gap >> 8;
            return false;
        }
        *column += gap >> 8;
    }
    return true;
}

static inline void wpk_plain_loop(wpk_use use, bool mapped, const wpk_huffman_tables *t,
                                  wpk_stream *in, uint32_t pairs, wpk_sink *s) {
    for (uint32_t c = 0; c < 2 * pairs; ++c) {
        wpk_put(use, s, mapped ? t->columns[c] : c, wpk_next_value(t, in));
    }
}

#endif

#endif
