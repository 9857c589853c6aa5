/* Where the parts of such a layer lie in scratch. */
#include "layout.h"

#include "../shared_vectors/indices.h"
#include "../shared_vectors/kernels.h"

enum { MAX_OFFSET = UINT16_MAX };

uint32_t wpk_sv_segments(const wpk_conv_shape *shape, uint32_t words, wpk_sv_segment *segments) {
    uint32_t count = 0, first = 0;
    for (int32_t phase = 0; phase < shape->stride_w; ++phase) {
        int32_t last = -1;
        for (int32_t j = 0; j < shape->kernel_w; ++j) {
            const int32_t column = j * shape->dilation_w;
            last = column % shape->stride_w == phase ? column / shape->stride_w : last;
        }
        if (last >= 0) {
            const wpk_sv_segment segment = {(uint32_t)phase, first, words + (uint32_t)last};
            first += segment.width;
            segments[count++] = segment;
        }
    }
    return count;
}

wpk_sv_layout wpk_sv_direct_layout(const wpk_blob *blob) {
    const wpk_shared_vectors *const shared = wpk_sv_of(blob);
    wpk_sv_layout p = {.schedule = WPK_TILES_DIRECT, .builds = shared->lut == NULL};
    const uint64_t positions = wpk_sv_positions(blob);
    p.offsets_at = p.builds ? wpk_sv_lut_nbytes(shared) : 0;
    p.vectors_at = p.offsets_at + wpk_align16(positions);
    p.nbytes =
        wpk_align16(p.vectors_at + (uint64_t)WPK_SV_DIRECT_PIXELS * WPK_SV_LANES * positions);
    return p;
}

wpk_sv_span wpk_sv_span_of(const wpk_conv_shape *shape, const wpk_weights *weights) {
    wpk_sv_segment segments[WPK_SV_MAX_STRIDE_W];
    wpk_sv_span span = {
        .shared = wpk_sv_of(&weights->blob),
        .height = (uint32_t)shape->out_h,
        .taps = (uint32_t)(shape->kernel_h * shape->kernel_w),
        .groups = wpk_sv_groups(&weights->blob),
        .reach = (uint32_t)((shape->kernel_h - 1) * shape->dilation_h / shape->stride_h),
        .segments = wpk_sv_segments(shape, 0, segments),
    };
    span.margin = segments[span.segments - 1].first + segments[span.segments - 1].width;
    return span;
}

/* Not inlined, nor are the sums: once more would be half a kilobyte of flash. */
__attribute__((noinline)) bool wpk_sv_lay_rows(wpk_core core, const wpk_sv_span *span,
                                               wpk_sv_layout *p) {
    const wpk_shared_vectors *const shared = span->shared;
    /* Inner loops take four words at a time. */
    p->words = p->wide ? p->columns : (p->columns + 1) / 2;
    p->words = p->words > 2 ? (p->words + 3) & ~3u : p->words;
    p->pitch = span->segments * p->words + span->margin;
    p->vectors = p->wide ? p->pitch : 2 * p->pitch;
    const uint64_t products = 4ull * p->groups * wpk_sv_rows(shared) * p->pitch;
    p->prepared_at = p->builds ? wpk_sv_lut_nbytes(shared) : 0;
    p->offsets_at = p->prepared_at +
                    (p->looks_up ? 0 : wpk_align16(wpk_of(core)->prepared_nbytes * shared->size));
    const uint32_t batches = p->keeps ? wpk_ceil_div(span->groups, p->groups) : 1;
    p->vectors_at =
        p->offsets_at + wpk_align16(2ull * span->taps * batches * p->groups * p->filters);
    p->products_at = p->vectors_at + wpk_align16(8ull * p->vectors);
    p->constants_at = p->products_at + products;
    return products <= MAX_OFFSET + 1;
}

__attribute__((noinline)) void wpk_sv_lay_sums(const wpk_sv_span *span, wpk_sv_layout *p) {
    const uint32_t slots = p->rows + span->reach;
    p->slots = slots < span->height ? slots : span->height;
    p->sums_at = p->constants_at + wpk_align16(wpk_sv_constants_nbytes(p) * p->slots);
    p->nbytes = p->sums_at + wpk_align16(wpk_sv_sums_nbytes(p) * p->slots);
}

wpk_sv_layout wpk_sv_layout_of(wpk_core core, const wpk_conv_shape *shape,
                               const wpk_weights *weights, const wpk_tiles_plan *plan) {
    if (plan->schedule == WPK_TILES_DIRECT) {
        return wpk_sv_direct_layout(&weights->blob);
    }
    const wpk_shared_vectors *const shared = wpk_sv_of(&weights->blob);
    const bool looks_up = (plan->flags & WPK_SV_LOOKS_UP) != 0;
    wpk_sv_layout p = {
        .schedule = WPK_TILES_PRODUCTS,
        .looks_up = looks_up,
        .builds = looks_up && shared->lut == NULL,
        .wide = shared->lut_bits == 16,
        .keeps = (plan->flags & WPK_SV_KEEPS) != 0,
        .filters = plan->filters,
        .columns = plan->columns,
        .rows = plan->rows,
        .groups = plan->groups,
    };
    const wpk_sv_span span = wpk_sv_span_of(shape, weights);
    (void)wpk_sv_lay_rows(core, &span, &p);
    wpk_sv_lay_sums(&span, &p);
    return p;
}
