#include "conv_plan.h"

#include "../gemm/gemm_plan.h"
#include "../lists/lists.h"
#include "../lists/lists_plan.h"
#include "layers.h"
#include "strip_plan.h"

/* Rows of one block. Where activations are converted once per block, larger blocks are faster, the
 * more rows the less so; a layer with small activations gets a small block, so that scratch does
 * not dominate its memory. */
enum {
    MAX_BLOCK_NBYTES = 8192,
    FEW_PIXELS = 16,
    FEW_PIXELS_NBYTES = 4096,
    GOOD_BLOCK_ROWS = 8,
    MAX_GOOD_NBYTES = 8192,
    MAX_BLOCK_ROWS = 64,
    MAX_BLOCK_LISTS = 256,
    TILE_SHARE = 15,
    COPIED_NBYTES = 2048
};

/* Helium: activations are copied for each block. */
static bool copies_activations(wpk_core core, const wpk_conv_layout *p) {
    return p->strip || (wpk_of(core)->helium && p->pointwise && p->narrow);
}

/* group_nbytes: a decoded or packed row group. */
static uint64_t block_budget(wpk_core core, const wpk_conv_layout *p, uint64_t group_nbytes,
                             uint64_t activations) {
    uint64_t nbytes = activations / 16 < MAX_BLOCK_NBYTES ? activations / 16 : MAX_BLOCK_NBYTES;
    uint64_t good = GOOD_BLOCK_ROWS / wpk_of(core)->row_group * group_nbytes;
    good = good < MAX_GOOD_NBYTES ? good : MAX_GOOD_NBYTES;
    nbytes = nbytes < good ? good : nbytes;
    if (copies_activations(core, p)) {
        return MAX_BLOCK_NBYTES;
    }
    if (!wpk_of(core)->rereads && p->pointwise) {
        return p->few_pixels ? FEW_PIXELS_NBYTES : 0;
    }
    return nbytes;
}

static uint32_t order_nbytes(wpk_core core, const wpk_conv_layout *p) {
    return wpk_of(core)->helium ? p->order_nbytes : 0;
}

/* Not inlined: three copies are more flash. */
WPK_NOINLINE uint32_t tables_nbytes(const wpk_weights *weights) {
    return wpk_tables_nbytes(weights);
}

/* A row group that is decoded before it is packed. */
static uint64_t decoded_nbytes(wpk_core core, const wpk_conv_layout *p,
                               const wpk_weights *weights) {
    const bool decodes = wpk_of(core)->packs && !p->vector && weights->dense == NULL && !p->indexed;
    return decodes ? wpk_of(core)->row_group * wpk_align16(weights->cols) : 0;
}

/* Windows that are gathered, or a strip. */
static uint64_t windows_nbytes(wpk_core core, const wpk_conv_layout *p, const wpk_conv_shape *shape,
                               uint32_t cols) {
    if (wpk_of(core)->helium && p->strip) {
        return wpk_align16(wpk_strip_nbytes(shape));
    }
    return p->pointwise && !p->narrow ? 0 : p->windows * wpk_align16(cols);
}

/* Or what is left of memory that other layers need anyway, beside `rest`. */
static uint64_t or_spare(uint64_t nbytes, uint64_t rest, uint32_t spare) {
    return nbytes + rest < spare ? spare - rest : nbytes;
}

static uint64_t list_budget(wpk_core core, const wpk_conv_layout *p, wpk_schedule form,
                            const wpk_conv_shape *shape, const wpk_weights *weights,
                            uint64_t activations, uint32_t spare) {
    const uint64_t rest = wpk_gemm_channels_nbytes(core, MAX_BLOCK_LISTS) + order_nbytes(core, p) +
                          windows_nbytes(core, p, shape, weights->cols) +
                          wpk_lists_run_nbytes(core, form, weights->cols) + tables_nbytes(weights);
    const uint64_t nbytes =
        wpk_of(core)->helium ? activations / 6 : block_budget(core, p, weights->cols, activations);
    return or_spare(nbytes, rest, spare);
}

/* What decoded rows need in scratch beside a block of them. */
WPK_NOINLINE uint64_t beside_rows(wpk_core core, const wpk_conv_layout *p,
                                  const wpk_conv_shape *shape, const wpk_weights *weights,
                                  uint32_t tile_pixels) {
    return wpk_gemm_channels_nbytes(core, MAX_BLOCK_ROWS) + order_nbytes(core, p) +
           decoded_nbytes(core, p, weights) + windows_nbytes(core, p, shape, weights->cols) +
           wpk_gemm_run_nbytes(core, weights->cols, tile_pixels) + tables_nbytes(weights);
}

/* A layer with small activations gets small tiles, unless large ones find room in memory that other
 * layers need anyway. */
static uint32_t tile_pixels_of(wpk_core core, const wpk_conv_layout *p, const wpk_conv_shape *shape,
                               const wpk_weights *weights, uint64_t group_nbytes,
                               uint64_t activations, uint32_t spare) {
    wpk_conv_layout large = *p;
    large.windows = wpk_of(core)->tile_pixels;
    const uint64_t block = p->in_place ? 0 : block_budget(core, p, group_nbytes, activations);
    const bool room =
        block + beside_rows(core, &large, shape, weights, wpk_of(core)->tile_pixels) <= spare;
    const bool small =
        TILE_SHARE * wpk_gemm_run_nbytes(core, weights->cols, wpk_of(core)->tile_pixels) >
        activations;
    return small && !room ? WPK_SMALL_TILE_PIXELS : wpk_of(core)->tile_pixels;
}

static uint32_t rows_of_block(wpk_core core, const wpk_conv_layout *p, const wpk_conv_shape *shape,
                              const wpk_weights *weights, uint64_t group_nbytes,
                              uint64_t activations, uint32_t spare) {
    const uint32_t rows = p->group_rows < MAX_BLOCK_ROWS ? p->group_rows : MAX_BLOCK_ROWS;
    if (p->vector) {
        return p->group_rows;
    }
    if (p->in_place) {
        return rows;
    }
    uint64_t nbytes = block_budget(core, p, group_nbytes, activations);
    if (wpk_of(core)->rereads || copies_activations(core, p)) {
        nbytes = or_spare(nbytes, beside_rows(core, p, shape, weights, p->tile_pixels), spare);
    }
    const uint64_t most = nbytes / group_nbytes < 1 ? 1 : nbytes / group_nbytes;
    const uint32_t groups = (rows + wpk_of(core)->row_group - 1) / wpk_of(core)->row_group;
    const uint32_t blocks = (uint32_t)((groups + most - 1) / most);
    return (groups + blocks - 1) / blocks * wpk_of(core)->row_group;
}

/* What follows from the layer alone. */
static wpk_conv_layout without_plan(wpk_core core, const wpk_conv_shape *shape,
                                    const wpk_weights *weights) {
    wpk_conv_layout p = {0};
    const struct wpk_layer_kernels *const layers = wpk_layers_of(weights);
    p.narrow = layers != NULL && weights->act_bits < 8;
    p.pointwise = shape->kernel_h == 1 && shape->kernel_w == 1 && shape->pad_top == 0 &&
                  shape->pad_left == 0 &&
                  (shape->out_h - 1) * (int64_t)shape->stride_h < shape->in_h &&
                  (shape->out_w - 1) * (int64_t)shape->stride_w < shape->in_w;
    p.vector = wpk_conv_pixels(shape) < wpk_of(core)->min_packed_pixels;
#if WPK_PLANS_HELIUM
    if (wpk_of(core)->helium) {
        p.order_nbytes = layers != NULL ? layers->order_nbytes(&weights->blob) : 0;
        p.indexed = p.order_nbytes != 0;
        p.strip = !p.pointwise && !p.vector && wpk_strip_fits(shape);
        if (p.strip && !p.indexed) {
            p.order_nbytes = wpk_strip_order_nbytes(weights->cols);
        }
    }
#endif
    p.few_pixels = wpk_conv_pixels(shape) <= FEW_PIXELS;
    p.in_place = weights->dense != NULL && (p.vector || !wpk_of(core)->packs);
    p.group_rows = wpk_conv_group_rows(shape);
    return p;
}

/* Takes over the plan and puts the parts into scratch, one behind the other. Returns the bytes
 * without decode tables, which come last. */
static uint64_t lay_out(wpk_core core, wpk_conv_layout *p, const wpk_conv_shape *shape,
                        const wpk_weights *weights, const wpk_rows_plan *plan) {
    const wpk_schedule form = (wpk_schedule)plan->schedule;
    if (form != WPK_ROWS_DENSE) {
        const struct wpk_list_kernels *const kernels = weights->codec->list_kernels;
        p->lists = form == WPK_ROWS_GROUPED ? kernels->grouped : kernels;
    }
    p->form = plan->schedule;
    p->tile_pixels = plan->tile_pixels;
    p->windows = plan->windows;
    p->block_rows = plan->block_rows;
    p->block_nbytes = plan->block_nbytes;
    p->row_at = p->block_nbytes +
                (p->vector ? 0 : wpk_align16(wpk_gemm_channels_nbytes(core, p->block_rows)));
    p->order_at = p->row_at + (form == WPK_ROWS_DENSE ? decoded_nbytes(core, p, weights) : 0);
    p->window_at = p->order_at + order_nbytes(core, p);
    p->tile_at = p->window_at + windows_nbytes(core, p, shape, weights->cols);
    p->tables_at = p->tile_at;
    if (form != WPK_ROWS_DENSE) {
        p->tables_at += wpk_lists_run_nbytes(core, form, weights->cols);
    } else if (!p->vector) {
        p->tables_at += wpk_gemm_run_nbytes(core, weights->cols, p->tile_pixels);
    }
    return p->tables_at;
}

wpk_conv_layout wpk_conv_layout_of(wpk_core core, const wpk_conv_shape *shape,
                                   const wpk_weights *weights, const wpk_rows_plan *plan) {
    wpk_conv_layout p = without_plan(core, shape, weights);
    lay_out(core, &p, shape, weights, plan);
    return p;
}

uint64_t wpk_conv_rows_plan(wpk_core core, const wpk_conv_shape *shape, const wpk_weights *weights,
                            uint32_t spare, wpk_plan *plan) {
    wpk_conv_layout p = without_plan(core, shape, weights);
    const bool packed = wpk_of(core)->packs && !p.vector;
    const uint64_t group_nbytes = packed ? wpk_gemm_group_nbytes(core, weights->cols)
                                         : wpk_of(core)->row_group * wpk_align16(weights->cols);
    const uint64_t activations = wpk_conv_activations(shape);
    const uint32_t runs = p.pointwise && wpk_conv_is_one_run(shape)
                              ? 1
                              : (uint32_t)shape->batch * (uint32_t)shape->out_h;
    const bool may_list = !p.vector && weights->dense == NULL && weights->codec->list != NULL &&
                          weights->codec->list_kernels != NULL;
    const wpk_schedule form =
        may_list ? wpk_lists_choose(core, weights, runs, wpk_conv_pixels(shape) / runs, p.strip)
                 : WPK_ROWS_DENSE;
    if (form != WPK_ROWS_DENSE) {
        /* Without something to keep for each row, a block may have any number of them. */
        const uint32_t rows =
            wpk_of(core)->helium || p.group_rows < MAX_BLOCK_LISTS ? p.group_rows : MAX_BLOCK_LISTS;
        p.windows = wpk_lists_pixels(core, form);
        p.block_nbytes =
            wpk_lists_nbytes(core, weights, form,
                             list_budget(core, &p, form, shape, weights, activations, spare), rows);
        p.block_rows = wpk_lists_rows(core, weights, p.block_nbytes, rows);
    } else {
        p.tile_pixels = tile_pixels_of(core, &p, shape, weights, group_nbytes, activations, spare);
        p.windows = p.vector ? 1 : p.tile_pixels;
        if (wpk_of(core)->helium && p.pointwise && !p.vector) {
            const uint32_t run = runs == 1 ? wpk_conv_pixels(shape) : (uint32_t)shape->out_w;
            const uint32_t most = COPIED_NBYTES / weights->cols & ~1u;
            p.windows = run < most ? run : most;
            p.windows =
                p.windows < wpk_of(core)->tile_pixels ? wpk_of(core)->tile_pixels : p.windows;
        }
        p.block_rows = rows_of_block(core, &p, shape, weights, group_nbytes, activations, spare);
        p.block_nbytes = p.in_place || p.vector
                             ? 0
                             : wpk_align16(p.block_rows / wpk_of(core)->row_group * group_nbytes);
    }
    plan->rows = (wpk_rows_plan){.schedule = (uint8_t)form,
                                 .tile_pixels = (uint8_t)p.tile_pixels,
                                 .windows = (uint16_t)p.windows,
                                 .block_rows = p.block_rows,
                                 .block_nbytes = (uint32_t)p.block_nbytes};
    const uint64_t nbytes = lay_out(core, &p, shape, weights, &plan->rows);
    /* More than 32 bits hold is more than any memory: the plan will not be used. */
    return (p.block_nbytes > UINT32_MAX ? UINT32_MAX : nbytes) + tables_nbytes(weights);
}

WPK_CORE_API uint32_t wpk_conv_plan_for(wpk_core core, const wpk_conv_shape *shape,
                                        const wpk_weights *weights, uint32_t spare,
                                        wpk_plan *plan) {
    const struct wpk_layer_kernels *const layers = wpk_layers_of(weights);
    if (layers != NULL) {
        return layers->conv_plan(core, shape, weights, spare, plan);
    }
    const uint64_t nbytes = wpk_conv_rows_plan(core, shape, weights, spare, plan);
    return nbytes < UINT32_MAX ? (uint32_t)nbytes : UINT32_MAX;
}

uint32_t wpk_conv_plan(const wpk_conv_shape *shape, const wpk_weights *weights, uint32_t spare,
                       wpk_plan *plan) {
    return wpk_conv_plan_for(WPK_THIS_CORE, shape, weights, spare, plan);
}
