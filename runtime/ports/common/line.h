/* One line of text, put together without printf and written at once. */
#ifndef WPCONVERT_PORT_LINE_H_
#define WPCONVERT_PORT_LINE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PORT_LINE_NBYTES 400

/* What does not fit is cut off. */
typedef struct {
    char text[PORT_LINE_NBYTES];
    uint32_t used;
} port_line;

void port_line_begin(port_line *out, const char *text);
void port_line_text(port_line *out, const char *text);
void port_line_decimal(port_line *out, uint64_t value);
void port_line_hex(port_line *out, uint32_t value); /* 0x and eight digits */
void port_line_end(port_line *out);                 /* writes it, with a newline */

#ifdef __cplusplus
}
#endif

#endif /* WPCONVERT_PORT_LINE_H_ */
