/* Operators that move elements: transpose, slices, padding, joining and splitting. */
#ifndef WPK_COPY_H_
#define WPK_COPY_H_

#include <stdint.h>

#include "wpk/arch.h"

WPK_BEGIN_C

/* A view of x as a tensor of five dimensions, outermost first, unused ones of size 1. Strides and
 * `first` (the element at index 0, 0, …) are in elements of x and may be negative. */
typedef struct {
    int32_t dims[5], strides[5];
    int32_t first;
} wpk_view;

/* y = the view's elements one after another; element_nbytes 1 or 4, x and y aligned to it, not
 * overlapping. */
void wpk_copy_view(const wpk_view *view, uint32_t element_nbytes, const void *x, void *y);

/* `count` runs of `nbytes` bytes, which start x_pitch and y_pitch bytes apart. */
void wpk_copy_runs(const void *x, uint32_t x_pitch, void *y, uint32_t y_pitch, uint32_t nbytes,
                   uint32_t count);

/* x [dims] with before[i] and after[i] elements of `fill` around it along dimension i. fill is one
 * element. */
typedef struct {
    int32_t dims[4], before[4], after[4];
} wpk_pad;
void wpk_pad_copy(const wpk_pad *pad, uint32_t element_nbytes, const void *fill, const void *x,
                  void *y);

WPK_END_C

#endif /* WPK_COPY_H_ */
