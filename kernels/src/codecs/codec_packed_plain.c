/* Packed codes a word at a time, for cores without Helium. */
#include <stddef.h>

#include "../base/bytes.h"
#include "codec_packed.h"

#if !WPK_MVE

/* Four codes in the lowest bits of a word to its four bytes. */
WPK_INLINE uint32_t spread(uint32_t codes, uint32_t bits) {
    const uint32_t one = ((1u << bits) - 1) * 0x00010001u, two = (1u << 2 * bits) - 1;
    if (bits == 2 || bits == 4) {
        /* A shift moves nothing onto what stays. */
        codes &= (1u << 4 * bits) - 1;
        codes = (codes | codes << (16 - 2 * bits)) & (two * 0x00010001u);
        return (codes | codes << (8 - bits)) & (one | one << 8);
    }
    codes = (codes & two) | (codes >> 2 * bits & two) << 16;
    return (codes & one) | (codes >> bits & one) << 8;
}

/* Eight codes, the bytes of `at`, to two words. */
WPK_INLINE void load_codes(const uint8_t *at, uint32_t bits, uint32_t *codes) {
    uint32_t first, last;
    if (bits >= 4) {
        first = wpk_load_u32(at);
        last = wpk_load_u32(at + bits - 4) >> (32 - 4 * bits);
    } else {
        first = bits == 1 ? *at : wpk_load_u16(at);
        first |= bits == 3 ? (uint32_t)at[2] << 16 : 0;
        last = first >> 4 * bits;
    }
    codes[0] = spread(first, bits);
    codes[1] = spread(last, bits);
}

WPK_NOINLINE uint32_t look_up(uint32_t codes, const uint8_t *table) {
    return table[codes & 0xff] | (uint32_t)table[codes >> 8 & 0xff] << 8 |
           (uint32_t)table[codes >> 16 & 0xff] << 16 | (uint32_t)table[codes >> 24] << 24;
}

/* The values of four codes. Those are below 128, so that adding the base carries nothing from byte
 * to byte. */
static inline uint32_t values_of(uint32_t codes, wpk_packed_row s) {
    if (s.table != NULL) {
        return look_up(codes, (const uint8_t *)s.table);
    }
    const uint32_t bases = (uint8_t)s.base * 0x01010101u;
    return (codes + (bases & 0x7f7f7f7fu)) ^ (bases & 0x80808080u);
}

/* The last, at most 7, weights of a row. */
WPK_NOINLINE void load_rest(const uint8_t *at, uint32_t bits, uint32_t count, wpk_packed_row s,
                            int8_t *weights) {
    uint8_t bytes[8] = {0};
    uint32_t codes[2];
    for (uint32_t i = 0; i < (count * bits + 7) / 8; ++i) {
        bytes[i] = at[i];
    }
    load_codes(bytes, bits, codes);
    wpk_store_u32(weights, values_of(codes[0], s));
    wpk_store_u32(weights + 4, values_of(codes[1], s));
}

WPK_INLINE void unpack_width(wpk_packed_row s, uint32_t bits, uint32_t cols, int8_t *dst) {
    const uint8_t *at = s.codes;
    for (uint32_t groups = cols / 8; groups > 0; --groups, at += bits, dst += 8) {
        uint32_t codes[2];
        load_codes(at, bits, codes);
        wpk_store_u32(dst, values_of(codes[0], s));
        wpk_store_u32(dst + 4, values_of(codes[1], s));
    }
    if (cols % 8 > 0) {
        int8_t rest[8];
        load_rest(at, bits, cols % 8, s, rest);
        for (uint32_t i = 0; i < cols % 8; ++i) {
            dst[i] = rest[i];
        }
    }
}

/* Four weights times four activations. */
static inline uint32_t dot_four(uint32_t w, const int8_t *x, uint32_t acc) {
#if WPK_DSP
    uint32_t a, b;
    __asm__(
        "sxtb16 %[a], %[w]\n\t"
        "sxtb16 %[b], %[x]\n\t"
        "smlad %[acc], %[a], %[b], %[acc]\n\t"
        "sxtb16 %[a], %[w], ror #8\n\t"
        "sxtb16 %[b], %[x], ror #8\n\t"
        "smlad %[acc], %[a], %[b], %[acc]\n\t"
        : [acc] "+r"(acc), [a] "=&r"(a), [b] "=&r"(b)
        : [w] "r"(w), [x] "r"(wpk_load_u32(x)));
    return acc;
#else
    acc += (uint32_t)((int8_t)w * x[0]);
    acc += (uint32_t)((int8_t)(w >> 8) * x[1]);
    acc += (uint32_t)((int8_t)(w >> 16) * x[2]);
    return acc + (uint32_t)((int8_t)(w >> 24) * x[3]);
#endif
}

WPK_INLINE int32_t dot_width(wpk_packed_row s, uint32_t bits, uint32_t cols, const int8_t *x) {
    const uint8_t *at = s.codes;
    uint32_t acc = 0;
    for (uint32_t groups = cols / 8; groups > 0; --groups, at += bits, x += 8) {
        uint32_t codes[2];
        load_codes(at, bits, codes);
        acc = dot_four(values_of(codes[0], s), x, acc);
        acc = dot_four(values_of(codes[1], s), x + 4, acc);
    }
    if (cols % 8 > 0) {
        int8_t rest[8];
        load_rest(at, bits, cols % 8, s, rest);
        for (uint32_t i = 0; i < cols % 8; ++i) {
            acc += (uint32_t)(rest[i] * x[i]);
        }
    }
    return (int32_t)acc;
}

void wpk_packed_map_columns(const int8_t *table, uint32_t bits, uint32_t n, int8_t *codes) {
    for (const int8_t *const end = codes + n; codes != end; ++codes, table += 1u << bits) {
        *codes = table[*codes];
    }
}

int32_t wpk_packed_run(wpk_packed_row s, uint32_t bits, uint32_t n, const int8_t *x, int8_t *dst) {
    /* Compiled for the commonest widths; a table takes more than they save. */
    const wpk_packed_row integers = {s.codes, NULL, s.base};
    const uint32_t width = s.table == NULL ? bits : 0;
    if (dst == NULL) {
        return width == 4   ? dot_width(integers, 4, n, x)
               : width == 2 ? dot_width(integers, 2, n, x)
                            : dot_width(s, bits, n, x);
    }
    if (width == 4) {
        unpack_width(integers, 4, n, dst);
    } else if (width == 2) {
        unpack_width(integers, 2, n, dst);
    } else {
        unpack_width(s, bits, n, dst);
    }
    return 0;
}

#endif
