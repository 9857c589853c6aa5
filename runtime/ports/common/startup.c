/* From reset to main: stack limit, coprocessors, fault reporting, .data and .bss, constructors. */
#include <stdint.h>
#include <string.h>

#include "fault.h"
#include "port.h"

/* Placed by sections.ld; only their addresses mean something. */
extern uint32_t port_stack_limit[], port_stack_top[];
extern uint8_t port_data_load[], port_data_start[], port_data_end[];
extern uint8_t port_bss_start[], port_bss_end[];
extern void (*const port_constructors_start[])(void), (*const port_constructors_end[])(void);

extern int main(void);

static volatile uint32_t *const kCcr = (volatile uint32_t *)0xe000ed14;
static volatile uint32_t *const kShcsr = (volatile uint32_t *)0xe000ed24;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
static volatile uint32_t *const kCpacr = (volatile uint32_t *)0xe000ed88;
#endif

#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
static void guard_stack(void) {
    __asm__ volatile("msr msplim, %0" ::"r"(port_stack_limit));
}
#else
typedef struct {
    volatile uint32_t type, control, number, base, attributes;
} mpu_registers;

static mpu_registers *const kMpu = (mpu_registers *)0xe000ed90;
enum { GUARD_LOG2 = 16 };

/* No stack limit register before Armv8-M: a region without access below the stack instead. */
static void guard_stack(void) {
    if ((kMpu->type >> 8 & 0xff) == 0) {
        return;
    }
    kMpu->number = 0;
    kMpu->base = (uint32_t)port_stack_limit - (1u << GUARD_LOG2);
    kMpu->attributes = 1u << 28 | (GUARD_LOG2 - 1) << 1 | 1; /* no execution, no access, enabled */
    kMpu->control = 5; /* enabled, with the default map around the region */
    __asm__ volatile("dsb\n isb" ::: "memory");
}
#endif

static void enable_coprocessors(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *kCpacr |= 0xfu << 20; /* full access to CP10 and CP11 */
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
#if defined(__ARM_FEATURE_MVE)
    /* LTPSIZE = 4: no tail predication outside of loops that ask for it. Any other value makes
     * vector instructions drop lanes. */
    __asm__ volatile("vmsr fpscr, %0" ::"r"(4u << 16));
#endif
}

static void enable_faults(void) {
    *kShcsr |= 7u << 16; /* MemManage, BusFault and UsageFault instead of HardFault for all */
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
    *kShcsr |= 1u << 19; /* SecureFault */
#endif
    *kCcr |= 1u << 4; /* DIV_0_TRP: an integer division by zero is a bug, not a zero */
}

/* Not inlined: its frame must lie behind the code that enables the FPU. */
static __attribute__((noinline, noreturn)) void start(void) {
    memcpy(port_data_start, port_data_load, (uint32_t)(port_data_end - port_data_start));
    memset(port_bss_start, 0, (uint32_t)(port_bss_end - port_bss_start));
    port_init();
    for (void (*const *constructor)(void) = port_constructors_start;
         constructor != port_constructors_end; ++constructor) {
        (*constructor)();
    }
    port_exit(main());
}

__attribute__((noreturn)) void port_reset(void) {
    guard_stack();
    enable_coprocessors();
    enable_faults();
    start();
}

/* What C++ objects with a destructor ask for. A program ends with port_exit, not by destroying
 * them, so nothing is remembered; the C library's version would bring its heap along. */
void *__dso_handle;

int __aeabi_atexit(void *object, void (*destroy)(void *), void *dso) {
    (void)object, (void)destroy, (void)dso;
    return 0;
}

typedef struct {
    const void *stack;
    void (*handler[15])(void);
} vector_table;

/* The system exceptions. PORT_INTERRUPTS (port.h) comes right behind. */
__attribute__((section(".vectors"), used)) const vector_table port_vectors = {
    port_stack_top,
    {port_reset, NMI_Handler, HardFault_Handler, MemManage_Handler, BusFault_Handler,
     UsageFault_Handler, SecureFault_Handler, port_fault, port_fault, port_fault, SVC_Handler,
     DebugMon_Handler, port_fault, PendSV_Handler, SysTick_Handler},
};
