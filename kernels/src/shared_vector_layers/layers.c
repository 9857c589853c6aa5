/* Layers with shared vectors: the schedule of the plan. */
#include "../layers/layers.h"

#include "../base/bytes.h"
#include "../layers/conv_plan.h"
#include "../shared_vectors/indices.h"
#include "../shared_vectors/kernels.h"
#include "plan.h"
#include "work.h"
#include "wpk/requant.h"

static void narrow(const wpk_weights *weights, int8_t zero_point, int8_t *x, uint32_t n) {
    const wpk_levels levels = wpk_levels_of(weights->act_bits, zero_point);
    wpk_sv_narrow(&levels, x, n);
}

/* Bit planes of the window whose first tap is at row and column of an image, which starts with the
 * first channel that counts. */
static void load_window(const wpk_conv_shape *shape, const wpk_levels *levels, const int8_t *image,
                        int8_t outside, int64_t row, int64_t column, uint8_t *vectors) {
    const uint32_t depth = (uint32_t)shape->kernel_c;
    const uint32_t whole = depth / WPK_SV_LANES, rest = depth % WPK_SV_LANES;
    int8_t nothing[WPK_SV_LANES];
    uint8_t *to = vectors;
    wpk_fill(nothing, outside, WPK_SV_LANES);
    for (int32_t i = 0; i < shape->kernel_h; ++i, row += shape->dilation_h) {
        int64_t at = column;
        for (int32_t j = 0; j < shape->kernel_w; ++j, at += shape->dilation_w) {
            const bool inside = row >= 0 && row < shape->in_h && at >= 0 && at < shape->in_w;
            const int8_t *const x =
                inside ? image + (row * shape->in_w + at) * shape->in_c : nothing;
            const uint32_t step = inside ? WPK_SV_LANES : 0;
            if (whole > 0) {
                wpk_sv_vectors(levels, x, step, WPK_SV_LANES, whole, to, WPK_SV_LANES);
                to += whole * WPK_SV_LANES;
            }
            if (rest > 0) {
                wpk_sv_vectors(levels, x + whole * step, 0, rest, 1, to, WPK_SV_LANES);
                to += WPK_SV_LANES;
            }
        }
    }
    wpk_sv_planes(vectors, (uint32_t)(to - vectors) / WPK_SV_LANES, levels->bits);
}

/* Filters [first, end) for the `count` windows that were loaded. */
static void look_up(const wpk_conv_shape *shape, const wpk_weights *weights,
                    const wpk_requant *requant, const wpk_sv_layout *p, const uint8_t *lut,
                    uint32_t first, uint32_t end, uint32_t count, int8_t *y, uint8_t *scratch) {
    const wpk_blob *const blob = &weights->blob;
    const uint32_t positions = wpk_sv_positions(blob), bits = wpk_sv_index_bits(blob);
    uint8_t *const indices = scratch + p->offsets_at;
    for (uint32_t f = first; f < end; ++f) {
        const uint8_t *const row = wpk_sv_row(blob, f);
        for (uint32_t i = 0; i < positions; ++i) {
            indices[i] = (uint8_t)wpk_sv_index(row, bits, i);
        }
        for (uint32_t i = 0; i < count; ++i) {
            const uint8_t *const vectors = scratch + p->vectors_at + i * positions * WPK_SV_LANES;
            const int32_t sum =
                wpk_sv_direct(wpk_sv_of(blob), lut, weights->act_bits, vectors, indices, positions);
            y[i * (uint32_t)shape->out_c + f] = wpk_requantise(
                requant, f, (int32_t)((uint32_t)sum + (uint32_t)wpk_bias(requant, f)));
        }
    }
}

static void conv_direct(const wpk_conv_shape *shape, const wpk_weights *weights,
                        const wpk_requant *requant, const wpk_sv_layout *p, const uint8_t *lut,
                        const int8_t *x, int8_t *y, uint8_t *scratch) {
    const wpk_levels levels = wpk_levels_of(weights->act_bits, requant->input_zero_point);
    const uint32_t rows = (uint32_t)shape->out_c, pixels = wpk_conv_pixels(shape);
    const uint32_t group_rows = wpk_conv_group_rows(shape);
    const uint32_t nbytes = wpk_sv_positions(&weights->blob) * WPK_SV_LANES;
    const uint32_t width = (uint32_t)shape->out_w, height = (uint32_t)shape->out_h;
    const uint32_t image = (uint32_t)(shape->in_h * shape->in_w * shape->in_c);
    for (uint32_t first = 0; first < rows; first += group_rows) {
        const int8_t *const channels = x + first / group_rows * (uint32_t)shape->kernel_c;
        for (uint32_t pixel = 0, count; pixel < pixels; pixel += count) {
            count = pixels - pixel < WPK_SV_DIRECT_PIXELS ? pixels - pixel : WPK_SV_DIRECT_PIXELS;
            for (uint32_t i = 0; i < count; ++i) {
                const uint32_t at = pixel + i;
                load_window(shape, &levels, channels + at / width / height * image,
                            requant->input_zero_point,
                            (int64_t)(at / width % height) * shape->stride_h - shape->pad_top,
                            (int64_t)(at % width) * shape->stride_w - shape->pad_left,
                            scratch + p->vectors_at + i * nbytes);
            }
            look_up(shape, weights, requant, p, lut, first, first + group_rows, count,
                    y + pixel * rows, scratch);
        }
    }
}

static void conv(const wpk_conv_shape *shape, const wpk_weights *weights, const wpk_plan *plan,
                 const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch) {
    if (plan->schedule == WPK_ROWS_DENSE) {
        wpk_conv_rows_s8(shape, weights, plan, requant, x, y, scratch);
        return;
    }
    const wpk_shared_vectors *const shared = wpk_sv_of(&weights->blob);
    const wpk_sv_layout p = wpk_sv_layout_of(WPK_THIS_CORE, shape, weights, &plan->tiles);
    if (p.builds) {
        wpk_sv_build_lut(shared, scratch);
    }
    (p.schedule == WPK_TILES_DIRECT ? conv_direct : wpk_sv_conv_products)(
        shape, weights, requant, &p, p.builds ? scratch : shared->lut, x, y, scratch);
}

static void fully_connected(uint32_t batch, const wpk_weights *weights, const wpk_plan *plan,
                            const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch) {
    const wpk_conv_shape shape = wpk_sv_row_of_pixels(batch, weights);
    conv(&shape, weights, plan, requant, x, y, scratch);
}

#if WPK_PLANS_HELIUM

/* Vectors are packed, and not rows that were decoded, where none is cut off, and offsets into four
 * rows of indices have 16 bits. */
static uint32_t order_nbytes(const wpk_blob *blob) {
    const bool packs =
        wpk_sv_depth(blob) % WPK_SV_LANES == 0 && 4 * wpk_sv_row_nbytes(blob) <= UINT16_MAX;
    return packs ? sizeof(wpk_sv_order) + (wpk_sv_positions(blob) + 1) / 2 * 48 : 0;
}

#endif

const struct wpk_layer_kernels wpk_sv_layers = {
    .conv_plan = wpk_sv_conv_plan,
    .conv = conv,
    .fully_connected_plan = wpk_sv_fully_connected_plan,
    .fully_connected = fully_connected,
    .narrow = narrow,
#if WPK_PLANS_HELIUM
    .order_nbytes = order_nbytes,
#endif
#if WPK_MVE
    .order_of = wpk_sv_order_of,
    .pack = wpk_sv_pack,
    .dots = wpk_sv_dots,
#endif
};
