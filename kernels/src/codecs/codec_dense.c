/* Codec 0: the weights as they are. */
#include <stddef.h>

#include "../base/bytes.h"
#include "wpk/codec.h"

static wpk_status check(const wpk_blob *blob) {
    return blob->codec == 0 && blob->flags == 0 && blob->section_count == 1 &&
                   blob->section_nbytes[0] == blob->rows * blob->cols
               ? WPK_OK
               : WPK_BAD_BLOB;
}

static void decode(const wpk_blob *blob, wpk_cursor *cursor, uint32_t first, uint32_t count,
                   int8_t *dst, uint32_t stride) {
    const int8_t *src = (const int8_t *)blob->section[0] + first * blob->cols;
    for (uint32_t r = 0; r < count; ++r) {
        wpk_copy(dst, src, blob->cols);
        wpk_fill(dst + blob->cols, 0, stride - blob->cols);
        src += blob->cols;
        dst += stride;
    }
    cursor->row = first + count;
}

const wpk_codec wpk_codec_dense = {
    WPK_CODEC_IDENTITY(dense),
    .check = check,
    .decode = decode,
};
