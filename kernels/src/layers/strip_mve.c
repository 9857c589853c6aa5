#include "strip.h"

#if WPK_MVE

#include <arm_mve.h>

#include "../base/bytes.h"

enum { LANES = 16 };

/* The transposition of [rows, columns, depth]. */
static void transpose(int32_t rows, int32_t columns, int32_t depth, uint16_t *order) {
    const uint32_t cols = (uint32_t)(rows * columns * depth);
    uint16_t *const end = order + wpk_strip_order_nbytes(cols) / sizeof *order;
    for (int32_t j = 0; j < columns; ++j) {
        for (int32_t i = 0; i < rows; ++i) {
            const int32_t first = (i * columns + j) * depth;
            for (int32_t c = first; c < first + depth; ++c) {
                *order++ = (uint16_t)c;
            }
        }
    }
    while (order != end) {
        *order++ = 0;
    }
}

void wpk_strip_columns(const wpk_conv_shape *shape, uint16_t *order) {
    transpose(shape->kernel_h, shape->kernel_w, shape->in_c, order);
}

void wpk_strip_places(const wpk_conv_shape *shape, uint16_t *order) {
    transpose(shape->kernel_w, shape->kernel_h, shape->in_c, order);
}

/* Loops over the pixels of a row, 16 channels of each at most. */
#define NARROW                      \
    "vqadd.s8 q0, q0, %[round]\n\t" \
    "vshl.s8 q0, q0, %q[drop]\n\t"
#define COPY_PIXELS(load, narrow, store, ...)                                                     \
    __asm__ volatile(                                                                             \
        "vctp.8 %[channels]\n\t"                                                                  \
        "dls lr, %[pixels]\n\t"                                                                   \
        "1:\n\t" load                                                                             \
        " q0, [%[x]]\n\t"                                                                         \
        "add %[x], %[x], %[depth]\n\t" narrow store                                               \
        " q0, [%[strip]]\n\t"                                                                     \
        "add %[strip], %[strip], %[pitch]\n\t"                                                    \
        "le lr, 1b\n\t"                                                                           \
        : [x] "+r"(x), [strip] "+r"(strip)                                                        \
        : [channels] "r"(channels), [pixels] "r"(pixels), [depth] "r"(depth), [pitch] "r"(pitch), \
          ##__VA_ARGS__                                                                           \
        : "lr", "memory", "p0", "q0")
#define COPY_WHOLE(narrow, ...) COPY_PIXELS("vldrb.8", narrow, "vstrb.8", ##__VA_ARGS__)
#define COPY_PART(narrow, ...) \
    COPY_PIXELS("vpst\n\tvldrbt.8", narrow, "vpst\n\tvstrbt.8", ##__VA_ARGS__)

/* `depth` and `pitch` are the distances of pixels. */
static void copy_slab(const wpk_levels *levels, const int8_t *x, uint32_t depth, int8_t *strip,
                      uint32_t pitch, uint32_t channels, uint32_t pixels) {
    if (levels == NULL) {
        if (channels == LANES) {
            COPY_WHOLE("");
        } else {
            COPY_PART("");
        }
        return;
    }
    const int32_t round = wpk_levels_round(levels);
    const int8x16_t drop = vdupq_n_s8((int8_t)-levels->drop);
    if (channels == LANES) {
        COPY_WHOLE(NARROW, [round] "r"(round), [drop] "w"(drop));
    } else {
        COPY_PART(NARROW, [round] "r"(round), [drop] "w"(drop));
    }
}

/* Several pixels of less than 16 channels at a time. */
static void scatter_row(const wpk_levels *levels, const int8_t *x, uint32_t depth, int8_t *strip,
                        uint32_t pitch, uint32_t pixels, uint8x16_t at) {
    const uint32_t together = LANES / depth;
    for (uint32_t left = pixels * depth; left > 0;) {
        const uint32_t nbytes = left < together * depth ? left : together * depth;
        const mve_pred16_t some = vctp8q(nbytes);
        int8x16_t channels = vldrbq_z_s8(x, some);
        if (levels != NULL) {
            channels = vqaddq_n_s8(channels, (int8_t)wpk_levels_round(levels));
            channels = vshlq_s8(channels, vdupq_n_s8((int8_t)-levels->drop));
        }
        vstrbq_scatter_offset_p_s8(strip, at, channels, some);
        x += nbytes;
        strip += together * pitch;
        left -= nbytes;
    }
}

/* Where scatter_row puts the channels of neighbouring pixels. */
static uint8x16_t offsets_of(uint32_t depth, uint32_t pitch) {
    uint8_t offset[LANES];
    uint32_t pixel = 0, channel = 0;
    for (uint32_t i = 0; i < LANES; ++i) {
        offset[i] = (uint8_t)(pixel + channel);
        if (++channel == depth) {
            channel = 0;
            pixel += pitch;
        }
    }
    return vldrbq_u8(offset);
}

void wpk_strip_load(const wpk_conv_shape *shape, const int8_t *image, int32_t row, int8_t outside,
                    const wpk_levels *levels, int8_t *strip) {
    const uint32_t depth = (uint32_t)shape->in_c, pitch = wpk_strip_column_nbytes(shape);
    const int32_t columns = (int32_t)wpk_strip_pixel_columns(shape);
    const int32_t first = shape->pad_left < columns ? shape->pad_left : columns;
    const int32_t over = columns - shape->pad_left - shape->in_w;
    const int32_t inside = columns - first - (over > 0 ? over : 0);
    if (inside != columns || row < 0 || row + shape->kernel_h > shape->in_h) {
        wpk_fill(strip, levels == NULL ? outside : wpk_level(levels, outside),
                 (uint32_t)columns * pitch);
    }
    if (inside <= 0) {
        return;
    }
    strip += (uint32_t)first * pitch;
    const uint8x16_t at = offsets_of(depth, pitch);
    for (int32_t i = 0; i < shape->kernel_h; ++i, ++row, strip += depth) {
        if (row < 0 || row >= shape->in_h) {
            continue;
        }
        const int8_t *const x = image + (uint32_t)row * (uint32_t)shape->in_w * depth;
        if (depth < LANES) {
            scatter_row(levels, x, depth, strip, pitch, (uint32_t)inside, at);
        } else {
            for (uint32_t c = 0; c < depth; c += LANES) {
                const uint32_t channels = depth - c < LANES ? depth - c : LANES;
                copy_slab(levels, x + c, depth, strip + c, pitch, channels, (uint32_t)inside);
            }
        }
    }
}

#endif
