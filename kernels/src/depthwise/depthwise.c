#include "depthwise.h"

#include "depthwise_plan.h"

void wpk_depthwise_s8(const wpk_conv_shape *shape, const wpk_weights *weights,
                      const wpk_requant *requant, const int8_t *x, int8_t *y, void *scratch) {
    const int8_t *rows = weights->dense;
    uint8_t *rest = scratch;
    if (rows == NULL) {
        /* Every channel needs every tap, so the whole matrix is decoded: it has only kernel_h ·
         * kernel_w rows. */
        rest += wpk_depthwise_decoded_nbytes(weights);
        wpk_cursor cursor = wpk_first_row(weights, rest);
        weights->codec->decode(&weights->blob, &cursor, 0, weights->rows, scratch, weights->cols);
        rows = scratch;
    }
    if (wpk_depthwise_is_3x3(WPK_THIS_CORE, shape)) {
        wpk_depthwise_3x3(shape, rows, requant, x, y, rest);
    } else {
        wpk_depthwise_generic(shape, rows, requant, x, y);
    }
}
