// Classifies one image on the device and compares the result with what the host computed.
#include <stdint.h>
#include <string.h>

#include "line.h"
#include "model.h"
#include "port.h"
#include "wpconvert/micro_interpreter.h"
#include "wpconvert/micro_mutable_op_resolver.h"

namespace {

// A handwritten 7, as the model takes it: int8, zero point −128.
constexpr int8_t kImage[64] = {
    -128, -128, -80,  111,  127,  111,  -112, -128,  //
    -128, -128, 16,   47,   16,   127,  -80,  -128,  //
    -128, -128, -112, -128, -80,  127,  -80,  -128,  //
    -128, -128, -128, -128, 16,   95,   -128, -128,  //
    -128, -128, -64,  111,  111,  127,  -32,  -128,  //
    -128, -128, -96,  63,   111,  -16,  -112, -128,  //
    -128, -128, -128, 79,   0,    -128, -128, -128,  //
    -128, -128, -64,  95,   -112, -128, -128, -128,
};
// What `wpconvert verify` computes for it, digit 0 to 9.
constexpr int8_t kExpected[10] = {13, 22, 21, 13, 3, 12, -37, 94, 2, 36};

// What `wpconvert run` reports as used, rounded up.
alignas(16) uint8_t arena[16 * 1024];

int Fail(const char *reason) {
    port_line out;
    port_line_begin(&out, "failed: ");
    port_line_text(&out, reason);
    port_line_end(&out);
    return 1;
}

}  // namespace

int main() {
    wpconvert::MicroMutableOpResolver<MODEL_OPERATORS> resolver;
    if (!MODEL_REGISTER(resolver)) {
        return Fail("an operator cannot be registered");
    }
    wpconvert::MicroInterpreter interpreter(model_data, MODEL_NBYTES, resolver, arena,
                                            sizeof(arena));
    if (interpreter.AllocateTensors() != kTfLiteOk) {
        return Fail(interpreter.error());
    }
    memcpy(interpreter.input(0)->data, kImage, sizeof(kImage));
    const uint64_t start = port_ticks();
    if (interpreter.Invoke() != kTfLiteOk) {
        return Fail(interpreter.error());
    }
    const uint64_t ticks = port_ticks() - start;

    const int8_t *const scores = interpreter.output(0)->as<int8_t>();
    int digit = 0;
    for (int i = 1; i < 10; ++i) {
        digit = scores[i] > scores[digit] ? i : digit;
    }
    port_line out;
    port_line_begin(&out, "digit ");
    port_line_decimal(&out, static_cast<uint64_t>(digit));
    port_line_text(&out, ", ");
    port_line_decimal(&out, ticks * (1000000000 / 1000) / (port_ticks_hz / 1000));
    port_line_text(&out, " instructions, arena ");
    port_line_decimal(&out, interpreter.arena_used_bytes());
    port_line_text(&out, " bytes");
    port_line_end(&out);
    return memcmp(scores, kExpected, sizeof(kExpected)) == 0
               ? 0
               : Fail("other scores than on the host");
}
