#include "line.h"

#include "port.h"

static void put(port_line *out, char c) {
    /* Room is kept for the newline and the terminator. */
    if (out->used < PORT_LINE_NBYTES - 2) {
        out->text[out->used++] = c;
    }
}

void port_line_begin(port_line *out, const char *text) {
    out->used = 0;
    port_line_text(out, text);
}

void port_line_text(port_line *out, const char *text) {
    for (; *text != '\0'; ++text) {
        /* A line stays one line, whatever the text. */
        put(out, *text == '\n' ? ' ' : *text);
    }
}

void port_line_decimal(port_line *out, uint64_t value) {
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

void port_line_hex(port_line *out, uint32_t value) {
    port_line_text(out, "0x");
    for (int shift = 28; shift >= 0; shift -= 4) {
        put(out, "0123456789abcdef"[value >> shift & 15]);
    }
}

void port_line_end(port_line *out) {
    out->text[out->used] = '\n';
    out->text[out->used + 1] = '\0';
    port_write(out->text);
}
