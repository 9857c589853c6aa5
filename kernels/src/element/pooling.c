#include "pooling.h"

static inline int32_t max_of(int32_t a, int32_t b) {
    return a > b ? a : b;
}

static inline int32_t min_of(int32_t a, int32_t b) {
    return a < b ? a : b;
}

void wpk_pooling_each(const wpk_pooling *p, wpk_pooling_pixel pixel, const int8_t *x, int8_t *y) {
    wpk_pooling_window window = {.pitch = p->in_w * p->channels,
                                 .channels = p->channels,
                                 .low = p->activation_min,
                                 .high = p->activation_max};
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t row = 0; row < p->out_h; ++row) {
            const int32_t top = row * p->stride_h - p->pad_top;
            const int32_t first_row = max_of(top, 0);
            window.h = min_of(top + p->kernel_h, p->in_h) - first_row;
            for (int32_t column = 0; column < p->out_w; ++column) {
                const int32_t left = column * p->stride_w - p->pad_left;
                const int32_t first_column = max_of(left, 0);
                window.w = min_of(left + p->kernel_w, p->in_w) - first_column;
                window.x = x + first_row * window.pitch + first_column * p->channels;
                pixel(&window, y);
                y += p->channels;
            }
        }
        x += p->in_h * window.pitch;
    }
}
