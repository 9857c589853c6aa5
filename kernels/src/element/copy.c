#include "wpk/copy.h"

#include <string.h>

#include "wpk/arch.h"

#if WPK_MVE
/* memcpy and memset of C libraries for small code know no vectors; runs here are short, or the
 * loops of base/bytes.h would take fewer instructions. */
static inline void copy(uint8_t *to, const uint8_t *from, uint32_t nbytes) {
    __asm__ volatile(
        "wlstp.8 lr, %[nbytes], 2f\n\t"
        "1:\n\t"
        "vldrb.8 q0, [%[from]], #16\n\t"
        "vstrb.8 q0, [%[to]], #16\n\t"
        "letp lr, 1b\n\t"
        "2:\n\t"
        : [from] "+r"(from), [to] "+r"(to)
        : [nbytes] "r"(nbytes)
        : "q0", "lr", "memory");
}

static inline void fill_bytes(uint8_t *to, uint8_t value, uint32_t nbytes) {
    __asm__ volatile(
        "vdup.8 q0, %[value]\n\t"
        "wlstp.8 lr, %[nbytes], 2f\n\t"
        "1:\n\t"
        "vstrb.8 q0, [%[to]], #16\n\t"
        "letp lr, 1b\n\t"
        "2:\n\t"
        : [to] "+r"(to)
        : [value] "r"(value), [nbytes] "r"(nbytes)
        : "q0", "lr", "memory");
}
#else

static inline void copy(uint8_t *to, const uint8_t *from, uint32_t nbytes) {
    memcpy(to, from, nbytes);
}

static inline void fill_bytes(uint8_t *to, uint8_t value, uint32_t nbytes) {
    memset(to, value, nbytes);
}
#endif

static void run_s8(const int8_t *x, int32_t stride, int8_t *y, int32_t n) {
    for (int32_t i = 0; i < n; ++i, x += stride) {
        y[i] = *x;
    }
}

static void run_s32(const int32_t *x, int32_t stride, int32_t *y, int32_t n) {
    for (int32_t i = 0; i < n; ++i, x += stride) {
        y[i] = *x;
    }
}

void wpk_copy_view(const wpk_view *view, uint32_t element_nbytes, const void *x, void *y) {
    const int32_t *const dims = view->dims, *const strides = view->strides;
    const int32_t run = dims[4], stride = strides[4];
    int8_t *out = y;
    for (int32_t a = 0; a < dims[0]; ++a) {
        for (int32_t b = 0; b < dims[1]; ++b) {
            for (int32_t c = 0; c < dims[2]; ++c) {
                int32_t at = view->first + a * strides[0] + b * strides[1] + c * strides[2];
                for (int32_t d = 0; d < dims[3]; ++d, at += strides[3]) {
                    if (stride == 1) {
                        copy((uint8_t *)out, (const uint8_t *)x + at * (int32_t)element_nbytes,
                             (uint32_t)run * element_nbytes);
                    } else if (element_nbytes == 1) {
                        run_s8((const int8_t *)x + at, stride, out, run);
                    } else {
                        run_s32((const int32_t *)x + at, stride, (int32_t *)(void *)out, run);
                    }
                    out += (uint32_t)run * element_nbytes;
                }
            }
        }
    }
}

void wpk_copy_runs(const void *x, uint32_t x_pitch, void *y, uint32_t y_pitch, uint32_t nbytes,
                   uint32_t count) {
    const uint8_t *from = x;
    uint8_t *to = y;
    for (uint32_t i = 0; i < count; ++i, from += x_pitch, to += y_pitch) {
        copy(to, from, nbytes);
    }
}

/* `nbytes` bytes of one `fill` after another; returns where they end. */
static uint8_t *fill_run(uint8_t *y, uint32_t nbytes, uint32_t element_nbytes, const void *fill) {
    if (element_nbytes == 1) {
        fill_bytes(y, *(const uint8_t *)fill, nbytes);
        return y + nbytes;
    }
    for (uint8_t *const end = y + nbytes; y != end; y += element_nbytes) {
        memcpy(y, fill, element_nbytes);
    }
    return y;
}

/* The same padding in bytes of as few dimensions as possible: one whose elements lie next to each
 * other in x and in y is the inner part of the one around it. */
static wpk_pad join(const wpk_pad *pad, uint32_t element_nbytes) {
    wpk_pad joined = {{1, 1, 1, (int32_t)element_nbytes}, {0}, {0}};
    for (int32_t i = 3, at = 3; i >= 0; --i) {
        int32_t inner = joined.dims[at];
        if (joined.before[at] + joined.after[at] > 0) {
            --at;
            inner = 1;
        }
        joined.dims[at] = pad->dims[i] * inner;
        joined.before[at] = pad->before[i] * inner;
        joined.after[at] = pad->after[i] * inner;
    }
    return joined;
}

void wpk_pad_copy(const wpk_pad *pad, uint32_t element_nbytes, const void *fill, const void *x,
                  void *y) {
    const wpk_pad p = join(pad, element_nbytes);
    /* Bytes of y per step of each dimension. */
    uint32_t pitch[4];
    uint32_t product = 1;
    for (int32_t i = 3; i >= 0; --i) {
        pitch[i] = product;
        product *= (uint32_t)(p.before[i] + p.dims[i] + p.after[i]);
    }
    const uint32_t run = (uint32_t)p.dims[3];
    const uint8_t *from = x;
    uint8_t *to = y;
    to = fill_run(to, (uint32_t)p.before[0] * pitch[0], element_nbytes, fill);
    for (int32_t a = 0; a < p.dims[0]; ++a) {
        to = fill_run(to, (uint32_t)p.before[1] * pitch[1], element_nbytes, fill);
        for (int32_t b = 0; b < p.dims[1]; ++b) {
            to = fill_run(to, (uint32_t)p.before[2] * pitch[2], element_nbytes, fill);
            for (int32_t c = 0; c < p.dims[2]; ++c, from += run) {
                to = fill_run(to, (uint32_t)p.before[3], element_nbytes, fill);
                copy(to, from, run);
                to = fill_run(to + run, (uint32_t)p.after[3], element_nbytes, fill);
            }
            to = fill_run(to, (uint32_t)p.after[2] * pitch[2], element_nbytes, fill);
        }
        to = fill_run(to, (uint32_t)p.after[1] * pitch[1], element_nbytes, fill);
    }
    fill_run(to, (uint32_t)p.after[0] * pitch[0], element_nbytes, fill);
}
