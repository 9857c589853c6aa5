/* One line of text, put together without printf and written at once. */
#ifndef WPCONVERT_PORT_LINE_H_
#define WPCONVERT_PORT_LINE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LINE_NBYTES 400

/* What does not fit is cut off. */
typedef struct {
    char text[LINE_NBYTES];
    uint32_t used;
} line;

void line_begin(line *out, const char *text);
void line_text(line *out, const char *text);
void line_decimal(line *out, uint64_t value);
void line_hex(line *out, uint32_t value); /* 0x and eight digits */
void line_end(line *out);                 /* writes it, with a newline */

#ifdef __cplusplus
}
#endif

#endif /* WPCONVERT_PORT_LINE_H_ */
