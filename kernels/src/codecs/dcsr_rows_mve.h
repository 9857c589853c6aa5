/* Rows of codec dCSR with Helium: 16 lanes of a group at a time. Private, included by codec_dcsr.c.
 */

typedef uint8x16_t lanes;

/* Columns of the next group's lanes, less the base. Those that are not used may be anything. */
static inline lanes next_group(reader *r, lanes line) {
    const uint32_t pair = r->group / 2;
    lanes delta = vldrbq_u8(r->nibbles + pair * LANES);
    uint32_t planes = r->planes[pair];
    if ((r->group++ & 1) == 0) {
        delta = vshrq_n_u8(delta, 4);
        planes >>= 4;
    } else {
        delta = vandq_u8(delta, vdupq_n_u8(15));
        planes &= 15;
    }
    for (uint8_t bit = 16; planes != 0; planes >>= 1, bit = (uint8_t)(bit << 1)) {
        if ((planes & 1) != 0) {
            delta = vaddq_m_n_u8(delta, delta, bit, (mve_pred16_t)wpk_load_u16(r->mask));
            r->mask += 2;
        }
    }
    return vaddq_u8(delta, line);
}

/* slope · lane; of used lanes it fits 8 bits. */
static inline lanes line_of(const reader *r) {
    return vmulq_n_u8(vidupq_n_u8(0, 1), (uint8_t)r->slope);
}

static inline void decode_row(reader *r, int8_t *row) {
    const lanes line = line_of(r);
    const uint32_t step = LANES * r->slope;
    uint32_t left = r->left;
    for (; left >= LANES; left -= LANES) {
        row += *r->minimum++;
        vstrbq_scatter_offset_s8(row, next_group(r, line), vldrbq_s8(r->value));
        r->value += LANES;
        row += step;
    }
    if (left > 0) {
        row += *r->minimum++;
        const lanes columns = next_group(r, line);
        const int8x16_t values = vldrbq_z_s8(r->value, vctp8q(left));
        vstrbq_scatter_offset_p_s8(row, columns, values, vctp8q(left));
    }
}

static inline int32_t dot_row(reader *r, const int8_t *x) {
    const lanes line = line_of(r);
    const uint32_t step = LANES * r->slope;
    int32_t acc = 0;
    for (int32_t left = (int32_t)r->left; left > 0; left -= LANES) {
        x += *r->minimum++;
        const lanes columns = next_group(r, line);
        const mve_pred16_t used = vctp8q((uint32_t)left);
        const int8x16_t gathered = vldrbq_gather_offset_z_s8(x, columns, used);
        acc = vmladavaq_s8(acc, gathered, vldrbq_z_s8(r->value, used));
        r->value += LANES;
        x += step;
    }
    return acc;
}

/* Entries of `used` lanes, 8 at most. */
static inline void list_half(const int8_t *value, const uint8_t *column, uint32_t used,
                             uint32_t scale, uint32_t base, wpk_entry *entries) {
    const uint16x8_t offset =
        vmlasq_n_u16(vldrbq_u16(column), vdupq_n_u16((uint16_t)scale), (uint16_t)(base * scale));
    if (used >= LANES / 2) {
        const uint16x8x2_t pairs = {{vreinterpretq_u16_s16(vldrbq_s16(value)), offset}};
        vst2q_u16((uint16_t *)(void *)entries, pairs);
        return;
    }
    const mve_pred16_t lanes_used = vctp16q(used);
    const uint16x8_t at = vidupq_n_u16(0, 4);
    vstrhq_scatter_offset_p_s16(&entries->value, at, vldrbq_z_s16(value, lanes_used), lanes_used);
    vstrhq_scatter_offset_p_u16(&entries->offset, at, offset, lanes_used);
}

static inline void list_row(reader *r, uint32_t scale, wpk_entry *entries) {
    const lanes line = line_of(r);
    uint32_t base = 0;
    for (int32_t left = (int32_t)r->left; left > 0; left -= LANES) {
        uint8_t column[LANES];
        base += (uint32_t)(int32_t)*r->minimum++;
        vstrbq_u8(column, next_group(r, line));
        list_half(r->value, column, (uint32_t)left, scale, base, entries);
        if (left > LANES / 2) {
            list_half(r->value + LANES / 2, column + LANES / 2, (uint32_t)left - LANES / 2, scale,
                      base, entries + LANES / 2);
        }
        entries += LANES;
        r->value += LANES;
        base += LANES * r->slope;
    }
}

static inline void group_row(reader *r, wpk_group *group) {
    const lanes line = line_of(r);
    int32_t step = 0;
    uint32_t left = r->left;
    for (; left >= LANES; left -= LANES, ++group) {
        group->step = step + *r->minimum++;
        vstrbq_u8(group->offset, next_group(r, line));
        vstrbq_s8(group->value, vldrbq_s8(r->value));
        r->value += LANES;
        step = (int32_t)(LANES * r->slope);
    }
    if (left > 0) {
        group->step = step + *r->minimum++;
        const lanes columns = next_group(r, line);
        const mve_pred16_t used = vctp8q(left);
        /* The base itself may lie before the row. Not by two stores, the second one predicated: GCC
         * takes that for one of the whole vector, and drops the first. */
        const lanes first = vdupq_n_u8((uint8_t)vgetq_lane_u8(columns, 0));
        vstrbq_u8(group->offset, vpselq_u8(columns, first, used));
        vstrbq_s8(group->value, vldrbq_z_s8(r->value, used));
    }
}
