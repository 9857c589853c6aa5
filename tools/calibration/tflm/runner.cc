// Runs a model on a board in TensorFlow Lite Micro: what runtime/ports/common/runner.cc does, for its interpreter.
#include <stdint.h>

#include "model.h"
#include "port.h"
#include "protocol.h"
#include "tensorflow/lite/micro/kernels/add.h"
#include "tensorflow/lite/micro/kernels/conv.h"
#include "tensorflow/lite/micro/kernels/depthwise_conv.h"
#include "tensorflow/lite/micro/kernels/fully_connected.h"
#include "tensorflow/lite/micro/kernels/mul.h"
#include "tensorflow/lite/micro/kernels/pad.h"
#include "tensorflow/lite/micro/kernels/pooling.h"
#include "tensorflow/lite/micro/kernels/softmax.h"
#include "tensorflow/lite/micro/kernels/transpose.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"
#include "wpconvert/tflm.h"

// TFLM refers to it; the C library's would need an operating system.
extern "C" [[noreturn]] void abort() {
    for (;;) {
    }
}

namespace {

alignas(16) __attribute__((section(".bss.arena"))) uint8_t arena[WPCONVERT_ARENA_NBYTES];

// Kernels of int8 alone where there are any, as a product registers that has int8 models only.
class Resolver : public tflite::MicroMutableOpResolver<MODEL_OPERATORS> {
   public:
    using Base = tflite::MicroMutableOpResolver<MODEL_OPERATORS>;
    TfLiteStatus AddAdd() { return Base::AddAdd(tflite::Register_ADD_INT8()); }
    TfLiteStatus AddAveragePool2D() {
        return Base::AddAveragePool2D(tflite::Register_AVERAGE_POOL_2D_INT8());
    }
    TfLiteStatus AddConv2D() { return Base::AddConv2D(tflite::Register_CONV_2D_INT8()); }
    TfLiteStatus AddDepthwiseConv2D() {
        return Base::AddDepthwiseConv2D(tflite::Register_DEPTHWISE_CONV_2D_INT8());
    }
    TfLiteStatus AddFullyConnected() {
        return Base::AddFullyConnected(tflite::Register_FULLY_CONNECTED_INT8());
    }
    TfLiteStatus AddMaxPool2D() {
        return Base::AddMaxPool2D(tflite::Register_MAX_POOL_2D_INT8());
    }
    TfLiteStatus AddMul() { return Base::AddMul(tflite::Register_MUL_INT8()); }
    TfLiteStatus AddPad() { return Base::AddPad(tflite::Register_PAD_INT8()); }
    TfLiteStatus AddSoftmax() { return Base::AddSoftmax(tflite::Register_SOFTMAX_INT8()); }
    TfLiteStatus AddTranspose() { return Base::AddTranspose(tflite::Register_TRANSPOSE_INT8()); }
};

bool RunSample(tflite::MicroInterpreter &interpreter, int inputs, int outputs) {
    for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
        TfLiteTensor *const tensor = interpreter.input(i);
        if (!port_read(inputs, tensor->data.raw, tensor->bytes)) {
            return false;
        }
    }
    const uint64_t start = port_ticks();
    const TfLiteStatus status = interpreter.Invoke();
    const uint64_t end = port_ticks();
    if (status != kTfLiteOk) {
        return false;
    }
    port_print("wp:ticks ", end - start);
    for (size_t i = 0; i < interpreter.outputs_size(); ++i) {
        const TfLiteTensor *const tensor = interpreter.output(i);
        if (!port_put(outputs, tensor->data.raw, tensor->bytes)) {
            return false;
        }
    }
    return true;
}

}  // namespace

int main() {
    port_print("wp:hz ", port_ticks_hz);
    static Resolver resolver;
    if (!MODEL_REGISTER(resolver)) {
        return port_fail("the operators cannot be registered");
    }
    static tflite::MicroInterpreter interpreter(tflite::GetModel(model_data), resolver, arena,
                                                sizeof(arena));
    const uint64_t start = port_ticks();
    const TfLiteStatus status = interpreter.AllocateTensors();
    port_print("wp:prepare ", port_ticks() - start);
    port_print("wp:arena ", interpreter.arena_used_bytes());
    if (status != kTfLiteOk) {
        return port_fail("AllocateTensors failed");
    }
    const int inputs = port_open("inputs.bin", PORT_READ);
    const int outputs = port_open("outputs.bin", PORT_WRITE);
    uint32_t samples = 0;
    if (inputs < 0 || outputs < 0 || !port_read(inputs, &samples, sizeof(samples))) {
        return port_fail("inputs.bin or outputs.bin: cannot be opened");
    }
    for (uint32_t i = 0; i < samples; ++i) {
        if (!RunSample(interpreter, inputs, outputs)) {
            return port_fail("a sample could not be run");
        }
    }
    port_close(inputs);
    port_close(outputs);
    port_print("wp:done ", samples);
    return 0;
}
