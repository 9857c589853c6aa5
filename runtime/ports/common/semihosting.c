/* The host's console, files and exit by Arm semihosting: operation in r0, parameter in r1,
 * BKPT 0xAB on M-profile cores (Semihosting for AArch32 and AArch64, release 2.0). */
#include <stddef.h>
#include <string.h>

#include "port.h"

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20,
};
enum { MODE_RB = 1, MODE_WB = 5 };
static const uint32_t kApplicationExit = 0x20026; /* ADP_Stopped_ApplicationExit */

static uint32_t call(uint32_t operation, const void *parameter) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameter;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory", "cc");
    return r0;
}

void port_write(const char *text) {
    (void)call(SYS_WRITE0, text);
}

void port_exit(int code) {
    const uint32_t block[2] = {kApplicationExit, (uint32_t)code};
    (void)call(SYS_EXIT_EXTENDED, block);
    for (;;) {
        /* A debugger may return from the call; there is nowhere to go. */
    }
}

int port_open(const char *path, port_mode mode) {
    const uint32_t block[3] = {(uint32_t)path, mode == PORT_READ ? MODE_RB : MODE_WB,
                               (uint32_t)strlen(path)};
    return (int)call(SYS_OPEN, block);
}

bool port_read(int file, void *data, uint32_t nbytes) {
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)data, nbytes};
    return call(SYS_READ, block) == 0; /* the number of bytes not read */
}

bool port_put(int file, const void *data, uint32_t nbytes) {
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)data, nbytes};
    return call(SYS_WRITE, block) == 0;
}

void port_close(int file) {
    const uint32_t block[1] = {(uint32_t)file};
    (void)call(SYS_CLOSE, block);
}
