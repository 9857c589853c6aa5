/* Prints one line for an exception:
 *
 *     wp:fault BusFault cause=PRECISERR pc=0x00001234 lr=0x00001201 address=0xdead0000
 *
 * Registers and bits are those of the Armv7-M and Armv8-M Architecture Reference Manuals. pc and lr
 * are left out when the core could not stack them, address when the core does not know it.
 */
#include "fault.h"

#include <stdbool.h>
#include <stdint.h>

#include "line.h"
#include "port.h"

extern uint32_t port_stack_limit[], port_stack_top[];

static volatile const uint32_t *const kIcsr = (volatile const uint32_t *)0xe000ed04;
static volatile const uint32_t *const kCfsr = (volatile const uint32_t *)0xe000ed28;
static volatile const uint32_t *const kHfsr = (volatile const uint32_t *)0xe000ed2c;
static volatile const uint32_t *const kMmfar = (volatile const uint32_t *)0xe000ed34;
static volatile const uint32_t *const kBfar = (volatile const uint32_t *)0xe000ed38;

enum { MMARVALID = 7, BFARVALID = 15 };
/* The frame could not be stacked: MSTKERR, STKERR, STKOF. */
static const uint32_t kNoFrame = 1u << 4 | 1u << 12 | 1u << 20;

static const char *const kExceptions[16] = {
    "Thread",     "Reset",     "NMI",         "HardFault", "MemManage",    "BusFault",
    "UsageFault", "Secure",    "exception 8", "exception", "exception 10", "SVCall",
    "Debug",      "exception", "PendSV",      "SysTick",
};

static const struct {
    uint8_t bit;
    const char *name;
} kCauses[] = {
    {0, "IACCVIOL"}, {1, "DACCVIOL"},    {3, "MUNSTKERR"},    {4, "MSTKERR"},   {5, "MLSPERR"},
    {8, "IBUSERR"},  {9, "PRECISERR"},   {10, "IMPRECISERR"}, {11, "UNSTKERR"}, {12, "STKERR"},
    {13, "LSPERR"},  {16, "UNDEFINSTR"}, {17, "INVSTATE"},    {18, "INVPC"},    {19, "NOCP"},
    {20, "STKOF"},   {24, "UNALIGNED"},  {25, "DIVBYZERO"},
};

static void add_causes(port_line *out, uint32_t cfsr, uint32_t hfsr) {
    const char *separator = "";
    port_line_text(out, " cause=");
    for (uint32_t i = 0; i < sizeof(kCauses) / sizeof(kCauses[0]); ++i) {
        if (cfsr >> kCauses[i].bit & 1) {
            port_line_text(out, separator);
            port_line_text(out, kCauses[i].name);
            separator = ",";
        }
    }
    if (hfsr & 1u << 1) {
        port_line_text(out, separator);
        port_line_text(out, "VECTTBL");
        separator = ",";
    }
    if (*separator == '\0') {
        port_line_text(out, "unknown");
    }
}

static bool on_stack(const uint32_t *frame) {
    return frame >= port_stack_limit && frame + 8 <= port_stack_top;
}

/* frame: what the core stacked: r0–r3, r12, lr, pc, xpsr. */
__attribute__((noreturn, used)) static void report(const uint32_t *frame) {
    const uint32_t cfsr = *kCfsr;
    const uint32_t exception = *kIcsr & 0x1ff;
    port_line out;
    port_line_begin(&out, "wp:fault ");
    port_line_text(&out, exception < 16 ? kExceptions[exception] : "interrupt");
    add_causes(&out, cfsr, *kHfsr);
    if ((cfsr & kNoFrame) == 0 && on_stack(frame)) {
        port_line_text(&out, " pc=");
        port_line_hex(&out, frame[6]);
        port_line_text(&out, " lr=");
        port_line_hex(&out, frame[5]);
    }
    if (cfsr >> MMARVALID & 1 || cfsr >> BFARVALID & 1) {
        port_line_text(&out, " address=");
        port_line_hex(&out, cfsr >> BFARVALID & 1 ? *kBfar : *kMmfar);
    }
    port_line_end(&out);
    port_exit(PORT_FAULT_EXIT_CODE);
}

/* A stack of its own: the program's may be what overflowed. */
static uint64_t fault_stack[128] __attribute__((used));

__attribute__((naked)) void port_fault(void) {
    __asm__ volatile(
        "tst lr, #4\n"
        "ite eq\n"
        "mrseq r0, msp\n"
        "mrsne r0, psp\n"
#if defined(__ARM_ARCH_8M_MAIN__) || defined(__ARM_ARCH_8_1M_MAIN__)
        "movs r1, #0\n"
        "msr msplim, r1\n"
#endif
        "ldr r1, =fault_stack + 1024\n"
        "mov sp, r1\n"
        "b report\n"
        ".ltorg\n");
}

#define UNLESS_DEFINED __attribute__((weak, alias("port_fault")))
UNLESS_DEFINED void NMI_Handler(void);
UNLESS_DEFINED void HardFault_Handler(void);
UNLESS_DEFINED void MemManage_Handler(void);
UNLESS_DEFINED void BusFault_Handler(void);
UNLESS_DEFINED void UsageFault_Handler(void);
UNLESS_DEFINED void SecureFault_Handler(void);
UNLESS_DEFINED void SVC_Handler(void);
UNLESS_DEFINED void DebugMon_Handler(void);
UNLESS_DEFINED void PendSV_Handler(void);
UNLESS_DEFINED void SysTick_Handler(void);
