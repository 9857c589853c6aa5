/* Rows of codec dCSR in plain C. Private, included by codec_dcsr.c. */

typedef struct {
    uint8_t at[LANES];
} lanes;

/* Deltas of the next group; returns how many of its lanes are used. */
static inline uint32_t next_group(reader *r, lanes *delta) {
    const uint8_t *const pairs = r->nibbles + (size_t)(r->group / 2) * LANES;
    uint32_t planes = wpk_nibble(r->planes, r->group);
    const uint32_t high = (r->group & 1) == 0 ? 4 : 0;
    ++r->group;
    uint32_t word[4];
    for (uint32_t i = 0; i < 4; ++i) {
        word[i] = wpk_load_u32(pairs + 4 * i) >> high & 0x0f0f0f0fu;
    }
    for (uint32_t bit = 4; planes != 0; planes >>= 1, ++bit) {
        if ((planes & 1) != 0) {
            uint32_t mask = wpk_load_u16(r->mask);
            r->mask += 2;
            for (uint32_t i = 0; i < 4; ++i, mask >>= 4) {
                /* Four bits to the lowest bits of four bytes. */
                word[i] |= ((mask & 15) * 0x00204081u & 0x01010101u) << bit;
            }
        }
    }
    memcpy(delta->at, word, LANES);
    const uint32_t used = r->left < LANES ? r->left : LANES;
    r->left -= used;
    return used;
}

/* Base of the next group: modulo 2^32, since it may lie before the row, or behind it after the last
 * element. */
static inline uint32_t next_base(reader *r, uint32_t base) {
    return base + (uint32_t)(int32_t)*r->minimum++;
}

static inline void decode_row(reader *r, int8_t *row) {
    for (uint32_t base = 0; r->left > 0; base += LANES * r->slope) {
        lanes delta;
        const uint32_t used = next_group(r, &delta);
        base = next_base(r, base);
        uint32_t line = base;
        for (uint32_t lane = 0; lane < used; ++lane, line += r->slope) {
            row[(uint32_t)(line + delta.at[lane])] = *r->value++;
        }
    }
}

static inline int32_t dot_row(reader *r, const int8_t *x) {
    uint32_t acc = 0;
    for (uint32_t base = 0; r->left > 0; base += LANES * r->slope) {
        lanes delta;
        const uint32_t used = next_group(r, &delta);
        base = next_base(r, base);
        uint32_t line = base;
        for (uint32_t lane = 0; lane < used; ++lane, line += r->slope) {
            acc += (uint32_t)(x[(uint32_t)(line + delta.at[lane])] * *r->value++);
        }
    }
    return (int32_t)acc;
}

static inline void list_row(reader *r, uint32_t scale, wpk_entry *entries) {
    const uint32_t step = r->slope * scale;
    for (uint32_t base = 0; r->left > 0; base += LANES * r->slope) {
        lanes delta;
        const uint32_t used = next_group(r, &delta);
        base = next_base(r, base);
        uint32_t line = base * scale;
        for (uint32_t lane = 0; lane < used; ++lane, line += step, ++entries) {
            entries->offset = (uint16_t)(line + delta.at[lane] * scale);
            entries->value = *r->value++;
        }
    }
}
