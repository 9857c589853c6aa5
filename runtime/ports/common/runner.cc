// The firmware of `wpconvert run`: runs a model on inputs of the host and hands back its outputs.
//
// Reads inputs.bin: the number of samples (uint32), then for each sample the bytes of all inputs.
// Writes outputs.bin: for each sample the bytes of all outputs. Prints one line for each fact:
//
//     wp:hz TICKS          per second, the unit of the next two
//     wp:arena BYTES       used, after AllocateTensors; when the arena is too small: needed
//     wp:prepare TICKS     of AllocateTensors
//     wp:ticks TICKS       of Invoke, one line for each sample
//     wp:error TEXT        then the program ends with code 1
//     wp:done SAMPLES      the last line when all went well
//
// Compiled for each model: model.h is what `wpconvert --to-c model.c` writes,
// WPCONVERT_ARENA_NBYTES the arena's size.
#include <stdint.h>

#include "model.h"
#include "port.h"
#include "protocol.h"
#include "wpconvert/codecs.h"
#include "wpconvert/micro_interpreter.h"
#include "wpconvert/micro_mutable_op_resolver.h"

namespace {

alignas(16) __attribute__((section(".bss.arena"))) uint8_t arena[WPCONVERT_ARENA_NBYTES];

// Memory is not zero when a device wakes up: what relies on it must fail here, not there.
void PaintArena() {
    uint32_t *const words = reinterpret_cast<uint32_t *>(arena);
    for (uint32_t i = 0; i < sizeof(arena) / sizeof(words[0]); ++i) {
        words[i] = 0xa5c3965au;
    }
}

bool RunSample(wpconvert::MicroInterpreter &interpreter, int inputs, int outputs) {
    for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
        wpconvert::Tensor *const tensor = interpreter.input(i);
        if (!port_read(inputs, tensor->data, tensor->nbytes)) {
            port_fail("inputs.bin: shorter than the model's inputs");
            return false;
        }
    }
    const uint64_t start = port_ticks();
    const TfLiteStatus status = interpreter.Invoke();
    const uint64_t end = port_ticks();
    if (status != kTfLiteOk) {
        port_fail(interpreter.error());
        return false;
    }
    port_print("wp:ticks ", end - start);
    for (size_t i = 0; i < interpreter.outputs_size(); ++i) {
        const wpconvert::Tensor *const tensor = interpreter.output(i);
        if (!port_put(outputs, tensor->data, tensor->nbytes)) {
            port_fail("outputs.bin: cannot be written");
            return false;
        }
    }
    return true;
}

}  // namespace

int main() {
    port_print("wp:hz ", port_ticks_hz);
    PaintArena();
    wpconvert::MicroMutableOpResolver<MODEL_OPERATORS> resolver;
    if (!MODEL_REGISTER(resolver)) {
        return port_fail("the operators cannot be registered");
    }
    wpconvert::MicroInterpreter interpreter(model_data, MODEL_NBYTES, resolver, arena,
                                            sizeof(arena));
    const uint64_t start = port_ticks();
    const TfLiteStatus status = interpreter.AllocateTensors();
    port_print("wp:prepare ", port_ticks() - start);
    port_print("wp:arena ", interpreter.arena_used_bytes());
    if (status != kTfLiteOk) {
        return port_fail(interpreter.error());
    }
    const int inputs = port_open("inputs.bin", PORT_READ);
    const int outputs = port_open("outputs.bin", PORT_WRITE);
    uint32_t samples = 0;
    if (inputs < 0 || outputs < 0 || !port_read(inputs, &samples, sizeof(samples))) {
        return port_fail("inputs.bin or outputs.bin: cannot be opened");
    }
    for (uint32_t i = 0; i < samples; ++i) {
        if (!RunSample(interpreter, inputs, outputs)) {
            return 1;
        }
    }
    port_close(inputs);
    port_close(outputs);
    port_print("wp:done ", samples);
    return 0;
}
