#include "wpk/conv.h"

#include <stdbool.h>

#include "../base/bytes.h"
#include "../gemm/gemm.h"
#include "../lists/lists.h"
#include "conv_plan.h"
#include "layers.h"
#include "strip.h"
#include "windows.h"

/* Makes rows [first, first + count) ready, fewer if they do not fit. */
static wpk_block load_block(const wpk_conv_layout *p, const wpk_weights *weights,
                            const wpk_requant *requant, wpk_cursor *cursor, uint32_t first,
                            uint32_t count, uint8_t *scratch) {
    const uint32_t cols = weights->cols;
    const uint32_t stride = (uint32_t)wpk_align16(cols);
    wpk_block block = {
        .rows = p->in_place ? (const void *)(weights->dense + first * cols) : scratch,
        .first = first,
        .count = count,
        .cols = cols,
        .stride = p->in_place ? cols : stride,
        .order = p->strip || p->indexed ? (const void *)(scratch + p->order_at) : NULL,
        .requant = requant,
        .channels = scratch + p->block_nbytes,
        .tile_pixels = p->tile_pixels,
    };
    if (!p->vector) {
        wpk_gemm_channels(&block, scratch + p->block_nbytes);
    }
    if (p->in_place || p->vector) {
        return block;
    }
    if (p->lists != NULL) {
        p->lists->load(&block, weights, cursor, scratch, (uint32_t)p->block_nbytes);
        return block;
    }
#if WPK_MVE
    wpk_block group = block;
    uint8_t *packed = scratch;
    for (uint32_t r = 0; r < count; r += WPK_M55_ROW_GROUP) {
        group.first = first + r;
        group.count = wpk_smaller(count - r, WPK_M55_ROW_GROUP);
        if (p->indexed) {
            weights->codec->layers->pack(&group, &weights->blob, packed);
            packed += wpk_gemm_group_nbytes(WPK_THIS_CORE, cols);
            continue;
        }
        if (weights->dense != NULL) {
            group.rows = weights->dense + group.first * cols;
            group.stride = cols;
        } else {
            int8_t *const decoded = (int8_t *)scratch + p->row_at;
            weights->codec->decode(&weights->blob, cursor, group.first, group.count, decoded,
                                   stride);
            group.rows = decoded;
        }
        wpk_gemm_pack(&group, packed);
        packed += wpk_gemm_group_nbytes(WPK_THIS_CORE, cols);
    }
#else
    weights->codec->decode(&weights->blob, cursor, first, count, (int8_t *)scratch, stride);
#endif
    return block;
}

/* A walk over output pixels in memory order. */
typedef struct {
    int32_t batch, row, column;
} position;

static void step(const wpk_conv_shape *shape, position *at) {
    if (++at->column == shape->out_w) {
        at->column = 0;
        if (++at->row == shape->out_h) {
            at->row = 0;
            ++at->batch;
        }
    }
}

static void multiply(const wpk_conv_layout *p, const wpk_block *block, const wpk_weights *weights,
                     const wpk_cursor *start, const wpk_pixels *pixels, int8_t *y,
                     uint32_t y_stride, uint8_t *scratch) {
    if (p->lists != NULL) {
        p->lists->run(block, pixels, y, y_stride, scratch + p->tile_at);
        return;
    }
    if (!p->vector) {
        wpk_gemm_run(block, pixels, y, y_stride, scratch + p->tile_at);
        return;
    }
    for (uint32_t i = 0; i < pixels->count; ++i) {
        const int8_t *const x = pixels->data + i * pixels->stride;
        if (p->in_place) {
            wpk_gemm_vector(block, x, y + i * y_stride);
#if WPK_MVE
        } else if (p->indexed) {
            weights->codec->layers->dots(block, weights, start, x, y + i * y_stride);
#endif
        } else {
            wpk_gemm_dots(block, weights, start, x, y + i * y_stride);
        }
    }
}

/* Pixels of the image: some at a time are copied where they lose bits. */
static void multiply_pixels(const wpk_conv_layout *p, const wpk_block *block,
                            const wpk_weights *weights, const wpk_cursor *start,
                            const wpk_pixels *pixels, int8_t *y, uint32_t y_stride,
                            uint8_t *scratch) {
    if (!p->narrow) {
        multiply(p, block, weights, start, pixels, y, y_stride, scratch);
        return;
    }
    const uint32_t cols = block->cols;
    const int8_t *x = pixels->data;
    wpk_pixels copies = {(const int8_t *)scratch + p->window_at, cols, 0};
    for (uint32_t left = pixels->count; left > 0; left -= copies.count) {
        int8_t *const to = (int8_t *)scratch + p->window_at;
        copies.count = left < p->windows ? left : p->windows;
        if (pixels->stride == cols) {
            wpk_copy(to, x, copies.count * cols);
        } else {
            wpk_copy_rows(to, (int32_t)cols, x, (int32_t)pixels->stride, cols, copies.count);
        }
        weights->codec->layers->narrow(weights, block->requant->input_zero_point, to,
                                       copies.count * cols);
        multiply(p, block, weights, start, &copies, y, y_stride, scratch);
        x += copies.count * pixels->stride;
        y += copies.count * y_stride;
    }
}

/* Windows are pixels of the image: in one run, or in one a row of the output if pixels are skipped.
 */
static void multiply_pointwise(const wpk_conv_shape *shape, const wpk_conv_layout *p,
                               const wpk_block *block, const wpk_weights *weights,
                               const wpk_cursor *start, const int8_t *x, int8_t *y,
                               uint8_t *scratch) {
    const uint32_t depth = (uint32_t)shape->in_c, y_stride = (uint32_t)shape->out_c;
    if (wpk_conv_is_one_run(shape)) {
        const wpk_pixels pixels = {x, depth, wpk_conv_pixels(shape)};
        multiply_pixels(p, block, weights, start, &pixels, y, y_stride, scratch);
        return;
    }
    for (int32_t b = 0; b < shape->batch; ++b) {
        for (int32_t row = 0; row < shape->out_h; ++row) {
            const int32_t from = (b * shape->in_h + row * shape->stride_h) * shape->in_w;
            const wpk_pixels pixels = {x + (uint32_t)from * depth,
                                       (uint32_t)shape->stride_w * depth, (uint32_t)shape->out_w};
            multiply_pixels(p, block, weights, start, &pixels, y, y_stride, scratch);
            y += (uint32_t)shape->out_w * y_stride;
        }
    }
}

static void multiply_windows(const wpk_conv_shape *shape, const wpk_conv_layout *p,
                             const wpk_block *block, const wpk_weights *weights,
                             const wpk_cursor *start, const int8_t *x, int8_t *y,
                             uint8_t *scratch) {
    const int8_t outside = block->requant->input_zero_point;
    int8_t *const windows = (int8_t *)scratch + p->window_at;
    wpk_pixels pixels = {windows, (uint32_t)wpk_align16(block->cols), 0};
    position at = {0, 0, 0};
    for (uint32_t left = wpk_conv_pixels(shape); left > 0; left -= pixels.count) {
        pixels.count = left < p->windows ? left : p->windows;
        for (uint32_t i = 0; i < pixels.count; ++i, step(shape, &at)) {
            const int8_t *const image = x + at.batch * shape->in_h * shape->in_w * shape->in_c;
            const int32_t row = at.row * shape->stride_h - shape->pad_top;
            const int32_t column = at.column * shape->stride_w - shape->pad_left;
            wpk_gather_window(shape, image, row, column, outside, windows + i * pixels.stride);
        }
        if (p->narrow) {
            weights->codec->layers->narrow(weights, outside, windows, pixels.count * pixels.stride);
        }
        multiply(p, block, weights, start, &pixels, y, (uint32_t)shape->out_c, scratch);
        y += pixels.count * (uint32_t)shape->out_c;
    }
}

#if WPK_MVE

static void multiply_strips(const wpk_conv_shape *shape, const wpk_conv_layout *p,
                            const wpk_block *block, const wpk_weights *weights,
                            const wpk_cursor *start, const int8_t *x, int8_t *y, uint8_t *scratch) {
    const uint32_t y_stride = (uint32_t)shape->out_c;
    const int8_t outside = block->requant->input_zero_point;
    const wpk_levels levels = wpk_levels_of(weights->act_bits, outside);
    int8_t *const strip = (int8_t *)scratch + p->window_at;
    const wpk_pixels pixels = {strip, wpk_strip_pitch(shape), (uint32_t)shape->out_w};
    for (int32_t b = 0; b < shape->batch; ++b, x += shape->in_h * shape->in_w * shape->in_c) {
        for (int32_t row = 0; row < shape->out_h; ++row, y += pixels.count * y_stride) {
            wpk_strip_load(shape, x, row * shape->stride_h - shape->pad_top, outside,
                           p->narrow ? &levels : NULL, strip);
            multiply(p, block, weights, start, &pixels, y, y_stride, scratch);
        }
    }
}

#endif

void wpk_conv_rows_s8(const wpk_conv_shape *shape, const wpk_weights *weights, const wpk_plan *plan,
                      const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch) {
    const wpk_conv_layout p = wpk_conv_layout_of(WPK_THIS_CORE, shape, weights, &plan->rows);
    const uint32_t rows = (uint32_t)shape->out_c;
    wpk_cursor cursor = wpk_first_row(weights, (uint8_t *)scratch + p.tables_at);
#if WPK_MVE
    void *const order = (uint8_t *)scratch + p.order_at;
    if (p.indexed) {
        weights->codec->layers->order_of(&weights->blob, (uint32_t)shape->kernel_h,
                                         (uint32_t)shape->kernel_w, p.strip, order);
    } else if (p.strip) {
        (p.lists != NULL ? wpk_strip_places : wpk_strip_columns)(shape, order);
    }
#endif
    for (uint32_t first = 0; first < rows;) {
        /* A block never reaches over the end of a group: its rows share their input channels. */
        const uint32_t group = first / p.group_rows;
        const uint32_t group_end = (group + 1) * p.group_rows;
        const uint32_t left = group_end - first;
        const wpk_block block = load_block(&p, weights, requant, &cursor, first,
                                           left < p.block_rows ? left : p.block_rows, scratch);
        const int8_t *const channels = x + group * (uint32_t)shape->kernel_c;
        if (p.pointwise) {
            multiply_pointwise(shape, &p, &block, weights, &cursor, channels, y + first, scratch);
#if WPK_MVE
        } else if (p.strip) {
            multiply_strips(shape, &p, &block, weights, &cursor, channels, y + first, scratch);
#endif
        } else {
            multiply_windows(shape, &p, &block, weights, &cursor, channels, y + first, scratch);
        }
        first += block.count;
    }
}

void wpk_conv_s8(const wpk_conv_shape *shape, const wpk_weights *weights, const wpk_plan *plan,
                 const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch) {
    const struct wpk_layer_kernels *const layers = wpk_layers_of(weights);
    (layers != NULL ? layers->conv : wpk_conv_rows_s8)(shape, weights, plan, requant, x, y,
                                                       scratch);
}
