/* Whether a convolution runs on strips (strip.h), and the bytes that takes. Private. A host
 * compiles this for other cores too. */
#ifndef WPK_SRC_STRIP_PLAN_H
#define WPK_SRC_STRIP_PLAN_H

#include <stdbool.h>

#include "../core/gemm_plan.h"
#include "wpk/conv.h"

#if WPK_MVE

enum { MAX_STRIP_NBYTES = 8192, MAX_STRIP_KERNEL_H = 15 };

/* Of a column of pixels in a strip. */
static inline uint32_t wpk_strip_column_nbytes(const wpk_conv_shape *shape) {
    return (uint32_t)(shape->kernel_h * shape->in_c);
}

/* Columns of pixels in a strip. */
static inline uint64_t wpk_strip_pixel_columns(const wpk_conv_shape *shape) {
    return (uint64_t)(shape->out_w - 1) * (uint64_t)shape->stride_w + (uint64_t)shape->kernel_w;
}

/* Bytes of a strip, and from window to window. */
static inline uint64_t wpk_strip_nbytes(const wpk_conv_shape *shape) {
    return wpk_strip_pixel_columns(shape) * (uint64_t)shape->kernel_h * (uint64_t)shape->in_c;
}

static inline uint32_t wpk_strip_pitch(const wpk_conv_shape *shape) {
    return (uint32_t)shape->stride_w * wpk_strip_column_nbytes(shape);
}

/* Bytes of the order of a window's elements, padded to whole vectors of 16. */
static inline uint64_t wpk_strip_order_nbytes(uint32_t cols) {
    return sizeof(uint16_t) * wpk_align16(cols);
}

/* Whether a convolution can run so, with a strip that is not too large. */
static inline bool wpk_strip_fits(const wpk_conv_shape *shape) {
    return shape->dilation_h == 1 && shape->dilation_w == 1 && shape->kernel_c == shape->in_c &&
           shape->kernel_h <= MAX_STRIP_KERNEL_H && wpk_strip_nbytes(shape) <= MAX_STRIP_NBYTES;
}

#endif

#endif
