/* What the case runners need from where they run: a file of cases, memory, a place to write, a
 * counter. On a host memory is of the exact length, on a simulated board it is a part of one arena.
 */
#ifndef WPK_TESTS_HARNESS_H
#define WPK_TESTS_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __arm__
#include "port.h"

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
#else
static FILE *input;

static bool open_cases(const char *path) {
    input = fopen(path, "rb");
    return input != NULL;
}

static bool get(void *data, uint32_t nbytes) {
    return fread(data, 1, nbytes, input) == nbytes;
}

static void *allocate(uint32_t nbytes) {
    return malloc(nbytes); /* of the exact length, so that the sanitizer sees a byte too far */
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

#endif
