/* The container of compressed weights: header and sections (docs/FORMAT.md, "Blob"). */
#ifndef WPK_BLOB_H
#define WPK_BLOB_H

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/status.h"

WPK_BEGIN_C

#define WPK_MAX_SECTIONS 8

/* Weights as a matrix [rows, cols] of int8. `section` points into the blob, which must outlive
 * this. */
typedef struct {
    uint8_t codec;      /* number of the codec, see wpk_codec.number */
    uint8_t row_dims;   /* leading entries of dims that make the rows */
    uint8_t ndim;       /* 1 to 4 */
    uint8_t block_log2; /* the row index has an entry every 2^block_log2 rows, 0 to 15 */
    uint8_t section_count;
    uint8_t flags;
    uint32_t rows, cols; /* each ≥ 1, rows · cols below 2^31 */
    uint32_t dims[4];    /* weight shape, 0 from ndim on */
    const uint8_t *section[WPK_MAX_SECTIONS];
    uint32_t section_nbytes[WPK_MAX_SECTIONS];
    const void *side; /* what wpk_codec.parse_side wrote, attached by the caller; or NULL */
} wpk_blob;

/* Read and check the header: afterwards every section lies inside data[0, nbytes). What is inside
 * the sections is for wpk_codec.check. `data` needs no alignment, 16 bytes are fastest. WPK_OK or
 * WPK_BAD_BLOB. */
wpk_status wpk_blob_parse(const uint8_t *data, uint32_t nbytes, wpk_blob *blob);

WPK_END_C

#endif
