/* Vectors of eight weights that layers index, and their look-up table: a weight pool
 * (docs/FORMAT.md, "Pool tensor"). */
#ifndef WPK_SV_H
#define WPK_SV_H

#include <stdint.h>

#include "wpk/arch.h"
#include "wpk/status.h"

WPK_BEGIN_C

enum { WPK_SV_LANES = 8, WPK_SV_MAX_SIZE = 256, WPK_SV_PATTERNS = 256 };

typedef enum {
    WPK_LUT_NONE = 0, /* kernels multiply with the vectors */
    WPK_LUT_RAM = 1,  /* made by wpk_sv_build_lut */
    WPK_LUT_FLASH = 2 /* stored behind the vectors */
} wpk_lut_mode;

/* Pointers have any alignment and point into the tensor, which must outlive this. */
typedef struct {
    const int8_t *vectors; /* [size, 8] */
    const uint8_t *lut;    /* the stored table, NULL unless lut_mode is WPK_LUT_FLASH */
    uint32_t size;         /* 1 to 256 */
    uint32_t pitch;        /* entries from row to row of the table: size, rounded up to 8 */
    uint8_t lut_bits;      /* of an entry: 4, 8 or 16 */
    uint8_t lut_shift;     /* e: an entry is Σ / 2^e, rounded; 0 unless lut_bits is 4 */
    uint8_t lut_mode;      /* a wpk_lut_mode */
} wpk_shared_vectors;

/* Check all of it, the entries of a stored table included. `data` has any alignment. WPK_OK or
 * WPK_BAD_SIDE. */
wpk_status wpk_sv_parse(const uint8_t *data, uint32_t nbytes, void *shared);

/* Bytes of the look-up table, a multiple of 16. */
uint32_t wpk_sv_lut_nbytes(const wpk_shared_vectors *shared);

/* Write the table, in the form in which it is stored; `lut` is aligned to 4 bytes. */
void wpk_sv_build_lut(const wpk_shared_vectors *shared, uint8_t *lut);

WPK_END_C

#endif
