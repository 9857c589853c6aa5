#include "windows.h"

#include "../base/bytes.h"

/* The taps [begin, end) of `taps` that lie inside an image of `size`, the first tap being at `at`.
 */
typedef struct {
    int32_t begin, end;
} range;

static range clip(int32_t at, int32_t taps, int32_t size) {
    const int32_t over = at + taps - size;
    range inside = {at < 0 ? -at : 0, over > 0 ? taps - over : taps};
    if (inside.begin >= inside.end) {
        inside.begin = inside.end = 0;
    }
    return inside;
}

/* A window of neighbouring pixels with all their channels: each of its rows is one run of bytes. */
static void gather_runs(const wpk_conv_shape *shape, const int8_t *x, int32_t row, int32_t column,
                        int8_t outside, int8_t *window) {
    const int32_t depth = shape->in_c, run = shape->kernel_w * depth, pitch = shape->in_w * depth;
    range rows = {0, shape->kernel_h}, columns = {0, shape->kernel_w};
    if (row < 0 || row + shape->kernel_h > shape->in_h || column < 0 ||
        column + shape->kernel_w > shape->in_w) {
        rows = clip(row, shape->kernel_h, shape->in_h);
        columns = clip(column, shape->kernel_w, shape->in_w);
        wpk_fill(window, outside, (uint32_t)(shape->kernel_h * run));
    }
    const int32_t inside_run = (columns.end - columns.begin) * depth;
    if (inside_run != 0) {
        wpk_copy_rows(window + rows.begin * run + columns.begin * depth, run,
                      x + (row + rows.begin) * pitch + (column + columns.begin) * depth, pitch,
                      (uint32_t)inside_run, (uint32_t)(rows.end - rows.begin));
    }
}

/* Any window, tap by tap. */
static void gather_taps(const wpk_conv_shape *shape, const int8_t *x, int32_t row, int32_t column,
                        int8_t outside, int8_t *window) {
    const uint32_t depth = (uint32_t)shape->kernel_c;
    for (int32_t i = 0; i < shape->kernel_h; ++i, row += shape->dilation_h) {
        int32_t at = column;
        for (int32_t j = 0; j < shape->kernel_w; ++j, at += shape->dilation_w, window += depth) {
            if (row >= 0 && row < shape->in_h && at >= 0 && at < shape->in_w) {
                wpk_copy(window, x + (row * shape->in_w + at) * shape->in_c, depth);
            } else {
                wpk_fill(window, outside, depth);
            }
        }
    }
}

void wpk_gather_window(const wpk_conv_shape *shape, const int8_t *x, int32_t row, int32_t column,
                       int8_t outside, int8_t *window) {
    if (shape->dilation_h == 1 && shape->dilation_w == 1 && shape->kernel_c == shape->in_c) {
        gather_runs(shape, x, row, column, outside, window);
    } else {
        gather_taps(shape, x, row, column, outside, window);
    }
}
