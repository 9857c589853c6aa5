/* Codec 4, packed: codes of 1 to 7 bits, integers or positions in tables (docs/FORMAT.md). */
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "wpk/codec.h"

enum { SECTION_TABLE = 0, SECTION_CODES = 1, SECTIONS = 2 };
enum { FLAG_BITS = 7, MAPPING_SHIFT = 3 };
enum { SIGNED = 0, OFFSET = 1, TABLE = 2, ROW_TABLES = 3, COLUMN_TABLES = 4 };

/* Columns that dot unpacks at a time: whole bytes of codes, whatever their width. */
enum { CHUNK = 64 };

static inline uint32_t bits_of(const wpk_blob *blob) {
    return blob->flags & FLAG_BITS;
}

static inline uint32_t mapping_of(const wpk_blob *blob) {
    return (uint32_t)blob->flags >> MAPPING_SHIFT;
}

static inline uint32_t row_nbytes(const wpk_blob *blob) {
    return (uint32_t)(((uint64_t)blob->cols * bits_of(blob) + 7) / 8);
}

/* Value of code 0, if codes are integers. */
static inline int8_t base_of(const wpk_blob *blob) {
    switch (mapping_of(blob)) {
        case SIGNED:
            return (int8_t)(-1 * (1 << (bits_of(blob) - 1)));
        case OFFSET:
            return (int8_t)blob->section[SECTION_TABLE][0];
        default:
            return 0;
    }
}

static uint64_t table_nbytes(const wpk_blob *blob) {
    switch (mapping_of(blob)) {
        case TABLE:
            return (uint64_t)1 << bits_of(blob);
        case ROW_TABLES:
            return (uint64_t)blob->rows << bits_of(blob);
        case COLUMN_TABLES:
            return (uint64_t)blob->cols << bits_of(blob);
        default:
            return mapping_of(blob);
    }
}

static wpk_status check(const wpk_blob *blob) {
    if (blob->codec != wpk_codec_packed.number) {
        return WPK_UNKNOWN_CODEC;
    }
    const bool fits =
        blob->section_count == SECTIONS && bits_of(blob) != 0 &&
        mapping_of(blob) <= COLUMN_TABLES &&
        blob->section_nbytes[SECTION_TABLE] == table_nbytes(blob) &&
        blob->section_nbytes[SECTION_CODES] == (uint64_t)blob->rows * row_nbytes(blob);
    return fits && base_of(blob) <= 128 - (1 << bits_of(blob)) ? WPK_OK : WPK_BAD_BLOB;
}

#if WPK_MVE

enum { LANES = 16 };

/* Where the codes of 16 lanes lie, for widths that do not divide a byte: in one byte or two. */
typedef struct {
    uint8x16_t low, high;  /* offsets of these */
    int8x16_t right, left; /* shifts */
} fields;

static inline fields fields_of(uint32_t bits) {
    const uint8x16_t at = vmulq_n_u8(vidupq_n_u8(0, 1), (uint8_t)bits);
    const int8x16_t in_byte = vreinterpretq_s8_u8(vandq_u8(at, vdupq_n_u8(7)));
    const fields f = {
        .low = vshrq_n_u8(at, 3),
        .high = vshrq_n_u8(vaddq_n_u8(at, (uint8_t)(bits - 1)), 3),
        .right = vnegq_s8(in_byte),
        .left = vsubq_s8(vdupq_n_s8(8), in_byte),
    };
    return f;
}

/* `count` ≤ 16 codes, one a lane. */
static inline __attribute__((always_inline)) uint8x16_t load_codes(const uint8_t *at, uint32_t bits,
                                                                   const fields *f,
                                                                   uint32_t count) {
    const bool full = count == LANES;
    if (bits == 4) {
        const uint16x8_t pairs = full ? vldrbq_u16(at) : vldrbq_z_u16(at, vctp16q((count + 1) / 2));
        return vandq_u8(vreinterpretq_u8_u16(vsliq_n_u16(pairs, pairs, 4)), vdupq_n_u8(15));
    }
    if (bits == 2) {
        const uint32x4_t fours = full ? vldrbq_u32(at) : vldrbq_z_u32(at, vctp32q((count + 3) / 4));
        const uint16x8_t pairs = vreinterpretq_u16_u32(vsliq_n_u32(fours, fours, 12));
        return vandq_u8(vreinterpretq_u8_u16(vsliq_n_u16(pairs, pairs, 6)), vdupq_n_u8(3));
    }
    if (bits == 1) {
        const uint32_t ones = count > 8 ? wpk_load_u16(at) : *at;
        return vpselq_u8(vdupq_n_u8(1), vdupq_n_u8(0), (mve_pred16_t)ones);
    }
    const mve_pred16_t used = vctp8q(count);
    const uint8x16_t low =
        full ? vldrbq_gather_offset_u8(at, f->low) : vldrbq_gather_offset_z_u8(at, f->low, used);
    const uint8x16_t high =
        full ? vldrbq_gather_offset_u8(at, f->high) : vldrbq_gather_offset_z_u8(at, f->high, used);
    return vandq_u8(vorrq_u8(vshlq_u8(low, f->right), vshlq_u8(high, f->left)),
                    vdupq_n_u8((uint8_t)((1u << bits) - 1)));
}

static inline __attribute__((always_inline)) void unpack_width(const uint8_t *src, uint32_t bits,
                                                               int8_t base, uint32_t count,
                                                               int8_t *dst) {
    const fields f = fields_of(bits);
    const uint8x16_t addend = vdupq_n_u8((uint8_t)base);
    for (uint32_t groups = count / LANES; groups > 0; --groups, src += 2 * bits, dst += LANES) {
        vstrbq_s8(dst, vreinterpretq_s8_u8(vaddq_u8(load_codes(src, bits, &f, LANES), addend)));
    }
    count %= LANES;
    if (count > 0) {
        vstrbq_p_s8(dst, vreinterpretq_s8_u8(vaddq_u8(load_codes(src, bits, &f, count), addend)),
                    vctp8q(count));
    }
}

/* Codes to the values of one table, in place. */
static inline void map(const int8_t *table, uint32_t count, int8_t *codes) {
    __asm__ volatile(
        "dlstp.8 lr, %[n]\n\t"
        "1:\n\t"
        "vldrb.u8 q0, [%[at]]\n\t"
        "vldrb.u8 q1, [%[table], q0]\n\t"
        "vstrb.8 q1, [%[at]], #16\n\t"
        "letp lr, 1b\n\t"
        : [at] "+r"(codes)
        : [table] "r"(table), [n] "r"(count)
        : "lr", "memory", "q0", "q1");
}

static inline void map_columns(const int8_t *table, uint32_t bits, uint32_t count, int8_t *codes) {
    const uint16x8_t lanes = vshlq_r_u16(vidupq_n_u16(0, 1), (int32_t)bits);
    __asm__ volatile(
        "dlstp.16 lr, %[n]\n\t"
        "1:\n\t"
        "vldrb.u16 q0, [%[at]]\n\t"
        "vadd.i16 q0, q0, %q[lanes]\n\t"
        "vldrb.u16 q1, [%[table], q0]\n\t"
        "add %[table], %[table], %[step]\n\t"
        "vstrb.16 q1, [%[at]], #8\n\t"
        "letp lr, 1b\n\t"
        : [at] "+r"(codes), [table] "+r"(table)
        : [lanes] "w"(lanes), [step] "r"(8u << bits), [n] "r"(count)
        : "lr", "memory", "q0", "q1");
}

static inline int32_t dot_s8(const int8_t *w, const int8_t *x, uint32_t count) {
    int32_t acc = 0;
    __asm__ volatile(
        "dlstp.8 lr, %[n]\n\t"
        "1:\n\t"
        "vldrb.8 q0, [%[w]], #16\n\t"
        "vldrb.8 q1, [%[x]], #16\n\t"
        "vmladava.s8 %[acc], q0, q1\n\t"
        "letp lr, 1b\n\t"
        : [w] "+r"(w), [x] "+r"(x), [acc] "+Te"(acc)
        : [n] "r"(count)
        : "lr", "memory", "q0", "q1");
    return acc;
}

#else

/* Four codes in the lowest bits of a word to its four bytes. */
static inline __attribute__((always_inline)) uint32_t spread(uint32_t codes, uint32_t bits) {
    const uint32_t one = ((1u << bits) - 1) * 0x00010001u;
    const uint32_t two = (1u << 2 * bits) - 1;
    codes = (codes & two) | (codes >> 2 * bits & two) << 16;
    return (codes & one) | (codes >> bits & one) << 8;
}

/* Eight codes, the bytes of `at`, to two words. */
static inline __attribute__((always_inline)) void load_codes(const uint8_t *at, uint32_t bits,
                                                             uint32_t *codes) {
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

/* Adds the base to four codes; they are below 128, so nothing is carried from byte to byte. */
static inline uint32_t add_base(uint32_t codes, uint32_t bases) {
    return (codes + (bases & 0x7f7f7f7fu)) ^ (bases & 0x80808080u);
}

static inline __attribute__((always_inline)) void unpack_width(const uint8_t *src, uint32_t bits,
                                                               int8_t base, uint32_t count,
                                                               int8_t *dst) {
    const uint32_t bases = (uint8_t)base * 0x01010101u;
    uint32_t codes[2];
    for (uint32_t groups = count / 8; groups > 0; --groups, src += bits, dst += 8) {
        load_codes(src, bits, codes);
        wpk_store_u32(dst, add_base(codes[0], bases));
        wpk_store_u32(dst + 4, add_base(codes[1], bases));
    }
    count %= 8;
    if (count > 0) {
        uint8_t rest[8] = {0};
        for (uint32_t i = 0; i < (count * bits + 7) / 8; ++i) {
            rest[i] = src[i];
        }
        load_codes(rest, bits, codes);
        const uint32_t values[2] = {add_base(codes[0], bases), add_base(codes[1], bases)};
        const int8_t *const value = (const int8_t *)values;
        for (uint32_t i = 0; i < count; ++i) {
            dst[i] = value[i];
        }
    }
}

/* Codes to the values of one table, in place. */
static inline void map(const int8_t *table, uint32_t count, int8_t *codes) {
    for (const int8_t *const end = codes + count; codes != end; ++codes) {
        *codes = table[*codes];
    }
}

static inline void map_columns(const int8_t *table, uint32_t bits, uint32_t count, int8_t *codes) {
    for (const int8_t *const end = codes + count; codes != end; ++codes, table += 1u << bits) {
        *codes = table[*codes];
    }
}

#if WPK_DSP

static inline uint32_t dot_four(uint32_t w, uint32_t x, uint32_t acc) {
    uint32_t a, b;
    __asm__(
        "sxtb16 %[a], %[w]\n\t"
        "sxtb16 %[b], %[x]\n\t"
        "smlad %[acc], %[a], %[b], %[acc]\n\t"
        "sxtb16 %[a], %[w], ror #8\n\t"
        "sxtb16 %[b], %[x], ror #8\n\t"
        "smlad %[acc], %[a], %[b], %[acc]\n\t"
        : [acc] "+r"(acc), [a] "=&r"(a), [b] "=&r"(b)
        : [w] "r"(w), [x] "r"(x));
    return acc;
}

#else

static inline uint32_t dot_four(uint32_t w, uint32_t x, uint32_t acc) {
    for (uint32_t i = 0; i < 32; i += 8) {
        acc += (uint32_t)((int8_t)(w >> i) * (int8_t)(x >> i));
    }
    return acc;
}

#endif

static inline int32_t dot_s8(const int8_t *w, const int8_t *x, uint32_t count) {
    uint32_t acc = 0;
    for (; count >= 4; count -= 4, w += 4, x += 4) {
        acc = dot_four(wpk_load_u32(w), wpk_load_u32(x), acc);
    }
    for (; count > 0; --count) {
        acc += (uint32_t)(*w++ * *x++);
    }
    return (int32_t)acc;
}

#endif

/* Columns [first, first + count) of a row; codes of column `first` start a byte. */
static void unpack(const wpk_blob *blob, uint32_t row, uint32_t first, uint32_t count,
                   int8_t *dst) {
    const uint32_t bits = bits_of(blob);
    const int8_t base = base_of(blob);
    const uint8_t *const src =
        blob->section[SECTION_CODES] + row * row_nbytes(blob) + first / 8 * bits;
    if (bits == 4) {
        unpack_width(src, 4, base, count, dst);
    } else if (bits == 2) {
        unpack_width(src, 2, base, count, dst);
    } else if (bits == 1) {
        unpack_width(src, 1, base, count, dst);
    } else {
        unpack_width(src, bits, base, count, dst);
    }
    const int8_t *const table = (const int8_t *)blob->section[SECTION_TABLE];
    switch (mapping_of(blob)) {
        case TABLE:
            map(table, count, dst);
            break;
        case ROW_TABLES:
            map(table + (row << bits), count, dst);
            break;
        case COLUMN_TABLES:
            map_columns(table + (first << bits), bits, count, dst);
            break;
        default:
            break;
    }
}

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    cursor->row = first + count;
    for (uint32_t row = first; row < cursor->row; ++row, dst += stride) {
        unpack(blob, row, 0, blob->cols, dst);
        wpk_fill(dst + blob->cols, 0, stride - blob->cols);
    }
}

static int32_t dot(const wpk_blob *blob, wpk_cursor *cursor, uint32_t row, const int8_t *x) {
    int8_t weights[CHUNK];
    uint32_t sum = 0;
    for (uint32_t first = 0; first < blob->cols; first += CHUNK) {
        const uint32_t left = blob->cols - first, count = left < CHUNK ? left : CHUNK;
        unpack(blob, row, first, count, weights);
        sum += (uint32_t)dot_s8(weights, x + first, count);
    }
    cursor->row = row + 1;
    return (int32_t)sum;
}

const wpk_codec wpk_codec_packed = {"packed", 4, check, decode, NULL, dot, NULL, NULL, NULL, NULL};
