#include "compressed.h"

#include <string.h>

#include "checks.h"
#include "requantisation.h"
#include "wpconvert/codecs.h"
#include "wpconvert/flexbuffer.h"
#include "wpk/blob.h"

namespace wpconvert {

namespace {

constexpr int32_t kVersion = 1;
constexpr uint32_t kMaxDims = 4;
constexpr int32_t kActBits = 8;
constexpr int kPoolInput = 3;

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

// Options of a known version that name the blob's codec or none; the bits of an activation.
TfLiteStatus OpenOptions(PrepareContext &context, const wpk_codec &codec, FlexMap *map,
                         int32_t *act_bits) {
    const FlatVector bytes = context.CustomOptions();
    if (bytes.size == 0 || !map->Open(bytes.data, bytes.size)) {
        return context.Fail("custom_options is not a FlexBuffer map");
    }
    int32_t version = 0;
    if (map->Int("version", &version) != FlexMap::kFound || version != kVersion) {
        return context.Fail("custom_options has version %d, this runtime reads %d", version,
                            kVersion);
    }
    const char *name;
    uint32_t length;
    const FlexMap::Result result = map->String("codec", &name, &length);
    if (result != FlexMap::kAbsent &&
        (result != FlexMap::kFound || !Equals(name, length, codec.name))) {
        return context.Fail("custom_options names another codec than the weight blob (%s)",
                            codec.name);
    }
    *act_bits = kActBits;
    const FlexMap::Result bits = map->Int("act_bits", act_bits);
    if (bits == FlexMap::kMalformed || *act_bits < 1 || *act_bits > kActBits) {
        return context.Fail("act_bits in custom_options must be 1 to %d", kActBits);
    }
    if (*act_bits != kActBits && codec.number != WPK_POOL_CODEC) {
        return context.Fail("act_bits in custom_options is for codec pool, the weight blob is %s",
                            codec.name);
    }
    return kTfLiteOk;
}

// Options, and their agreement with blob and codec.
TfLiteStatus ReadOptions(PrepareContext &context, const wpk_blob &blob, const wpk_codec &codec,
                         CompressedOptions *options, int32_t *act_bits) {
    FlexMap map;
    if (OpenOptions(context, codec, &map, act_bits) != kTfLiteOk) {
        return kTfLiteError;
    }
    int32_t filter[kMaxDims];
    uint32_t ndim = 0;
    const FlexMap::Result result = map.Ints("filter", filter, kMaxDims, &ndim);
    bool agrees = result == FlexMap::kAbsent || (result == FlexMap::kFound && ndim == blob.ndim);
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

// A fused activation by its name in the schema, to its number there.
bool ReadActivation(const FlexMap &map, int32_t *activation) {
    static const char *const kNames[] = {"NONE", "RELU", "RELU_N1_TO_1", "RELU6"};
    const char *text;
    uint32_t length;
    const FlexMap::Result result = map.String("activation", &text, &length);
    *activation = 0;
    if (result != FlexMap::kFound) {
        return result == FlexMap::kAbsent;
    }
    for (const char *name : kNames) {
        if (Equals(text, length, name)) {
            return true;
        }
        ++*activation;
    }
    return false;
}

// The shape of a constant has as many elements as its blob.
bool ShapeAgrees(const FlexMap &map, uint64_t elements) {
    int32_t shape[kMaxDims];
    uint32_t ndim = 0;
    if (map.Ints("filter", shape, kMaxDims, &ndim) != FlexMap::kFound || ndim < 1) {
        return false;
    }
    uint64_t product = 1;  // below 2^31 · 2^31
    for (uint32_t i = 0; i < ndim && product <= elements; ++i) {
        product *= shape[i] < 1 ? 0 : static_cast<uint64_t>(shape[i]);
    }
    return product == elements;
}

TfLiteStatus CheckConstant(PrepareContext &context, int input) {
    const Tensor constant = context.input(input);
    if (!constant.present || !constant.is_constant || constant.type != TensorType::kUInt8) {
        return context.Fail("input %d must be a constant UINT8 tensor", input);
    }
    return kTfLiteOk;
}

// Attaches the pool tensor, which weights of codec pool have, and no others.
TfLiteStatus ReadPool(PrepareContext &context, wpk_blob *blob) {
    const bool pooled = context.inputs_size() > kPoolInput;
    if (pooled != (blob->codec == WPK_POOL_CODEC)) {
        return context.Fail(pooled ? "there is a pool tensor, but the weights are of codec %d"
                                   : "weights of codec %d need a pool tensor as input 3",
                            blob->codec);
    }
    if (!pooled) {
        return kTfLiteOk;
    }
    if (CheckConstant(context, kPoolInput) != kTfLiteOk) {
        return kTfLiteError;
    }
    auto *const pool =
        static_cast<wpk_pool *>(context.AllocatePersistent(sizeof(wpk_pool), alignof(wpk_pool)));
    if (pool == nullptr) {
        return kTfLiteError;
    }
    const Tensor tensor = context.input(kPoolInput);
    if (wpk_pool_parse(tensor.as<uint8_t>(), tensor.nbytes, pool) != WPK_OK) {
        return context.Fail("input 3 is not a pool tensor of version 1, or it is malformed");
    }
    blob->pool = pool;
    return kTfLiteOk;
}

TfLiteStatus ReadBlob(PrepareContext &context, wpk_blob *blob, const wpk_codec **codec) {
    const Tensor tensor = context.input(1);
    if (wpk_blob_parse(tensor.as<uint8_t>(), tensor.nbytes, blob) != WPK_OK) {
        return context.Fail("input 1 is not a weight blob of version 1, or it is malformed");
    }
    *codec = FindCodec(blob->codec);
    if (*codec == nullptr) {
        static const char *const kNames[] = {"dense",  "rle",     "dcsr", "bitmap",
                                             "packed", "huffman", "pool"};
        if (blob->codec < sizeof kNames / sizeof kNames[0]) {
            return context.Fail(
                "its weights need a codec that was not added: AddCodec(&wpk_codec_%s)",
                kNames[blob->codec]);
        }
        return context.Fail("its weights need codec %d, which was not added", blob->codec);
    }
    if (ReadPool(context, blob) != kTfLiteOk) {
        return kTfLiteError;
    }
    if ((*codec)->check(blob) != WPK_OK) {
        return context.Fail("the weight blob is malformed (codec %s)", (*codec)->name);
    }
    return kTfLiteOk;
}

}  // namespace

TfLiteStatus ReadCompressed(PrepareContext &context, uint32_t ndim, uint32_t row_dims,
                            uint32_t channel_axis, CompressedOptions *options, wpk_weights *weights,
                            wpk_table *table) {
    const int inputs = context.inputs_size();
    if ((inputs != kPoolInput && inputs != kPoolInput + 1) || context.outputs_size() != 1) {
        return context.Fail("%d inputs and %d outputs, expected 3 or, with a pool, 4 and 1", inputs,
                            context.outputs_size());
    }
    const Tensor x = context.input(0), y = context.output(0), bytes = context.input(2);
    if (CheckActivation(context, x) != kTfLiteOk || CheckActivation(context, y) != kTfLiteOk) {
        return kTfLiteError;
    }
    if (CheckConstant(context, 1) != kTfLiteOk || CheckConstant(context, 2) != kTfLiteOk) {
        return kTfLiteError;
    }
    if (wpk_table_parse(bytes.as<uint8_t>(), bytes.nbytes, table) != WPK_OK) {
        return context.Fail(
            "input 2 is not a requantisation table of version 2, or it is malformed");
    }
    wpk_blob blob;
    const wpk_codec *codec = nullptr;
    int32_t act_bits;
    if (ReadBlob(context, &blob, &codec) != kTfLiteOk ||
        ReadOptions(context, blob, *codec, options, &act_bits) != kTfLiteOk) {
        return kTfLiteError;
    }
    if (blob.ndim != ndim || blob.row_dims != row_dims ||
        blob.dims[channel_axis] != table->channels) {
        return context.Fail(
            "the shape of the weights does not fit the operator or the table's %d channels",
            table->channels);
    }
    if (x.zero_point != table->input_zero_point || y.zero_point != table->output_zero_point) {
        return context.Fail("input or output has another zero point than the requantisation table");
    }
    *weights = wpk_weights_of_blob(&blob, codec);
    weights->act_bits = static_cast<uint8_t>(act_bits);
    return kTfLiteOk;
}

TfLiteStatus ReadConstant(PrepareContext &context, Operands *operands, int32_t *activation,
                          wpk_weights *weights, uint32_t *repeats) {
    if (!CheckArity(context, 2, 2, 1)) {
        return kTfLiteError;
    }
    *operands = {context.input(0), context.input(1), context.output(0)};
    Tensor &x = operands->x1, &constant = operands->x2, &y = operands->y;
    wpk_blob blob;
    const wpk_codec *codec = nullptr;
    FlexMap map;
    int32_t act_bits;
    if (CheckConstant(context, 1) != kTfLiteOk || ReadBlob(context, &blob, &codec) != kTfLiteOk ||
        OpenOptions(context, *codec, &map, &act_bits) != kTfLiteOk) {
        return kTfLiteError;
    }
    constant.type = TensorType::kInt8;  // what the blob decodes to
    if (CheckActivation(context, x) != kTfLiteOk ||
        CheckActivation(context, constant) != kTfLiteOk ||
        CheckActivation(context, y) != kTfLiteOk || !CheckShape(context, y, x.dims, x.rank)) {
        return kTfLiteError;
    }
    const uint32_t elements = blob.rows * blob.cols;
    if (!ReadActivation(map, activation) || !ShapeAgrees(map, elements)) {
        return context.Fail("activation or filter in custom_options is malformed");
    }
    if (y.elements() % elements != 0) {
        return context.Fail("a constant of %d elements does not fit an output of %d", elements,
                            y.elements());
    }
    *repeats = y.elements() / elements;
    *weights = wpk_weights_of_blob(&blob, codec);
    return kTfLiteOk;
}

int RequestScratch(PrepareContext &context, const wpk_table &table, uint32_t kernel_nbytes) {
    const uint32_t table_nbytes = wpk_table_scratch_nbytes(&table);
    // A kernel's size that does not fit 32 bits stays one that no arena holds.
    return context.RequestScratch(
        kernel_nbytes > UINT32_MAX - table_nbytes ? UINT32_MAX : table_nbytes + kernel_nbytes);
}

}  // namespace wpconvert
