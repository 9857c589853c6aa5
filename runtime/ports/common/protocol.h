/* Lines of the protocol of runner.cc. */
#ifndef WPCONVERT_PORT_PROTOCOL_H_
#define WPCONVERT_PORT_PROTOCOL_H_

#include "line.h"

static inline void port_print(const char *what, uint64_t value) {
    port_line out;
    port_line_begin(&out, what);
    port_line_decimal(&out, value);
    port_line_end(&out);
}

/* Returns what main has to return. */
static inline int port_fail(const char *text) {
    port_line out;
    port_line_begin(&out, "wp:error ");
    port_line_text(&out, text);
    port_line_end(&out);
    return 1;
}

#endif /* WPCONVERT_PORT_PROTOCOL_H_ */
