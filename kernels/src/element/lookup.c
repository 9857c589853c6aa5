#include "../base/rescale.h"
#include "wpk/activations.h"

#if WPK_MVE
#include <arm_mve.h>

void wpk_lookup_s8(const int8_t *table, const int8_t *x, int8_t *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i += 16) {
        const mve_pred16_t lanes = vctp8q(n - i);
        const uint8x16_t index = vldrbq_z_u8((const uint8_t *)x + i, lanes);
        vstrbq_p_s8(y + i, vldrbq_gather_offset_z_s8(table, index, lanes), lanes);
    }
}
#else

void wpk_lookup_s8(const int8_t *table, const int8_t *x, int8_t *y, uint32_t n) {
    const uint8_t *const entries = (const uint8_t *)table;
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const uint32_t four = wpk_load_u32(x + i);
        y[i] = (int8_t)entries[four & 0xff];
        y[i + 1] = (int8_t)entries[four >> 8 & 0xff];
        y[i + 2] = (int8_t)entries[four >> 16 & 0xff];
        y[i + 3] = (int8_t)entries[four >> 24];
    }
    for (; i < n; ++i) {
        y[i] = (int8_t)entries[(uint8_t)x[i]];
    }
}
#endif
