/* Counter of the SSE-300 subsystem: the 64-bit system counter at 32 MHz, switched on by its control
 * frame and read through the first timer frame. */
#include <stdint.h>

#include "port.h"

static volatile uint32_t *const kControl = (volatile uint32_t *)0x58100000;
static volatile const uint32_t *const kCount = (volatile const uint32_t *)0x48000000;

const uint32_t port_ticks_hz = 32000000;

void port_init(void) {
    *kControl = 1;
}

uint64_t port_ticks(void) {
    uint32_t high = kCount[1];
    for (;;) {
        const uint32_t low = kCount[0];
        const uint32_t again = kCount[1];
        if (again == high) {
            return (uint64_t)high << 32 | low;
        }
        high = again;
    }
}
