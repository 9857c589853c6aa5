#include "fields.h"

/* With Helium four fields at a time; what is left, or everything, one by one. */
#if WPK_MVE

/* Positions of four neighbouring fields, in bits from an aligned word on. */
typedef struct {
    const uint32_t *words;
    uint32x4_t at, mask;
    uint32_t width;
} reader;

static inline reader reader_of(const wpk_fields *fields) {
    const uint32_t lead = (uintptr_t)fields->stream & 3;
    return (reader){
        (const uint32_t *)(const void *)(fields->stream - lead),
        vaddq_n_u32(vmulq_n_u32(vidupq_n_u32(0, 1), fields->width), 8 * lead),
        vdupq_n_u32((uint32_t)((UINT64_C(1) << fields->width) - 1)),
        fields->width,
    };
}

/* The next four fields, of at least one bit. A field lies in the word of its first bit and in that
 * of its last one, often the same: what that adds above the field is masked out. */
static inline uint32x4_t next(reader *r) {
    const uint32x4_t last = vshrq_n_u32(vaddq_n_u32(r->at, r->width - 1), 5);
    const uint32x4_t low = vldrwq_gather_shifted_offset_u32(r->words, vshrq_n_u32(r->at, 5));
    const uint32x4_t high = vldrwq_gather_shifted_offset_u32(r->words, last);
    const int32x4_t bit = vreinterpretq_s32_u32(vandq_u32(r->at, vdupq_n_u32(31)));
    const uint32x4_t bits =
        vorrq_u32(vshlq_u32(low, vnegq_s32(bit)), vshlq_u32(high, vsubq_s32(vdupq_n_s32(32), bit)));
    r->at = vaddq_n_u32(r->at, 4 * r->width);
    return vandq_u32(bits, r->mask);
}

static uint32_t in_fours(const wpk_fields *fields) {
    return fields->width == 0 ? 0 : fields->count & ~3u;
}

static uint32_t many_words(const wpk_fields *fields, int32_t *to) {
    reader r = reader_of(fields);
    const uint32_t base = fields->base, count = in_fours(fields);
    for (uint32_t i = 0; i < count; i += 4) {
        vst1q_s32(to + i, vreinterpretq_s32_u32(vaddq_n_u32(next(&r), base)));
    }
    return count;
}

static uint32_t many_bytes(const wpk_fields *fields, int8_t *to) {
    reader r = reader_of(fields);
    const uint32_t base = fields->base, count = in_fours(fields);
    for (uint32_t i = 0; i < count; i += 4) {
        vstrbq_s32(to + i, vreinterpretq_s32_u32(vaddq_n_u32(next(&r), base)));
    }
    return count;
}

/* wpk_scaled in halves of 32 bits. */
static uint32_t many_scaled(const wpk_fields *fields, wpk_factor factor, int32_t *to) {
    reader r = reader_of(fields);
    const uint32_t count = in_fours(fields);
    const uint32x4_t factor_high = vdupq_n_u32(factor.high);
    const uint32x4_t factor_low = vdupq_n_u32(factor.low << 16);
    const uint32x4_t one = vdupq_n_u32(1u << WPK_MANTISSA_WIDTH);
    for (uint32_t i = 0; i < count; i += 4) {
        const uint32x4_t mantissa = vshlq_n_u32(vorrq_u32(next(&r), one), 8);
        const uint32x4_t rest = vmulhq_u32(mantissa, factor_low);
        const uint32x4_t low = vaddq_u32(vmulq_u32(mantissa, factor_high), rest);
        uint32x4_t high = vmulhq_u32(mantissa, factor_high);
        high = vaddq_m_n_u32(high, high, 1, vcmphiq_u32(rest, low));
        const uint32x4_t doubled = vsriq_n_u32(vshlq_n_u32(high, 1), low, 31);
        const uint32x4_t bits = vpselq_u32(high, doubled, vcmphiq_n_u32(high, INT32_MAX));
        vst1q_s32(to + i, vreinterpretq_s32_u32(vrshrq_n_u32(bits, 1)));
    }
    return count;
}

#else

#define many_words(fields, to) 0
#define many_bytes(fields, to) 0
#define many_scaled(fields, factor, to) 0

#endif

enum { NARROW = 25 };

void wpk_fields_to_words(wpk_fields fields, int32_t *to) {
    uint32_t i = many_words(&fields, to);
    uint32_t at = i * fields.width;
    if (fields.width <= NARROW) {
        for (; i < fields.count; ++i, at += fields.width) {
            to[i] = (int32_t)(fields.base + wpk_field(fields.stream, at, fields.width, true));
        }
    }
    for (; i < fields.count; ++i, at += fields.width) {
        to[i] = (int32_t)(fields.base + wpk_field(fields.stream, at, fields.width, false));
    }
}

void wpk_fields_to_bytes(wpk_fields fields, int8_t *to) {
    uint32_t i = many_bytes(&fields, to);
    for (uint32_t at = i * fields.width; i < fields.count; ++i, at += fields.width) {
        to[i] = (int8_t)(fields.base + wpk_field(fields.stream, at, fields.width, true));
    }
}

void wpk_fields_to_scaled(wpk_fields fields, wpk_factor factor, int32_t *to) {
    uint32_t i = many_scaled(&fields, factor, to);
    for (uint32_t at = i * fields.width; i < fields.count; ++i, at += fields.width) {
        to[i] = (int32_t)wpk_scaled(wpk_field(fields.stream, at, WPK_MANTISSA_WIDTH, true), factor);
    }
}
