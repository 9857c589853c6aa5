#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "model_builder.h"
#include "wpconvert/flexbuffer.h"

using wpconvert::FlexMap;
using wpconvert_test::Exact;

namespace {

// {"version": 1, "codec": "dcsr", "filter": [8, 3, 3, 300], "stride": [2, 1], "keep_num_dims":
// true, "big": -70000} as the flatbuffers package for Python writes it.
const uint8_t kUntyped[] = {
    0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x00, 0x63, 0x6f, 0x64, 0x65, 0x63, 0x00, 0x04, 0x64,
    0x63, 0x73, 0x72, 0x00, 0x66, 0x69, 0x6c, 0x74, 0x65, 0x72, 0x00, 0x00, 0x04, 0x00, 0x08, 0x00,
    0x03, 0x00, 0x03, 0x00, 0x2c, 0x01, 0x05, 0x05, 0x05, 0x05, 0x73, 0x74, 0x72, 0x69, 0x64, 0x65,
    0x00, 0x02, 0x02, 0x01, 0x04, 0x04, 0x6b, 0x65, 0x65, 0x70, 0x5f, 0x6e, 0x75, 0x6d, 0x5f, 0x64,
    0x69, 0x6d, 0x73, 0x00, 0x62, 0x69, 0x67, 0x00, 0x06, 0x05, 0x42, 0x37, 0x16, 0x23, 0x4e, 0x00,
    0x07, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x90, 0xee, 0xfe, 0xff,
    0x51, 0x00, 0x00, 0x00, 0x46, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x3a, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x06, 0x14, 0x29, 0x6a, 0x28, 0x06, 0x1e, 0x26, 0x01};

// {"typed": 1, "filter": [8, 3, 3, 300], "stride": [2, 1], "huge": 2^40}, the vectors typed.
const uint8_t kTyped[] = {
    0x74, 0x79, 0x70, 0x65, 0x64, 0x00, 0x66, 0x69, 0x6c, 0x74, 0x65, 0x72, 0x00, 0x00, 0x04, 0x00,
    0x08, 0x00, 0x03, 0x00, 0x03, 0x00, 0x2c, 0x01, 0x73, 0x74, 0x72, 0x69, 0x64, 0x65, 0x00, 0x02,
    0x02, 0x01, 0x68, 0x75, 0x67, 0x65, 0x00, 0x04, 0x22, 0x07, 0x12, 0x2b, 0x00, 0x00, 0x00, 0x00,
    0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x38, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x38, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2d, 0x07, 0x2c, 0x07, 0x24, 0x27, 0x01};

bool ReadAll(const uint8_t *data, uint32_t nbytes) {
    FlexMap map;
    if (!map.Open(data, nbytes)) {
        return false;
    }
    bool good = true;
    int32_t values[4];
    uint32_t count;
    const char *text;
    for (const char *key : {"version", "keep_num_dims", "big", "huge", "missing", "codec", ""}) {
        good = map.Int(key, values) != FlexMap::kMalformed && good;
    }
    for (const char *key : {"filter", "stride", "codec"}) {
        good = map.Ints(key, values, 4, &count) != FlexMap::kMalformed && good;
    }
    if (map.String("codec", &text, &count) == FlexMap::kFound) {
        good = strlen(text) <= count && good;
    }
    return good;
}

void ReadsValues() {
    FlexMap map;
    assert(map.Open(kUntyped, sizeof(kUntyped)));
    int32_t value = 0;
    assert(map.Int("version", &value) == FlexMap::kFound && value == 1);
    assert(map.Int("keep_num_dims", &value) == FlexMap::kFound && value == 1);
    assert(map.Int("big", &value) == FlexMap::kFound && value == -70000);
    assert(map.Int("depth_multiplier", &value) == FlexMap::kAbsent);
    assert(map.Int("vers", &value) == FlexMap::kAbsent);
    assert(map.Int("codec", &value) == FlexMap::kMalformed);
    const char *text = nullptr;
    uint32_t length = 0;
    assert(map.String("codec", &text, &length) == FlexMap::kFound);
    assert(length == 4 && strcmp(text, "dcsr") == 0);
    assert(map.String("version", &text, &length) == FlexMap::kMalformed);
    int32_t values[4] = {};
    uint32_t count = 0;
    assert(map.Ints("filter", values, 4, &count) == FlexMap::kFound && count == 4);
    assert(values[0] == 8 && values[1] == 3 && values[2] == 3 && values[3] == 300);
    assert(map.Ints("filter", values, 3, &count) == FlexMap::kMalformed);
    assert(map.Ints("version", values, 4, &count) == FlexMap::kMalformed);

    assert(map.Open(kTyped, sizeof(kTyped)));
    assert(map.Ints("filter", values, 4, &count) == FlexMap::kFound && count == 4);
    assert(values[0] == 8 && values[3] == 300);
    assert(map.Ints("stride", values, 4, &count) == FlexMap::kFound && count == 2);
    assert(values[0] == 2 && values[1] == 1);
    // 2^40 does not fit.
    assert(map.Int("huge", &value) == FlexMap::kMalformed);
}

void NeverReadsOutside(const uint8_t *data, uint32_t nbytes) {
    uint32_t opened = 0;
    for (uint32_t n = 0; n < nbytes; n++) {
        Exact copy(data, n);
        opened += ReadAll(copy.data(), n);
    }
    for (uint32_t i = 0; i < nbytes; i++) {
        for (uint32_t value = 0; value < 256; value++) {
            Exact copy(data, nbytes);
            copy.data()[i] = static_cast<uint8_t>(value);
            opened += ReadAll(copy.data(), nbytes);
        }
    }
    assert(opened > 0);
}

}  // namespace

int main() {
    ReadsValues();
    NeverReadsOutside(kUntyped, sizeof(kUntyped));
    NeverReadsOutside(kTyped, sizeof(kTyped));
    return 0;
}
