/* Whether a convolution runs on strips (strip.h), with Helium, and the bytes that takes. Private.
 */
#ifndef WPK_SRC_STRIP_PLAN_H
#define WPK_SRC_STRIP_PLAN_H

#include <stdbool.h>

#include "../base/arithmetic.h"
#include "wpk/conv.h"

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
static inline uint32_t wpk_strip_order_nbytes(uint32_t cols) {
    return (uint32_t)(sizeof(uint16_t) * wpk_align16(cols));
}

/* Whether a convolution can run so, with a strip that is not too large. */
static inline bool wpk_strip_fits(const wpk_conv_shape *shape) {
    enum { MAX_KERNEL_H = 15, MAX_NBYTES = 8192 };
    return shape->dilation_h == 1 && shape->dilation_w == 1 && shape->kernel_c == shape->in_c &&
           shape->kernel_h <= MAX_KERNEL_H && wpk_strip_nbytes(shape) <= MAX_NBYTES;
}

#endif
