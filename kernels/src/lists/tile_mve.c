#include "tile.h"

#if WPK_MVE

#include <arm_mve.h>

/* Column c of four pixels to tile[c · scale], 16 columns at a time: interleaved in `words`, then
 * stored as words. */
static void load_four(const int8_t *x0, const int8_t *x1, const int8_t *x2, const int8_t *x3,
                      uint32_t cols, uint32_t scale, int8_t *tile) {
    uint32_t words[WPK_TILE_CHANNELS];
    const uint32x4_t offset = vmulq_n_u32(vidupq_n_u32(0, 1), scale);
    __asm__ volatile(
        "dls lr, %[n]\n\t"
        "1:\n\t"
        "vctp.8 %[cols]\n\t"
        "vpstttt\n\t"
        "vldrbt.8 q0, [%[x0]], #16\n\t"
        "vldrbt.8 q1, [%[x1]], #16\n\t"
        "vldrbt.8 q2, [%[x2]], #16\n\t"
        "vldrbt.8 q3, [%[x3]], #16\n\t"
        "sub %[cols], %[cols], #16\n\t"
        "vst40.8 {q0, q1, q2, q3}, [%[words]]\n\t"
        "vst41.8 {q0, q1, q2, q3}, [%[words]]\n\t"
        "vst42.8 {q0, q1, q2, q3}, [%[words]]\n\t"
        "vst43.8 {q0, q1, q2, q3}, [%[words]]\n\t"
        "vldrw.32 q0, [%[words]]\n\t"
        "vldrw.32 q1, [%[words], #16]\n\t"
        "vldrw.32 q2, [%[words], #32]\n\t"
        "vldrw.32 q3, [%[words], #48]\n\t"
        "vstrw.32 q0, [%[tile], %q[offset]]\n\t"
        "add %[tile], %[tile], %[step]\n\t"
        "vstrw.32 q1, [%[tile], %q[offset]]\n\t"
        "add %[tile], %[tile], %[step]\n\t"
        "vstrw.32 q2, [%[tile], %q[offset]]\n\t"
        "add %[tile], %[tile], %[step]\n\t"
        "vstrw.32 q3, [%[tile], %q[offset]]\n\t"
        "add %[tile], %[tile], %[step]\n\t"
        "le lr, 1b\n\t"
        : [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [x3] "+r"(x3), [tile] "+r"(tile),
          [cols] "+r"(cols)
        : [n] "r"((cols + WPK_TILE_CHANNELS - 1) / WPK_TILE_CHANNELS), [step] "r"(4 * scale),
          [words] "r"(words), [offset] "w"(offset)
        : "lr", "memory", "p0", "q0", "q1", "q2", "q3");
}

void wpk_tile_load(const wpk_pixels *pixels, uint32_t first, uint32_t count, uint32_t cols,
                   uint32_t scale, int8_t *tile) {
    for (uint32_t p = 0; p < count; p += 4) {
        const int8_t *x[4];
        for (uint32_t i = 0; i < 4; ++i) {
            x[i] = pixels->data + (first + (p + i < count ? p + i : count - 1)) * pixels->stride;
        }
        load_four(x[0], x[1], x[2], x[3], cols, scale, tile + p);
    }
}

#endif
