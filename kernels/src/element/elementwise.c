#include "wpk/elementwise.h"

void wpk_elementwise_s8(wpk_elementwise run, const void *params, const wpk_broadcast *shape,
                        const int8_t *x1, const int8_t *x2, int8_t *y) {
    const int32_t *const dims = shape->dims;
    const int32_t *const s1 = shape->stride1, *const s2 = shape->stride2;
    for (int32_t a = 0; a < dims[0]; ++a) {
        for (int32_t b = 0; b < dims[1]; ++b) {
            for (int32_t c = 0; c < dims[2]; ++c) {
                run(params, x1 + a * s1[0] + b * s1[1] + c * s1[2], s1[3],
                    x2 + a * s2[0] + b * s2[1] + c * s2[2], s2[3], y, dims[3]);
                y += dims[3];
            }
        }
    }
}

/* Decoded at a time, at least a row. */
enum { BLOCK_NBYTES = 512 };

static uint32_t block_rows(const wpk_weights *weights) {
    const uint32_t rows = BLOCK_NBYTES / weights->cols;
    return rows < 1 ? 1 : rows < weights->rows ? rows : weights->rows;
}

/* Of a block of rows. Below 2^31 weights, so no overflow. */
static uint32_t decoded_nbytes(const wpk_weights *weights) {
    return weights->dense != NULL ? 0 : (block_rows(weights) * weights->cols + 15) & ~15u;
}

uint32_t wpk_elementwise_scratch_nbytes(const wpk_weights *weights) {
    return decoded_nbytes(weights) + wpk_tables_nbytes(weights);
}

void wpk_elementwise_weights_s8(wpk_elementwise run, const void *params, const wpk_weights *weights,
                                uint32_t repeats, const int8_t *x, int8_t *y, void *scratch) {
    const uint32_t cols = weights->cols, size = weights->rows * cols;
    const uint32_t block = weights->dense != NULL ? weights->rows : block_rows(weights);
    /* There need not be scratch for dense rows. */
    void *const tables =
        weights->dense != NULL ? NULL : (uint8_t *)scratch + decoded_nbytes(weights);
    wpk_cursor cursor = wpk_first_row(weights, tables);
    for (uint32_t row = 0; row < weights->rows; row += block) {
        const uint32_t left = weights->rows - row, count = left < block ? left : block;
        const int8_t *constant = weights->dense;
        if (constant == NULL) {
            weights->codec->decode(&weights->blob, &cursor, row, count, scratch, cols);
            constant = scratch;
        }
        for (uint32_t r = 0; r < repeats; ++r) {
            const uint32_t at = r * size + row * cols;
            run(params, x + at, 1, constant, 1, y + at, (int32_t)(count * cols));
        }
    }
}
