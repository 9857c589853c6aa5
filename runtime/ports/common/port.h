/* What a board offers to a program: time, text, files on the host, and an end.
 *
 * Text and files go through Arm semihosting, so a debugger or a simulator must be attached.
 */
#ifndef WPCONVERT_PORT_H_
#define WPCONVERT_PORT_H_

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start the counter. The start-up code calls it before main. */
void port_init(void);

/* Counter value; only differences mean something. Monotonic for at least 100 s of board time. */
uint64_t port_ticks(void);

/* Ticks per second, ≥ 1. In QEMU with -icount shift=0 an instruction takes 1 ns. */
extern const uint32_t port_ticks_hz;

/* Text to the host's console, as it is. */
void port_write(const char *text);

/* End the program; 0 means success. The host's simulator exits with this code. */
__attribute__((noreturn)) void port_exit(int code);

/* Defines the handlers of interrupts 0, 1, …: they come into the vector table right behind those of
 * the system exceptions.
 *
 *     PORT_INTERRUPTS = {uart_receive, uart_send, timer};
 *
 * Without it there are none: an interrupt that is enabled needs an entry. System exceptions are
 * taken over by functions of their CMSIS names, such as SysTick_Handler (extern "C"); one that
 * nobody took over is reported and ends the program. */
#define PORT_INTERRUPTS                                                                           \
    __attribute__((section(".vectors.interrupts"), used)) static void (*const port_interrupts[])( \
        void)

typedef enum { PORT_READ, PORT_WRITE } port_mode;

/* Open a file of the host, binary; its handle, or −1. PORT_WRITE empties or creates it. */
int port_open(const char *path, port_mode mode);

/* Read or write exactly nbytes; false when the host did less. */
bool port_read(int file, void *data, uint32_t nbytes);
bool port_put(int file, const void *data, uint32_t nbytes);

void port_close(int file);

#ifdef __cplusplus
}
#endif

#endif /* WPCONVERT_PORT_H_ */
