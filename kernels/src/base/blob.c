#include "wpk/blob.h"

#include <stdbool.h>
#include <string.h>

#include "arithmetic.h"
#include "bytes.h"

enum { HEADER_NBYTES = 40, VERSION = 1, ELEMENT_INT8 = 1, MAX_NDIM = 4, MAX_BLOCK_LOG2 = 15 };

/* rows and cols must be the products of the dimensions; none of them wraps. */
static bool shape_fits(const wpk_blob *blob) {
    if (blob->ndim < 1 || blob->ndim > MAX_NDIM || blob->row_dims < 1 ||
        blob->row_dims > blob->ndim) {
        return false;
    }
    uint64_t rows = 1, cols = 1;
    for (uint32_t i = 0; i < MAX_NDIM; ++i) {
        const uint32_t dim = blob->dims[i];
        if (i >= blob->ndim) {
            if (dim != 0) {
                return false;
            }
            continue;
        }
        uint64_t *const product = i < blob->row_dims ? &rows : &cols;
        *product *= dim;
        if (dim == 0 || *product > INT32_MAX) {
            return false;
        }
    }
    return rows == blob->rows && cols == blob->cols && rows * cols <= INT32_MAX;
}

wpk_status wpk_blob_parse(const uint8_t *data, uint32_t nbytes, wpk_blob *blob) {
    if (nbytes < HEADER_NBYTES || memcmp(data, "WPKB", 4) != 0 || data[4] != VERSION ||
        data[6] != ELEMENT_INT8) {
        return WPK_BAD_BLOB;
    }
    memset(blob, 0, sizeof *blob);
    blob->codec = data[5];
    blob->row_dims = data[7];
    blob->rows = wpk_load_u32(data + 8);
    blob->cols = wpk_load_u32(data + 12);
    blob->ndim = data[20];
    blob->block_log2 = data[21];
    blob->section_count = data[22];
    blob->flags = data[23];
    for (uint32_t i = 0; i < MAX_NDIM; ++i) {
        blob->dims[i] = wpk_load_u32(data + 24 + 4 * i);
    }
    if (wpk_load_u32(data + 16) != nbytes || blob->block_log2 > MAX_BLOCK_LOG2 ||
        blob->section_count > WPK_MAX_SECTIONS || !shape_fits(blob)) {
        return WPK_BAD_BLOB;
    }
    uint64_t end = HEADER_NBYTES + 4u * blob->section_count;
    if (end > nbytes) {
        return WPK_BAD_BLOB;
    }
    for (uint32_t i = 0; i < blob->section_count; ++i) {
        const uint64_t start = wpk_align16(end);
        blob->section_nbytes[i] = wpk_load_u32(data + HEADER_NBYTES + 4 * i);
        end = start + blob->section_nbytes[i];
        if (end > nbytes) {
            return WPK_BAD_BLOB;
        }
        blob->section[i] = data + start;
    }
    return wpk_align16(end) == nbytes ? WPK_OK : WPK_BAD_BLOB;
}
