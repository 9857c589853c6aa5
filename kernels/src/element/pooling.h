/* How both pools walk the image. Private. */
#ifndef WPK_SRC_POOLING_H_
#define WPK_SRC_POOLING_H_

#include "wpk/pooling.h"

/* The part of a window inside the image. */
typedef struct {
    const int8_t *x; /* its first pixel */
    int32_t h, w;
    int32_t pitch; /* bytes from one row of the image to the next */
    int32_t channels;
    int32_t low, high; /* the clamp */
} wpk_pooling_window;

typedef void (*wpk_pooling_pixel)(const wpk_pooling_window *window, int8_t *y);

/* Call `pixel` for the window of every output pixel. */
void wpk_pooling_each(const wpk_pooling *params, wpk_pooling_pixel pixel, const int8_t *x,
                      int8_t *y);

#endif /* WPK_SRC_POOLING_H_ */
