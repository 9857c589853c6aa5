// test_zoo MODEL…: real models in arenas of exactly the size they ask for. That their outputs are
// right is for the comparison with the reference interpreter to show; here, that they depend on the
// inputs alone.
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <vector>

#include "model_builder.h"
#include "wpconvert/all_operators.h"
#include "wpconvert/micro_interpreter.h"

namespace {

using wpconvert::MicroInterpreter;
using wpconvert_test::Exact;

std::vector<uint8_t> ReadFile(const char *path) {
    std::vector<uint8_t> data;
    FILE *file = fopen(path, "rb");
    assert(file != nullptr);
    uint8_t chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), file)) > 0;) {
        data.insert(data.end(), chunk, chunk + n);
    }
    fclose(file);
    return data;
}

// The outputs of two inferences, or nothing if the arena is too small. The arena holds `fill`
// everywhere at first.
std::vector<uint8_t> Run(uint8_t *model, size_t model_nbytes, size_t arena_nbytes, uint8_t fill,
                         size_t *used) {
    const std::vector<uint8_t> content(arena_nbytes, fill);
    Exact arena(content.data(), arena_nbytes);
    wpconvert::MicroMutableOpResolver<wpconvert::kAllOperators> resolver;
    assert(wpconvert::AddAllOperators(&resolver) == kTfLiteOk);
    MicroInterpreter interpreter(model, model_nbytes, resolver, arena.data(), arena_nbytes);
    const TfLiteStatus status = interpreter.AllocateTensors();
    *used = interpreter.arena_used_bytes();
    std::vector<uint8_t> outputs;
    if (status != kTfLiteOk) {
        if (strstr(interpreter.error(), "arena is too small") == nullptr) {
            fprintf(stderr, "%s\n", interpreter.error());
            assert(false);
        }
        return outputs;
    }
    uint32_t state = 1;
    for (int inference = 0; inference < 2; inference++) {
        for (size_t i = 0; i < interpreter.inputs_size(); i++) {
            wpconvert::Tensor *input = interpreter.input(i);
            for (uint32_t j = 0; j < input->nbytes; j++) {
                state = state * 1664525u + 1013904223u;
                // The exponent byte of a float in a range of moderate numbers.
                const bool top = input->type == wpconvert::TensorType::kFloat32 && j % 4 == 3;
                input->as<uint8_t>()[j] = static_cast<uint8_t>(top ? 0x3f : state >> 24);
            }
        }
        assert(interpreter.Invoke() == kTfLiteOk);
        for (size_t i = 0; i < interpreter.outputs_size(); i++) {
            const wpconvert::Tensor *output = interpreter.output(i);
            outputs.insert(outputs.end(), output->as<uint8_t>(),
                           output->as<uint8_t>() + output->nbytes);
        }
    }
    return outputs;
}

void Check(const char *path) {
    const std::vector<uint8_t> bytes = ReadFile(path);
    Exact model(bytes.data(), bytes.size());
    size_t used = 0, again = 0;
    const std::vector<uint8_t> expected = Run(model.data(), bytes.size(), 8u << 20, 0, &used);
    assert(!expected.empty());
    // The size it says is enough, 16 bytes less is not, and the error then says the same size.
    assert(Run(model.data(), bytes.size(), used, 0xa5, &again) == expected && again == used);
    assert(Run(model.data(), bytes.size(), used - 16, 0x5a, &again).empty() && again == used);
    printf("%s: arena %zu\n", path, used);
}

}  // namespace

int main(int argc, char **argv) {
    assert(wpconvert::AddAllCodecs());
    for (int i = 1; i < argc; i++) {
        Check(argv[i]);
    }
    return 0;
}
