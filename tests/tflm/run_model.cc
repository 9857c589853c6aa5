// Runs a model in TensorFlow Lite Micro: run_model INPUT OUTPUT ARENA [MODEL]
//
// The operators are those that model.h registers, the model is its own, or that of a file. INPUT
// holds the bytes of all inputs of the model, one after the other, for one or more inferences;
// OUTPUT gets the bytes of all outputs, likewise. ARENA is the size of the arena in bytes; how many
// of them are used goes to stdout.
//
// Exit codes: 0 done, 1 usage or file error, 2 the model cannot be run (the reason is on stderr).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <vector>

#include "model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"
#include "wpconvert/tflm.h"

namespace {

using Memory = std::unique_ptr<uint8_t, decltype(&free)>;

Memory Allocate(size_t nbytes) {
    return Memory(static_cast<uint8_t *>(aligned_alloc(16, (nbytes + 15) / 16 * 16)), free);
}

std::vector<uint8_t> ReadFile(const char *path) {
    std::vector<uint8_t> data;
    FILE *const file = fopen(path, "rb");
    if (file != nullptr) {
        for (int byte = fgetc(file); byte != EOF; byte = fgetc(file)) {
            data.push_back(static_cast<uint8_t>(byte));
        }
        fclose(file);
    }
    return data;
}

int Run(tflite::MicroInterpreter &interpreter, const std::vector<uint8_t> &input, FILE *output) {
    if (interpreter.AllocateTensors() != kTfLiteOk) {
        return 2;
    }
    printf("arena_used_bytes %zu\n", interpreter.arena_used_bytes());
    size_t once = 0;
    for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
        once += interpreter.input(i)->bytes;
    }
    if (input.empty() || input.size() % once != 0) {
        fprintf(stderr, "the model takes %zu bytes per inference\n", once);
        return 1;
    }
    const uint8_t *next = input.data();
    for (size_t done = 0; done < input.size(); done += once) {
        for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
            memcpy(interpreter.input(i)->data.raw, next, interpreter.input(i)->bytes);
            next += interpreter.input(i)->bytes;
        }
        if (interpreter.Invoke() != kTfLiteOk) {
            return 2;
        }
        for (size_t i = 0; i < interpreter.outputs_size(); ++i) {
            fwrite(interpreter.output(i)->data.raw, 1, interpreter.output(i)->bytes, output);
        }
    }
    return 0;
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: run_model INPUT OUTPUT ARENA [MODEL]\n");
        return 1;
    }
    tflite::MicroMutableOpResolver<MODEL_OPERATORS> resolver;
    if (!MODEL_REGISTER(resolver)) {
        fprintf(stderr, "operators or codecs cannot be registered\n");
        return 2;
    }
    const uint8_t *model = model_data;
    Memory own(nullptr, free);
    if (argc == 5) {
        const std::vector<uint8_t> file = ReadFile(argv[4]);
        own = Allocate(file.size());
        memcpy(own.get(), file.data(), file.size());
        model = own.get();
    }
    const size_t arena_nbytes = strtoul(argv[3], nullptr, 10);
    const Memory arena = Allocate(arena_nbytes);
    FILE *const output = fopen(argv[2], "wb");
    if (arena == nullptr || output == nullptr) {
        fprintf(stderr, "no memory, or %s cannot be written\n", argv[2]);
        return 1;
    }
    int code;
    {
        tflite::MicroInterpreter interpreter(tflite::GetModel(model), resolver, arena.get(),
                                             arena_nbytes);
        code = Run(interpreter, ReadFile(argv[1]), output);
    }
    return fclose(output) == 0 ? code : 1;
}
