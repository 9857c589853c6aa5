@ A guest whose every count is known. It calls `marker` between its parts; test_plugin.py has the expected numbers.
    .syntax unified
    .thumb
    .section .vectors, "a"
    .word 0x20004000
    .word reset
    .word fault
    .word fault

    .text
    .global marker, reset
    .thumb_func
    .type marker, %function
marker:
    bx lr
    .size marker, . - marker

    .thumb_func
    .type reset, %function
reset:
    bl marker

    @ Part 1: 2 + 2 * 100000 + 1 (the call)
    movw r0, #(100000 & 0xFFFF)
    movt r0, #(100000 >> 16)
count_down:
    subs r0, r0, #1
    bne count_down
    bl marker

    @ Part 2: 2 + 10 * 7 + 1. The IT block's two instructions never take effect, and are executed all the same.
    movs r0, #10
    movs r1, #0
predicated:
    cmp r1, #1
    itt eq
    addeq r1, r1, #1
    addeq r1, r1, #2
    nop
    subs r0, r0, #1
    bne predicated
    bl marker

    @ Part 3: 3 + 50 * 3 + 1. A load from a device in the middle of a block: QEMU translates that block anew.
    movs r0, #50
    movw r2, #(DEVICE & 0xFFFF)
    movt r2, #(DEVICE >> 16)
device:
    ldr r3, [r2]
    subs r0, r0, #1
    bne device
    bl marker

    @ Part 4: 1 + 1 + 30 * 4 + 1 + 1 + 30 * 4 + 1. At the end of a page of 1 KB QEMU reads beyond the instruction.
    movs r0, #30
    b.w narrow_page_end
    .balign 1024
    .space 1018
narrow_page_end:
    nop
    nop
    subs r0, r0, #1
    bne narrow_page_end
    movs r0, #30
    b.w wide_page_end
    .balign 1024
    .space 1016
wide_page_end:
    subs r0, r0, #1
    add.w r1, r1, #0
    add.w r1, r1, #0
    bne wide_page_end
    bl marker

#if defined(__ARM_FEATURE_MVE)
    @ Part 5: 4 + 2 + 20 * 2 + 1
    ldr r2, =0xE000ED88
    ldr r3, [r2]
    orr r3, r3, #(0xF << 20)
    str r3, [r2]
    movs r0, #20
    dls lr, r0
low_overhead:
    nop
    le lr, low_overhead
    bl marker

    @ Part 6: 3 + 7 * 2 + 1. 100 bytes in vectors of 16, the last one predicated.
    dsb
    movs r0, #100
    wlstp.8 lr, r0, tail_end
tail:
    vadd.i8 q0, q0, q0
    letp lr, tail
tail_end:
    bl marker
#endif

    @ SYS_EXIT, reason ADP_Stopped_ApplicationExit
    movs r0, #0x18
    ldr r1, =0x20026
    bkpt #0xAB
    .size reset, . - reset
    .ltorg

    .thumb_func
fault:
    b fault
