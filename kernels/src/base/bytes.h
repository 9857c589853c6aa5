/* Little-endian reads and writes at any alignment, copies and fills. On cores with loops of their
 * own these do not call the C library, whose small version (newlib) moves single bytes; elsewhere
 * they are memcpy and memset. */
#ifndef WPK_SRC_BYTES_H
#define WPK_SRC_BYTES_H

#include <stdint.h>
#include <string.h>

#include "wpk/arch.h"

#if WPK_MVE
#include <arm_mve.h>
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the format is little-endian and read in place"
#endif

static inline uint32_t wpk_load_u32(const void *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

static inline uint32_t wpk_load_u16(const void *at) {
    uint16_t value;
    memcpy(&value, at, 2);
    return value;
}

static inline void wpk_store_u32(void *at, uint32_t value) {
    memcpy(at, &value, 4);
}

static inline void wpk_copy(int8_t *restrict dst, const int8_t *restrict src, uint32_t nbytes) {
#if WPK_MVE
    if (nbytes != 0) {
        __asm__ volatile(
            "dlstp.8 lr, %[n]\n\t"
            "1:\n\t"
            "vldrb.8 q0, [%[src]], #16\n\t"
            "vstrb.8 q0, [%[dst]], #16\n\t"
            "letp lr, 1b\n\t"
            : [src] "+r"(src), [dst] "+r"(dst)
            : [n] "r"(nbytes)
            : "lr", "memory", "q0");
    }
#elif WPK_DSP || WPK_THUMB2
    if (nbytes < 4) {
        if ((nbytes & 2) != 0) {
            memcpy(dst, src, 2);
        }
        if ((nbytes & 1) != 0) {
            dst[nbytes - 1] = src[nbytes - 1];
        }
        return;
    }
    while (nbytes >= 20) {
        const uint32_t a = wpk_load_u32(src), b = wpk_load_u32(src + 4);
        const uint32_t c = wpk_load_u32(src + 8), d = wpk_load_u32(src + 12);
        wpk_store_u32(dst, a);
        wpk_store_u32(dst + 4, b);
        wpk_store_u32(dst + 8, c);
        wpk_store_u32(dst + 12, d);
        dst += 16;
        src += 16;
        nbytes -= 16;
    }
    /* The last word overlaps the one before it. */
    const uint32_t last = wpk_load_u32(src + nbytes - 4);
    wpk_store_u32(dst + nbytes - 4, last);
    for (const int8_t *const end = src + nbytes - 4; src < end; dst += 4, src += 4) {
        wpk_store_u32(dst, wpk_load_u32(src));
        __asm__ volatile("" : "+r"(dst)); /* or the compiler makes it a call of memcpy */
    }
#else
    memcpy(dst, src, nbytes);
#endif
}

/* `rows` ≥ 1 runs of `run` ≥ 1 bytes, as far apart as the pitches say. */
static inline void wpk_copy_rows(int8_t *restrict dst, int32_t dst_pitch,
                                 const int8_t *restrict src, int32_t src_pitch, uint32_t run,
                                 uint32_t rows) {
    for (; rows > 0; --rows) {
        wpk_copy(dst, src, run);
        dst += dst_pitch;
        src += src_pitch;
    }
}

static inline void wpk_fill(int8_t *dst, int8_t value, uint32_t nbytes) {
#if WPK_MVE
    const uint32_t blocks = nbytes / 64, rest = nbytes % 64;
    if (blocks != 0) {
        __asm__ volatile(
            "vdup.8 q0, %[value]\n\t"
            "dls lr, %[n]\n\t"
            "1:\n\t"
            "vstrb.8 q0, [%[dst]], #16\n\t"
            "vstrb.8 q0, [%[dst]], #16\n\t"
            "vstrb.8 q0, [%[dst]], #16\n\t"
            "vstrb.8 q0, [%[dst]], #16\n\t"
            "le lr, 1b\n\t"
            : [dst] "+r"(dst)
            : [n] "r"(blocks), [value] "r"(value)
            : "lr", "memory", "q0");
    }
    if (rest != 0) {
        __asm__ volatile(
            "vdup.8 q0, %[value]\n\t"
            "dlstp.8 lr, %[n]\n\t"
            "1:\n\t"
            "vstrb.8 q0, [%[dst]], #16\n\t"
            "letp lr, 1b\n\t"
            : [dst] "+r"(dst)
            : [n] "r"(rest), [value] "r"(value)
            : "lr", "memory", "q0");
    }
#elif WPK_DSP || WPK_THUMB2
    const uint32_t word = (uint8_t)value * 0x01010101u;
    while (nbytes >= 16) {
        wpk_store_u32(dst, word);
        wpk_store_u32(dst + 4, word);
        wpk_store_u32(dst + 8, word);
        wpk_store_u32(dst + 12, word);
        dst += 16;
        nbytes -= 16;
    }
    for (; nbytes >= 4; nbytes -= 4, dst += 4) {
        wpk_store_u32(dst, word);
        __asm__ volatile("" : "+r"(dst)); /* the same of memset */
    }
    if ((nbytes & 2) != 0) {
        memcpy(dst, &word, 2);
    }
    if ((nbytes & 1) != 0) {
        dst[nbytes - 1] = value;
    }
#else
    memset(dst, value, nbytes);
#endif
}

#endif
