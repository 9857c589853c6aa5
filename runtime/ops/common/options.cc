#include "options.h"

#include <string.h>

#include "wpconvert/flexbuffer.h"
#include "wpk/blob.h"

namespace wpconvert {

namespace {

constexpr int32_t kVersion = 1;
constexpr int32_t kActBits = 8;

bool Equals(const char *text, uint32_t length, const char *expected) {
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

// Two integers ≥ 1, or the default.
bool ReadPair(const FlexMap &map, const char *key, int32_t *pair) {
    uint32_t count = 2;
    pair[0] = pair[1] = 1;
    return map.Ints(key, pair, 2, &count) != FlexMap::kMalformed && count == 2 && pair[0] >= 1 &&
           pair[1] >= 1;
}

// The position of a string among `names`; the value stays where the map has no such key.
bool ReadName(const FlexMap &map, const char *key, const char *const *names, int32_t count,
              int32_t *value) {
    const char *text;
    uint32_t length;
    const FlexMap::Result result = map.String(key, &text, &length);
    if (result != FlexMap::kFound) {
        return result == FlexMap::kAbsent;
    }
    for (*value = 0; *value < count; ++*value) {
        if (Equals(text, length, names[*value])) {
            return true;
        }
    }
    return false;
}

bool ReadFilter(const FlexMap &map, CompressedOptions *options) {
    options->filter_ndim = 0;
    const FlexMap::Result result =
        map.Ints("filter", options->filter, kMaxFilterDims, &options->filter_ndim);
    return result == FlexMap::kAbsent || (result == FlexMap::kFound && options->filter_ndim > 0);
}

bool ReadShapes(const FlexMap &map, CompressedOptions *options) {
    static const char *const kActivations[] = {"NONE", "RELU", "RELU_N1_TO_1", "RELU6"};
    static const char *const kPaddings[] = {"SAME", "VALID"};
    int32_t keep_num_dims;
    options->activation = 0;
    options->padding = static_cast<int32_t>(Padding::kValid);
    options->depth_multiplier = 1;
    return ReadName(map, "activation", kActivations, 4, &options->activation) &&
           ReadName(map, "padding", kPaddings, 2, &options->padding) &&
           ReadPair(map, "stride", options->stride) &&
           ReadPair(map, "dilation", options->dilation) &&
           map.Int("depth_multiplier", &options->depth_multiplier) != FlexMap::kMalformed &&
           options->depth_multiplier >= 1 &&
           map.Int("keep_num_dims", &keep_num_dims) != FlexMap::kMalformed &&
           ReadFilter(map, options);
}

}  // namespace

TfLiteStatus ReadOptions(PrepareContext &context, const wpk_codec &codec,
                         CompressedOptions *options) {
    const FlatVector bytes = context.CustomOptions();
    FlexMap map;
    if (bytes.size == 0 || !map.Open(bytes.data, bytes.size)) {
        return context.Fail("custom_options is not a FlexBuffer map");
    }
    int32_t version = 0;
    if (map.Int("version", &version) != FlexMap::kFound || version != kVersion) {
        return context.Fail("custom_options has version %d, this runtime reads %d", version,
                            kVersion);
    }
    const char *name;
    uint32_t length;
    const FlexMap::Result result = map.String("codec", &name, &length);
    if (result != FlexMap::kAbsent &&
        (result != FlexMap::kFound || !Equals(name, length, codec.name))) {
        return context.Fail("custom_options and weight blob (%s) differ in codec", codec.name);
    }
    options->act_bits = kActBits;
    const FlexMap::Result bits = map.Int("act_bits", &options->act_bits);
    if (bits == FlexMap::kMalformed || options->act_bits < 1 || options->act_bits > kActBits) {
        return context.Fail("act_bits in custom_options must be 1 to %d", kActBits);
    }
    if (options->act_bits != kActBits && codec.parse_side == nullptr) {
        return context.Fail("act_bits in custom_options is not valid for codec %s", codec.name);
    }
    if (!ReadShapes(map, options)) {
        return context.Fail(
            "filter, activation, padding, stride, dilation, depth_multiplier or keep_num_dims in "
            "custom_options is malformed");
    }
    return kTfLiteOk;
}

}  // namespace wpconvert
