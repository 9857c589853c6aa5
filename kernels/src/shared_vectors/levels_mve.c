/* Activations to levels with Helium. */
#include "kernels.h"
#include "wpk/arch.h"

#if WPK_MVE

#include <arm_mve.h>

void wpk_sv_narrow(const wpk_levels *levels, int8_t *x, uint32_t n) {
    if (n == 0) {
        return;
    }
    __asm__ volatile(
        "dlstp.8 lr, %[n]\n\t"
        "1:\n\t"
        "vldrb.8 q0, [%[x]]\n\t"
        "vqadd.s8 q0, q0, %[round]\n\t"
        "vshl.s8 q0, q0, %q[drop]\n\t"
        "vstrb.8 q0, [%[x]], #16\n\t"
        "letp lr, 1b\n\t"
        : [x] "+r"(x)
        : [n] "r"(n), [round] "r"(wpk_levels_round(levels)),
          [drop] "w"(vdupq_n_s8((int8_t)-levels->drop))
        : "lr", "memory", "q0");
}

#endif
