/* Lines of the protocol of runner.cc. */
#ifndef WPCONVERT_PORT_PROTOCOL_H_
#define WPCONVERT_PORT_PROTOCOL_H_

#include "line.h"

static inline void Print(const char *what, uint64_t value) {
    line out;
    line_begin(&out, what);
    line_decimal(&out, value);
    line_end(&out);
}

/* Returns what main has to return. */
static inline int Fail(const char *text) {
    line out;
    line_begin(&out, "wp:error ");
    line_text(&out, text);
    line_end(&out);
    return 1;
}

#endif /* WPCONVERT_PORT_PROTOCOL_H_ */
