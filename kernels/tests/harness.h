/* What the case runners need from where they run: a file of cases, memory, a place to write, a
 * counter. On a host memory is of the exact length, so that the sanitizer sees a byte too far. On a
 * simulated board it is a part of one arena, with a canary behind what is written; and with
 * WPK_GUARD each case runs once more for every buffer, with that one ending at memory that cannot
 * be accessed: hand-written assembly has no sanitizer. */
#ifndef WPK_TESTS_HARNESS_H
#define WPK_TESTS_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANARY = 0x5a, NO_BUFFER = UINT32_MAX };

#ifdef __arm__
#include "port.h"

enum { CANARY_NBYTES = 16 };

static int input;
static uint8_t arena[3 << 20] __attribute__((aligned(16), section(".bss.arena")));
static uint32_t arena_used;

static bool open_cases(const char *path) {
    input = port_open(path, PORT_READ);
    return input >= 0;
}

static bool get(void *data, uint32_t nbytes) {
    return nbytes == 0 || port_read(input, data, nbytes);
}

static void *allocate(uint32_t nbytes) {
    void *const memory = arena + arena_used;
    arena_used += (nbytes + 15) & ~15u;
    return arena_used <= sizeof arena ? memory : NULL;
}

static void release_all(void **memory, uint32_t count) {
    (void)memory, (void)count;
    arena_used = 0;
}

static void say(const char *text) {
    port_write(text);
}

static uint32_t instructions(void) {
    return (uint32_t)(port_ticks() * 1000 / (port_ticks_hz / 1000000));
}
#ifdef WPK_GUARD
#if defined(__ARM_FEATURE_MVE)
/* Behind the last SRAM of the Corstone-300 there is nothing; the arena leaves its last megabyte. */
static uint8_t *const kGuard = (uint8_t *)0x31400000;
static void close_guard(void) {}
#else
/* The last megabyte of the PSRAM of the MPS2 board, as a region of the MPU without access. */
static uint8_t *const kGuard = (uint8_t *)0x21f00000;
static void close_guard(void) {
    volatile uint32_t *const mpu = (volatile uint32_t *)0xe000ed90;
    enum { TYPE, CONTROL, NUMBER, BASE, ATTRIBUTES, SIZE_LOG2 = 20 };
    mpu[NUMBER] = 1; /* 0 is the guard of the stack */
    mpu[BASE] = (uint32_t)kGuard;
    mpu[ATTRIBUTES] = 1u << 28 | (SIZE_LOG2 - 1) << 1 | 1;
    mpu[CONTROL] = 5;
    __asm__ volatile("dsb\n isb" ::: "memory");
}
#endif

static void raise_guard(void) {
    close_guard();
#ifdef WPK_GUARD_PROBE
    say("guard: a byte behind it\n");
    (void)*(volatile const uint8_t *)kGuard;
#endif
}

/* Memory that ends at the guard, but for what its alignment takes. */
static void *allocate_at_guard(uint32_t nbytes, uint32_t alignment) {
    enum { ROOM = 1 << 20 };
    return nbytes <= ROOM ? (void *)(((uintptr_t)kGuard - nbytes) & ~(uintptr_t)(alignment - 1))
                          : NULL;
}
#endif

#else
enum { CANARY_NBYTES = 0 };
static FILE *input;

static bool open_cases(const char *path) {
    input = fopen(path, "rb");
    return input != NULL;
}

static bool get(void *data, uint32_t nbytes) {
    return fread(data, 1, nbytes, input) == nbytes;
}

static void *allocate(uint32_t nbytes) {
    return malloc(nbytes);
}

static void release_all(void **memory, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
        free(memory[i]);
    }
}

static void say(const char *text) {
    fputs(text, stdout);
}

static uint32_t instructions(void) {
    return 0;
}
#endif

#ifdef WPK_GUARD
enum { GUARDED = true };

static uint32_t mark_memory(void) {
    return arena_used;
}

static void release_from(uint32_t mark) {
    arena_used = mark;
}
#else
enum { GUARDED = false };
static void raise_guard(void) {}

static uint32_t mark_memory(void) {
    return 0;
}

static void release_from(uint32_t mark) {
    (void)mark;
}

static void *allocate_at_guard(uint32_t nbytes, uint32_t alignment) {
    (void)nbytes, (void)alignment;
    return NULL;
}
#endif

/* The buffers of a case by number; in turn one of them, or none, ends at the guard. */
static uint32_t at_guard = NO_BUFFER;

static uint32_t canary_nbytes(uint32_t number) {
    return number == at_guard ? 0 : CANARY_NBYTES;
}

/* Buffer `number`, which a kernel writes: a canary behind it, unless it ends at the guard. */
static uint8_t *allocate_written(uint32_t number, uint32_t nbytes, uint32_t alignment) {
    uint8_t *const memory = number == at_guard ? allocate_at_guard(nbytes, alignment)
                                               : allocate(nbytes + CANARY_NBYTES);
    if (memory != NULL) {
        memset(memory, 0x77, nbytes);
        memset(memory + nbytes, CANARY, canary_nbytes(number));
    }
    return memory;
}

static bool is_intact(uint32_t number, const uint8_t *memory, uint32_t nbytes) {
    const uint32_t count = memory == NULL ? 0 : canary_nbytes(number);
    for (uint32_t i = 0; i < count; ++i) {
        if (memory[nbytes + i] != CANARY) {
            return false;
        }
    }
    return true;
}

/* Buffer `number`, which a kernel reads: where it is, or a copy at the guard. */
static void *placed(uint32_t number, void *data, uint32_t nbytes) {
    void *const memory = number == at_guard ? allocate_at_guard(nbytes, 1) : data;
    if (memory != data && memory != NULL) {
        memcpy(memory, data, nbytes);
    }
    return memory;
}

/* A fault ends the program: the last of these lines says where. */
static void say_turn(const char *name, const char *buffer) {
    char line[120];
    snprintf(line, sizeof line, "guard: %s behind %s\n", name, buffer);
    say(line);
}

#endif
