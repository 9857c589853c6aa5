#include "wpk/copy.h"

#include <string.h>

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
                        memcpy(out, (const int8_t *)x + at * (int32_t)element_nbytes,
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
        memcpy(to, from, nbytes);
    }
}

/* n elements of `fill`; returns where they end. */
static uint8_t *fill_run(uint8_t *y, uint32_t n, uint32_t element_nbytes, const void *fill) {
    if (element_nbytes == 1) {
        memset(y, *(const uint8_t *)fill, n);
        return y + n;
    }
    for (uint32_t i = 0; i < n; ++i, y += element_nbytes) {
        memcpy(y, fill, element_nbytes);
    }
    return y;
}

void wpk_pad_copy(const wpk_pad *pad, uint32_t element_nbytes, const void *fill, const void *x,
                  void *y) {
    /* Elements of y per step of each dimension. */
    uint32_t pitch[4];
    uint32_t product = 1;
    for (int32_t i = 3; i >= 0; --i) {
        pitch[i] = product;
        product *= (uint32_t)(pad->before[i] + pad->dims[i] + pad->after[i]);
    }
    const uint32_t run = (uint32_t)pad->dims[3] * element_nbytes;
    const uint8_t *from = x;
    uint8_t *to = y;
    to = fill_run(to, (uint32_t)pad->before[0] * pitch[0], element_nbytes, fill);
    for (int32_t a = 0; a < pad->dims[0]; ++a) {
        to = fill_run(to, (uint32_t)pad->before[1] * pitch[1], element_nbytes, fill);
        for (int32_t b = 0; b < pad->dims[1]; ++b) {
            to = fill_run(to, (uint32_t)pad->before[2] * pitch[2], element_nbytes, fill);
            for (int32_t c = 0; c < pad->dims[2]; ++c, from += run) {
                to = fill_run(to, (uint32_t)pad->before[3], element_nbytes, fill);
                memcpy(to, from, run);
                to = fill_run(to + run, (uint32_t)pad->after[3], element_nbytes, fill);
            }
            to = fill_run(to, (uint32_t)pad->after[2] * pitch[2], element_nbytes, fill);
        }
        to = fill_run(to, (uint32_t)pad->after[1] * pitch[1], element_nbytes, fill);
    }
    fill_run(to, (uint32_t)pad->after[0] * pitch[0], element_nbytes, fill);
}
