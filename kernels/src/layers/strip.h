/* Windows without gathering, for Helium: the input rows under a row of outputs are copied so that
 * each column of pixels lies together. A window is then one run of bytes, and overlaps with the
 * next. Its elements are in the order [kernel_w, kernel_h, depth], and the weights follow. */
#ifndef WPK_SRC_STRIP_H
#define WPK_SRC_STRIP_H

#include "../base/levels.h"
#include "strip_plan.h"

#if WPK_MVE

/* The column of weights for each element of a window, and the other way round; 0 for padding. */
void wpk_strip_columns(const wpk_conv_shape *shape, uint16_t *order);
void wpk_strip_places(const wpk_conv_shape *shape, uint16_t *order);

/* The strip of the windows that start in `row` of an image; of levels unless that is NULL. */
void wpk_strip_load(const wpk_conv_shape *shape, const int8_t *image, int32_t row, int8_t outside,
                    const wpk_levels *levels, int8_t *strip);

#endif

#endif
