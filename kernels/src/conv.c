#include "wpk/conv.h"

#include <stdbool.h>

#include "bytes.h"
#include "gemm.h"
#include "lists.h"
#include "strip.h"
#include "windows.h"

/* Rows of one block. Where activations are converted once per block, larger blocks are faster, the
 * more rows the less so; a layer with small activations gets a small block, so that scratch does
 * not dominate its memory. */
enum {
    MAX_BLOCK_NBYTES = 8192,
    FEW_PIXELS = 16,
    FEW_PIXELS_NBYTES = 4096,
    GOOD_BLOCK_ROWS = 8,
    MAX_GOOD_NBYTES = 16384,
    MAX_BLOCK_ROWS = 64,
    TILE_SHARE = 15,
    SMALL_TILE_PIXELS = 4
};

static uint64_t align16(uint64_t nbytes) {
    return (nbytes + 15) & ~(uint64_t)15;
}

/* How a convolution is cut: rows a block, and where things lie in scratch. Offsets and sizes in
 * bytes. */
typedef struct {
    bool in_place;   /* rows are read where they are, nothing is packed or decoded */
    bool pointwise;  /* a window is one pixel of the image: no gathering */
    bool vector;     /* too few pixels to pack or decode rows for */
    bool few_pixels; /* so few that what is done once per block counts */
    bool strip;      /* windows are parts of a strip: no gathering */
    const struct wpk_list_kernels *lists; /* for sparse rows as lists, or NULL */
    uint32_t group_rows, block_rows;
    uint32_t tile_pixels;
    uint32_t windows; /* gathered at a time */
    /* In scratch: the block, channels, a decoded row group, windows, a tile. */
    uint64_t block_nbytes, row_at, order_at, window_at, tile_at, nbytes;
} plan;

static uint32_t pixels_of(const wpk_conv_shape *shape) {
    return (uint32_t)shape->batch * (uint32_t)shape->out_h * (uint32_t)shape->out_w;
}

/* Pointwise layers that skip no pixel multiply all of them in one run, others a row of outputs at a
 * time. */
static bool is_one_run(const wpk_conv_shape *shape) {
    return shape->stride_h == 1 && shape->stride_w == 1 && shape->out_h == shape->in_h &&
           shape->out_w == shape->in_w;
}

static uint32_t runs_of(const wpk_conv_shape *shape, const plan *p) {
    return p->pointwise && is_one_run(shape) ? 1 : (uint32_t)shape->batch * (uint32_t)shape->out_h;
}

/* group_nbytes: a decoded or packed row group. */
static uint64_t block_budget(const plan *p, uint64_t group_nbytes, uint64_t activations) {
    uint64_t nbytes = activations / 16 < MAX_BLOCK_NBYTES ? activations / 16 : MAX_BLOCK_NBYTES;
    uint64_t good = GOOD_BLOCK_ROWS / WPK_ROW_GROUP * group_nbytes;
    good = good < MAX_GOOD_NBYTES ? good : MAX_GOOD_NBYTES;
    nbytes = nbytes < good ? good : nbytes;
    if (p->strip) {
        return MAX_BLOCK_NBYTES;
    }
    if (!WPK_REREADS && p->pointwise) {
        return p->few_pixels ? FEW_PIXELS_NBYTES : 0;
    }
    return nbytes;
}

static uint32_t rows_of_block(const plan *p, uint64_t group_nbytes, uint64_t activations) {
    const uint32_t rows = p->group_rows < MAX_BLOCK_ROWS ? p->group_rows : MAX_BLOCK_ROWS;
    if (p->vector) {
        return p->group_rows;
    }
    if (p->in_place) {
        return rows;
    }
    const uint64_t nbytes = block_budget(p, group_nbytes, activations);
    const uint64_t most = nbytes / group_nbytes < 1 ? 1 : nbytes / group_nbytes;
    const uint32_t groups = (rows + WPK_ROW_GROUP - 1) / WPK_ROW_GROUP;
    const uint32_t blocks = (uint32_t)((groups + most - 1) / most);
    return (groups + blocks - 1) / blocks * WPK_ROW_GROUP;
}

static plan plan_of(const wpk_conv_shape *shape, const wpk_weights *weights) {
    plan p = {0};
    const uint64_t cols = weights->cols;
    p.pointwise = shape->kernel_h == 1 && shape->kernel_w == 1 && shape->pad_top == 0 &&
                  shape->pad_left == 0 &&
                  (shape->out_h - 1) * (int64_t)shape->stride_h < shape->in_h &&
                  (shape->out_w - 1) * (int64_t)shape->stride_w < shape->in_w;
    p.vector = pixels_of(shape) < WPK_MIN_PACKED_PIXELS;
#if WPK_MVE
    p.strip = !p.pointwise && !p.vector && wpk_strip_fits(shape);
#endif
    p.few_pixels = pixels_of(shape) <= FEW_PIXELS;
    p.in_place = weights->dense != NULL && (p.vector || !WPK_PACKED);
    p.group_rows = (uint32_t)(shape->out_c / (shape->in_c / shape->kernel_c));

    const bool packed = WPK_PACKED && !p.vector;
    const uint64_t group_nbytes =
        packed ? wpk_gemm_group_nbytes(weights->cols) : WPK_ROW_GROUP * align16(cols);
    const uint64_t activations =
        (uint64_t)shape->batch *
        ((uint64_t)shape->in_h * (uint64_t)shape->in_w * (uint64_t)shape->in_c +
         (uint64_t)shape->out_h * (uint64_t)shape->out_w * (uint64_t)shape->out_c);
    const bool decodes = !p.vector && weights->dense == NULL;
    p.lists = decodes ? weights->codec->list_kernels : NULL;
    if (p.lists != NULL) {
        const uint32_t runs = runs_of(shape, &p);
        p.lists = p.lists->choose(weights, runs, pixels_of(shape) / runs, p.strip);
    }
    if (p.lists != NULL) {
        p.block_rows = WPK_MVE || p.group_rows < MAX_BLOCK_ROWS ? p.group_rows : MAX_BLOCK_ROWS;
        p.block_nbytes = p.lists->nbytes(
            weights, WPK_MVE ? activations / 6 : block_budget(&p, cols, activations));
        p.windows = p.lists->windows;
    } else {
        p.block_rows = rows_of_block(&p, group_nbytes, activations);
        p.block_nbytes =
            p.in_place || p.vector ? 0 : align16(p.block_rows / WPK_ROW_GROUP * group_nbytes);
        p.tile_pixels = WPK_TILE_PIXELS;
        if (TILE_SHARE * wpk_gemm_run_nbytes(weights->cols, WPK_TILE_PIXELS) > activations) {
            p.tile_pixels = SMALL_TILE_PIXELS;
        }
        p.windows = p.vector ? 1 : p.tile_pixels;
    }
    p.row_at = p.block_nbytes + (p.vector ? 0 : align16(wpk_gemm_channels_nbytes(p.block_rows)));
    const bool unpacks = packed && p.lists == NULL && weights->dense == NULL;
    p.order_at = p.row_at + (unpacks ? WPK_ROW_GROUP * align16(cols) : 0);
    p.window_at = p.order_at;
    p.tile_at = p.window_at + (p.pointwise ? 0 : p.windows * align16(cols));
#if WPK_MVE
    if (p.strip) {
        p.window_at = p.order_at + wpk_strip_order_nbytes(weights->cols);
        p.tile_at = p.window_at + align16(wpk_strip_nbytes(shape));
    }
#endif
    p.nbytes = p.tile_at + (p.vector          ? 0
                            : p.lists != NULL ? p.lists->run_nbytes(weights->cols)
                                              : wpk_gemm_run_nbytes(weights->cols, p.tile_pixels));
    return p;
}

uint32_t wpk_conv_scratch_nbytes(const wpk_conv_shape *shape, const wpk_weights *weights) {
    const plan p = plan_of(shape, weights);
    return p.nbytes < UINT32_MAX ? (uint32_t)p.nbytes : UINT32_MAX;
}

/* Makes rows [first, first + count) ready, fewer if they do not fit. */
static wpk_block load_block(const plan *p, const wpk_weights *weights, const wpk_requant *requant,
                            wpk_cursor *cursor, uint32_t first, uint32_t count, uint8_t *scratch) {
    const uint32_t cols = weights->cols;
    const uint32_t stride = (uint32_t)align16(cols);
    wpk_block block = {
        .rows = p->in_place ? (const void *)(weights->dense + first * cols) : scratch,
        .first = first,
        .count = count,
        .cols = cols,
        .stride = p->in_place ? cols : stride,
        .order = p->strip ? (const uint16_t *)(const void *)(scratch + p->order_at) : NULL,
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
    if (!WPK_PACKED) {
        weights->codec->decode(&weights->blob, cursor, first, count, (int8_t *)scratch, stride);
        return block;
    }
    wpk_block group = block;
    uint8_t *packed = scratch;
    for (uint32_t r = 0; r < count; r += WPK_ROW_GROUP) {
        group.first = first + r;
        group.count = count - r < WPK_ROW_GROUP ? count - r : WPK_ROW_GROUP;
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
        packed += wpk_gemm_group_nbytes(cols);
    }
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

static void multiply(const plan *p, const wpk_block *block, const wpk_weights *weights,
                     const wpk_pixels *pixels, int8_t *y, uint32_t y_stride, uint8_t *scratch) {
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
        } else {
            wpk_gemm_dots(block, weights, x, y + i * y_stride);
        }
    }
}

/* Windows are pixels of the image: in one run, or in one a row of the output if pixels are skipped.
 */
static void multiply_pointwise(const wpk_conv_shape *shape, const plan *p, const wpk_block *block,
                               const wpk_weights *weights, const int8_t *x, int8_t *y,
                               uint8_t *scratch) {
    const uint32_t depth = (uint32_t)shape->in_c, y_stride = (uint32_t)shape->out_c;
    if (is_one_run(shape)) {
        const wpk_pixels pixels = {x, depth, pixels_of(shape)};
        multiply(p, block, weights, &pixels, y, y_stride, scratch);
        return;
    }
    for (int32_t b = 0; b < shape->batch; ++b) {
        for (int32_t row = 0; row < shape->out_h; ++row) {
            const int32_t from = (b * shape->in_h + row * shape->stride_h) * shape->in_w;
            const wpk_pixels pixels = {x + (uint32_t)from * depth,
                                       (uint32_t)shape->stride_w * depth, (uint32_t)shape->out_w};
            multiply(p, block, weights, &pixels, y, y_stride, scratch);
            y += (uint32_t)shape->out_w * y_stride;
        }
    }
}

static void multiply_windows(const wpk_conv_shape *shape, const plan *p, const wpk_block *block,
                             const wpk_weights *weights, const int8_t *x, int8_t *y,
                             uint8_t *scratch) {
    const int8_t outside = block->requant->input_zero_point;
    int8_t *const windows = (int8_t *)scratch + p->window_at;
    wpk_pixels pixels = {windows, (uint32_t)align16(block->cols), 0};
    position at = {0, 0, 0};
    for (uint32_t left = pixels_of(shape); left > 0; left -= pixels.count) {
        pixels.count = left < p->windows ? left : p->windows;
        for (uint32_t i = 0; i < pixels.count; ++i, step(shape, &at)) {
            const int8_t *const image = x + at.batch * shape->in_h * shape->in_w * shape->in_c;
            const int32_t row = at.row * shape->stride_h - shape->pad_top;
            const int32_t column = at.column * shape->stride_w - shape->pad_left;
            wpk_gather_window(shape, image, row, column, outside, windows + i * pixels.stride);
        }
        multiply(p, block, weights, &pixels, y, (uint32_t)shape->out_c, scratch);
        y += pixels.count * (uint32_t)shape->out_c;
    }
}

#if WPK_MVE

static void multiply_strips(const wpk_conv_shape *shape, const plan *p, const wpk_block *block,
                            const wpk_weights *weights, const int8_t *x, int8_t *y,
                            uint8_t *scratch) {
    const uint32_t y_stride = (uint32_t)shape->out_c;
    int8_t *const strip = (int8_t *)scratch + p->window_at;
    const wpk_pixels pixels = {strip, wpk_strip_pitch(shape), (uint32_t)shape->out_w};
    for (int32_t b = 0; b < shape->batch; ++b, x += shape->in_h * shape->in_w * shape->in_c) {
        for (int32_t row = 0; row < shape->out_h; ++row, y += pixels.count * y_stride) {
            wpk_strip_load(shape, x, row * shape->stride_h - shape->pad_top,
                           block->requant->input_zero_point, strip);
            multiply(p, block, weights, &pixels, y, y_stride, scratch);
        }
    }
}

#endif

void wpk_conv_s8(const wpk_conv_shape *shape, const wpk_weights *weights,
                 const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch) {
    const plan p = plan_of(shape, weights);
    const uint32_t rows = (uint32_t)shape->out_c;
    wpk_cursor cursor = {0};
#if WPK_MVE
    if (p.strip) {
        uint16_t *const order = (uint16_t *)(void *)((uint8_t *)scratch + p.order_at);
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
            multiply_pointwise(shape, &p, &block, weights, channels, y + first, scratch);
#if WPK_MVE
        } else if (p.strip) {
            multiply_strips(shape, &p, &block, weights, channels, y + first, scratch);
#endif
        } else {
            multiply_windows(shape, &p, &block, weights, channels, y + first, scratch);
        }
        first += block.count;
    }
}
