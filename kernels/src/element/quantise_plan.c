#include "wpk/arch.h"
#include "wpk/quantise.h"

/* Without a floating-point unit, many elements take a table of all 256 values. */
uint32_t wpk_dequantise_scratch_nbytes(uint32_t n) {
    return !WPK_FPU && n > 512 ? 256 * sizeof(float) : 0;
}
