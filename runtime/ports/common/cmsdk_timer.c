/* Counter of the MPS2 boards: timer 0 of the Cortex-M System Design Kit at 0x40000000. It counts
 * down from 2^32 − 1 at 25 MHz and wraps after 171 s. */
#include <stdint.h>

#include "port.h"

typedef struct {
    volatile uint32_t control, value, reload;
} cmsdk_timer;

static cmsdk_timer *const kTimer = (cmsdk_timer *)0x40000000;

const uint32_t port_ticks_hz = 25000000;

void port_init(void) {
    kTimer->reload = UINT32_MAX;
    kTimer->value = UINT32_MAX;
    kTimer->control = 1;
}

uint64_t port_ticks(void) {
    static uint32_t last, wraps;
    const uint32_t now = ~kTimer->value;
    wraps += now < last;
    last = now;
    return (uint64_t)wraps << 32 | now;
}
