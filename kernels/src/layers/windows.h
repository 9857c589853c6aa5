/* im2col, window by window. */
#ifndef WPK_SRC_WINDOWS_H
#define WPK_SRC_WINDOWS_H

#include "wpk/conv.h"

/* The window [kernel_h, kernel_w, kernel_c] whose first tap is at row and column of an image; taps
 * outside become `outside`. */
void wpk_gather_window(const wpk_conv_shape *shape, const int8_t *x, int32_t row, int32_t column,
                       int8_t outside, int8_t *window);

#endif
