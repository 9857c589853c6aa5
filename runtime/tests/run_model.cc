// Runs a model on the host: run_model MODEL INPUT OUTPUT [--layers FILE] [--arena NBYTES]
//
// INPUT holds the bytes of all inputs of the model, one after the other, for one or more
// inferences; OUTPUT gets the bytes of all outputs, likewise. With --layers, FILE gets the outputs
// of each operator of the first inference, in the order of operators, and a line for each goes to
// stdout. Without --arena, one that is large enough is used.
//
// Exit codes: 0 done, 1 usage or file error, 2 the model cannot be run (the reason is on stderr).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "wpconvert/all_operators.h"
#include "wpconvert/micro_interpreter.h"

namespace {

using wpconvert::MicroInterpreter;
using wpconvert::Tensor;

constexpr size_t kArenaNbytes = size_t{64} << 20;

struct Free {
    void operator()(uint8_t *memory) const {
        operator delete(memory, std::align_val_t(16));
    }
};
using Memory = std::unique_ptr<uint8_t, Free>;

Memory Allocate(size_t nbytes) {
    return Memory(
        static_cast<uint8_t *>(operator new(nbytes > 0 ? nbytes : 1, std::align_val_t(16))));
}

bool ReadFile(const char *path, Memory *data, size_t *nbytes) {
    FILE *file = fopen(path, "rb");
    if (file == nullptr || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        return false;
    }
    const long size = ftell(file);
    rewind(file);
    *nbytes = static_cast<size_t>(size);
    *data = Allocate(*nbytes);
    const bool good = size >= 0 && fread(data->get(), 1, *nbytes, file) == *nbytes;
    fclose(file);
    return good;
}

struct Layers {
    MicroInterpreter *interpreter;
    FILE *file;
};

void WriteLayer(void *user, int index, const char *name, bool after) {
    const Layers *layers = static_cast<const Layers *>(user);
    if (!after || layers->file == nullptr) {
        return;
    }
    for (int i = 0;; i++) {
        const Tensor tensor = layers->interpreter->operator_output(index, i);
        if (!tensor.present) {
            return;
        }
        printf("operator %d %s output %d tensor %d nbytes %u\n", index, name, i,
               static_cast<int>(tensor.index), static_cast<unsigned>(tensor.nbytes));
        fwrite(tensor.data, 1, tensor.nbytes, layers->file);
    }
}

int Usage() {
    fprintf(stderr, "usage: run_model MODEL INPUT OUTPUT [--layers FILE] [--arena NBYTES]\n");
    return 1;
}

}  // namespace

int main(int argc, char **argv) {
    const char *layers_path = nullptr;
    size_t arena_nbytes = kArenaNbytes;
    if (argc < 4 || argc % 2 != 0) {
        return Usage();
    }
    for (int i = 4; i < argc; i += 2) {
        if (strcmp(argv[i], "--layers") == 0) {
            layers_path = argv[i + 1];
        } else if (strcmp(argv[i], "--arena") == 0) {
            arena_nbytes = strtoul(argv[i + 1], nullptr, 10);
        } else {
            return Usage();
        }
    }
    Memory model, input;
    size_t model_nbytes, input_nbytes;
    if (!ReadFile(argv[1], &model, &model_nbytes) || !ReadFile(argv[2], &input, &input_nbytes)) {
        return 1;
    }

    wpconvert::MicroMutableOpResolver<wpconvert::kAllOperators> resolver;
    if (wpconvert::AddAllOperators(&resolver) != kTfLiteOk || !wpconvert::AddAllCodecs()) {
        fprintf(stderr, "operators or codecs cannot be registered\n");
        return 1;
    }
    const Memory arena = Allocate(arena_nbytes);
    MicroInterpreter interpreter(model.get(), model_nbytes, resolver, arena.get(), arena_nbytes);
    if (interpreter.AllocateTensors() != kTfLiteOk) {
        fprintf(stderr, "%s\n", interpreter.error());
        return 2;
    }
    printf("arena_used_bytes %zu\n", interpreter.arena_used_bytes());

    size_t once = 0;
    for (size_t i = 0; i < interpreter.inputs_size(); i++) {
        once += interpreter.input(i)->nbytes;
    }
    if (once == 0 || input_nbytes % once != 0 || input_nbytes == 0) {
        fprintf(stderr, "%s has %zu bytes, the model takes %zu per inference\n", argv[2],
                input_nbytes, once);
        return 1;
    }
    FILE *output = fopen(argv[3], "wb");
    Layers layers = {&interpreter, layers_path == nullptr ? nullptr : fopen(layers_path, "wb")};
    if (output == nullptr || (layers_path != nullptr && layers.file == nullptr)) {
        perror("cannot write");
        return 1;
    }
    interpreter.SetObserver(WriteLayer, &layers);
    const uint8_t *next = input.get();
    for (size_t done = 0; done < input_nbytes; done += once) {
        for (size_t i = 0; i < interpreter.inputs_size(); i++) {
            memcpy(interpreter.input(i)->data, next, interpreter.input(i)->nbytes);
            next += interpreter.input(i)->nbytes;
        }
        if (interpreter.Invoke() != kTfLiteOk) {
            fprintf(stderr, "%s\n", interpreter.error());
            return 2;
        }
        interpreter.SetObserver(nullptr, nullptr);
        for (size_t i = 0; i < interpreter.outputs_size(); i++) {
            fwrite(interpreter.output(i)->data, 1, interpreter.output(i)->nbytes, output);
        }
    }
    if (layers.file != nullptr) {
        fclose(layers.file);
    }
    return fclose(output) == 0 ? 0 : 1;
}
