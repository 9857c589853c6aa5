#include "compressed.h"

#include <string.h>

#include "requantisation.h"
#include "wpconvert/codecs.h"
#include "wpconvert/flexbuffer.h"
#include "wpk/blob.h"

namespace wpconvert {

namespace {

constexpr int32_t kVersion = 1;
constexpr uint32_t kMaxDims = 4;

bool Equals(const char *text, uint32_t length, const char *expected) {
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

// Two integers ≥ 1, or the default.
bool ReadPair(const FlexMap &map, const char *key, int32_t *pair) {
    uint32_t count = 0;
    pair[0] = pair[1] = 1;
    const FlexMap::Result result = map.Ints(key, pair, 2, &count);
    return result == FlexMap::kAbsent ||
           (result == FlexMap::kFound && count == 2 && pair[0] >= 1 && pair[1] >= 1);
}

bool ReadPadding(const FlexMap &map, Padding *padding) {
    const char *text;
    uint32_t length;
    const FlexMap::Result result = map.String("padding", &text, &length);
    *padding = Padding::kValid;
    if (result == FlexMap::kFound && Equals(text, length, "SAME")) {
        *padding = Padding::kSame;
        return true;
    }
    return result == FlexMap::kAbsent ||
           (result == FlexMap::kFound && Equals(text, length, "VALID"));
}

// Options, and their agreement with blob and codec.
TfLiteStatus ReadOptions(PrepareContext &context, const wpk_blob &blob, const char *codec,
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
    if (map.String("codec", &name, &length) != FlexMap::kFound || !Equals(name, length, codec)) {
        return context.Fail("custom_options names another codec than the weight blob (%s)", codec);
    }
    int32_t filter[kMaxDims];
    uint32_t ndim = 0;
    bool agrees =
        map.Ints("filter", filter, kMaxDims, &ndim) == FlexMap::kFound && ndim == blob.ndim;
    for (uint32_t i = 0; agrees && i < ndim; ++i) {
        agrees = filter[i] >= 0 && static_cast<uint32_t>(filter[i]) == blob.dims[i];
    }
    if (!agrees) {
        return context.Fail("custom_options gives another weight shape than the weight blob");
    }
    options->depth_multiplier = 1;
    if (!ReadPadding(map, &options->padding) || !ReadPair(map, "stride", options->stride) ||
        !ReadPair(map, "dilation", options->dilation) ||
        map.Int("depth_multiplier", &options->depth_multiplier) == FlexMap::kMalformed ||
        options->depth_multiplier < 1) {
        return context.Fail(
            "padding, stride, dilation or depth_multiplier in custom_options is malformed");
    }
    return kTfLiteOk;
}

TfLiteStatus ReadBlob(PrepareContext &context, wpk_blob *blob, const wpk_codec **codec) {
    const Tensor tensor = context.input(1);
    if (wpk_blob_parse(tensor.as<uint8_t>(), tensor.nbytes, blob) != WPK_OK) {
        return context.Fail("input 1 is not a weight blob of version 1, or it is malformed");
    }
    *codec = FindCodec(blob->codec);
    if (*codec == nullptr) {
        static const char *const kNames[] = {"dense", "rle", "dcsr", nullptr, nullptr, "huffman"};
        if (blob->codec < sizeof kNames / sizeof kNames[0] && kNames[blob->codec] != nullptr) {
            return context.Fail(
                "its weights need a codec that was not added: AddCodec(&wpk_codec_%s)",
                kNames[blob->codec]);
        }
        return context.Fail("its weights need codec %d, which was not added", blob->codec);
    }
    if ((*codec)->check(blob) != WPK_OK) {
        return context.Fail("the weight blob is malformed (codec %s)", (*codec)->name);
    }
    return kTfLiteOk;
}

}  // namespace

TfLiteStatus ReadCompressed(PrepareContext &context, uint32_t ndim, uint32_t row_dims,
                            uint32_t channel_axis, CompressedOptions *options, wpk_weights *weights,
                            wpk_requant *requant) {
    if (context.inputs_size() != 3 || context.outputs_size() != 1) {
        return context.Fail("%d inputs and %d outputs, expected 3 and 1", context.inputs_size(),
                            context.outputs_size());
    }
    const Tensor x = context.input(0), y = context.output(0), table = context.input(2);
    if (CheckActivation(context, x) != kTfLiteOk || CheckActivation(context, y) != kTfLiteOk) {
        return kTfLiteError;
    }
    for (int i = 1; i <= 2; ++i) {
        const Tensor constant = context.input(i);
        if (!constant.present || !constant.is_constant || constant.type != TensorType::kUInt8) {
            return context.Fail("input %d must be a constant UINT8 tensor", i);
        }
    }
    if (reinterpret_cast<uintptr_t>(table.data) % alignof(int32_t) != 0) {
        return context.Fail("the requantisation table is not aligned to 4 bytes in the model");
    }
    if (wpk_table_parse(table.as<uint8_t>(), table.nbytes, requant) != WPK_OK) {
        return context.Fail(
            "input 2 is not a requantisation table of version 1, or it is malformed");
    }
    wpk_blob blob;
    const wpk_codec *codec = nullptr;
    if (ReadBlob(context, &blob, &codec) != kTfLiteOk ||
        ReadOptions(context, blob, codec->name, options) != kTfLiteOk) {
        return kTfLiteError;
    }
    if (blob.ndim != ndim || blob.row_dims != row_dims ||
        blob.dims[channel_axis] != requant->channels) {
        return context.Fail(
            "the shape of the weights does not fit the operator or the table's %d channels",
            requant->channels);
    }
    if (x.zero_point != requant->input_zero_point || y.zero_point != requant->output_zero_point) {
        return context.Fail("input or output has another zero point than the requantisation table");
    }
    *weights = wpk_weights_of_blob(&blob, codec);
    return kTfLiteOk;
}

}  // namespace wpconvert
