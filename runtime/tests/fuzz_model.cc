// Mutates a model again and again and runs what comes out: fuzz_model MODEL CASES SEED
//
// To be built with sanitizers: model and arena lie in allocations of exactly their size. Each case
// ends in an error text or in an inference; what is printed at the end says how many did which.
// FUZZ_DUMP=FILE keeps the case that is running.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <random>
#include <vector>

#include "model_builder.h"
#include "wpconvert/all_operators.h"
#include "wpconvert/micro_interpreter.h"

namespace {

using wpconvert::MicroInterpreter;
using wpconvert_test::Exact;
using Random = std::mt19937;

std::vector<uint8_t> ReadFile(const char *path) {
    std::vector<uint8_t> data;
    FILE *file = fopen(path, "rb");
    if (file == nullptr) {
        perror(path);
        exit(1);
    }
    uint8_t chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), file)) > 0;) {
        data.insert(data.end(), chunk, chunk + n);
    }
    fclose(file);
    return data;
}

// Weights fill most of a file but its structure is where most checks are: where few bytes in a row
// are zero there are weights, so most mutations go elsewhere.
size_t Position(const std::vector<uint8_t> &data, Random &random) {
    size_t at = random() % data.size();
    for (int tries = 0; tries < 20; tries++) {
        int zeros = 0;
        for (size_t i = at; i < at + 8 && i < data.size(); i++) {
            zeros += data[i] == 0;
        }
        if (zeros >= 3) {
            break;
        }
        at = random() % data.size();
    }
    return at;
}

std::vector<uint8_t> Mutate(const std::vector<uint8_t> &model, Random &random) {
    static const uint32_t kNumbers[] = {0,   1,     2,     3,          4,          255,
                                        256, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff};
    std::vector<uint8_t> data = model;
    for (uint32_t n = 1 + random() % 4; n > 0; n--) {
        const size_t at = Position(data, random);
        switch (random() % 6) {
            case 0:
                data[at] ^= static_cast<uint8_t>(1u << random() % 8);
                break;
            case 1:
                data[at] = static_cast<uint8_t>(random());
                break;
            case 2:
            case 3:
                if (at + 4 <= data.size()) {
                    const uint32_t number = kNumbers[random() % (sizeof(kNumbers) / 4)];
                    memcpy(&data[at & ~size_t{3}], &number, sizeof(number));
                }
                break;
            case 4:
                data[at] = static_cast<uint8_t>(data[at] + (random() % 2 ? 1 : 255));
                break;
            default:
                if (random() % 8 == 0) {
                    data.resize(1 + random() % data.size());
                }
        }
    }
    return data;
}

bool RunOnce(const std::vector<uint8_t> &data, Random &random, size_t *needed) {
    Exact model(data.data(), data.size());
    const std::vector<uint8_t> fill(random() % 8 == 0 ? random() % 40000 : 400000, 0xa5);
    Exact arena(fill.data(), fill.size());
    wpconvert::MicroMutableOpResolver<wpconvert::kAllOperators> resolver;
    if (wpconvert::AddAllOperators(&resolver) != kTfLiteOk) {
        abort();
    }
    MicroInterpreter interpreter(model.data(), data.size(), resolver, arena.data(), fill.size());
    if (interpreter.AllocateTensors() != kTfLiteOk) {
        if (interpreter.error()[0] == 0) {
            abort();
        }
        *needed = interpreter.arena_is_estimate() ? 0 : interpreter.arena_used_bytes();
        return false;
    }
    for (size_t i = 0; i < interpreter.inputs_size(); i++) {
        uint8_t *input = interpreter.input(i)->as<uint8_t>();
        for (uint32_t j = 0; j < interpreter.input(i)->nbytes; j++) {
            input[j] = static_cast<uint8_t>(random());
        }
    }
    if (interpreter.Invoke() != kTfLiteOk) {
        return false;
    }
    uint32_t sum = 0;
    for (size_t i = 0; i < interpreter.outputs_size(); i++) {
        for (uint32_t j = 0; j < interpreter.output(i)->nbytes; j++) {
            sum += interpreter.output(i)->as<uint8_t>()[j];
        }
    }
    volatile uint32_t used = sum;
    (void)used;
    return true;
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: fuzz_model MODEL CASES SEED\n");
        return 1;
    }
    const std::vector<uint8_t> model = ReadFile(argv[1]);
    const unsigned cases = static_cast<unsigned>(strtoul(argv[2], nullptr, 10));
    Random random(static_cast<uint32_t>(strtoul(argv[3], nullptr, 10)));
    const char *dump = getenv("FUZZ_DUMP");
    if (!wpconvert::AddAllCodecs()) {
        abort();
    }
    unsigned ran = 0;
    for (unsigned i = 0; i < cases; i++) {
        const std::vector<uint8_t> data = Mutate(model, random);
        if (dump != nullptr) {
            FILE *file = fopen(dump, "wb");
            if (file != nullptr) {
                fwrite(data.data(), 1, data.size(), file);
                fclose(file);
            }
        }
        size_t needed = 0;
        ran += RunOnce(data, random, &needed);
    }
    printf("%u cases: %u ran, %u refused\n", cases, ran, cases - ran);
    return 0;
}
