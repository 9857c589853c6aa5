#include "../core/core.h"
#include "wpk/quantise.h"

/* Without a floating-point unit, many elements take a table of all 256 values. */
WPK_CORE_API uint32_t wpk_dequantise_scratch_nbytes_for(wpk_core core, uint32_t n) {
    return !wpk_of(core)->fpu && n > 512 ? 256 * sizeof(float) : 0;
}

uint32_t wpk_dequantise_scratch_nbytes(uint32_t n) {
    return wpk_dequantise_scratch_nbytes_for(WPK_THIS_CORE, n);
}
