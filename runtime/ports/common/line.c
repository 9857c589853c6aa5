#include "line.h"

#include "port.h"

static void put(line *out, char c) {
    /* Room is kept for the newline and the terminator. */
    if (out->used < LINE_NBYTES - 2) {
        out->text[out->used++] = c;
    }
}

void line_begin(line *out, const char *text) {
    out->used = 0;
    line_text(out, text);
}

void line_text(line *out, const char *text) {
    for (; *text != '\0'; ++text) {
        /* A line stays one line, whatever the text. */
        put(out, *text == '\n' ? ' ' : *text);
    }
}

void line_decimal(line *out, uint64_t value) {
    char digits[20];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        put(out, digits[--count]);
    }
}

void line_hex(line *out, uint32_t value) {
    line_text(out, "0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
        put(out, "0123456789abcdef"[value >> shift & 15]);
    }
}

void line_end(line *out) {
    out->text[out->used] = '\n';
    out->text[out->used + 1] = '\0';
    port_write(out->text);
}
