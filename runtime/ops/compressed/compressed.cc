#include "compressed.h"

#include "../common/checks.h"
#include "../common/requantisation.h"
#include "wpconvert/codecs.h"
#include "wpk/blob.h"

namespace wpconvert {

namespace {

constexpr int kSideInput = 3;

// The shape that the options repeat, if they do, is the blob's.
bool FilterAgrees(const CompressedOptions &options, const wpk_blob &blob) {
    bool agrees = options.filter_ndim == 0 || options.filter_ndim == blob.ndim;
    for (uint32_t i = 0; agrees && i < options.filter_ndim; ++i) {
        agrees = options.filter[i] >= 0 && static_cast<uint32_t>(options.filter[i]) == blob.dims[i];
    }
    return agrees;
}

// The shape of a constant has as many elements as its blob.
bool ShapeAgrees(const CompressedOptions &options, uint64_t elements) {
    uint64_t product = options.filter_ndim > 0;  // below 2^31 · 2^31
    for (uint32_t i = 0; i < options.filter_ndim && product <= elements; ++i) {
        product *= options.filter[i] < 1 ? 0 : static_cast<uint64_t>(options.filter[i]);
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

// Attaches the side tensor, which weights of some codecs have, and no others: of codec pool. Its
// reader comes with the codec, so that only programs with that link it.
TfLiteStatus ReadSide(PrepareContext &context, const wpk_codec &codec, wpk_blob *blob) {
    const bool pooled = context.inputs_size() > kSideInput;
    if (pooled != (codec.parse_side != nullptr)) {
        return context.Fail(pooled ? "codec %s of the weights takes no input 3"
                                   : "codec %s of the weights needs input 3",
                            codec.name);
    }
    if (!pooled) {
        return kTfLiteOk;
    }
    if (CheckConstant(context, kSideInput) != kTfLiteOk) {
        return kTfLiteError;
    }
    void *const side = context.AllocatePersistent(codec.side_nbytes, alignof(void *));
    if (side == nullptr) {
        return kTfLiteError;
    }
    const Tensor tensor = context.input(kSideInput);
    if (codec.parse_side(tensor.as<uint8_t>(), tensor.nbytes, side) != WPK_OK) {
        return context.Fail("input 3 is malformed or of an unknown version");
    }
    blob->side = side;
    return kTfLiteOk;
}

// The name of a codec of the library; nullptr for another number.
const char *NameOf(uint8_t number) {
    switch (number) {
#define WPK_CODEC(code, name, groups) \
    case code:                        \
        return #name;
#include "wpk/codecs.def"
    }
    return nullptr;
}

TfLiteStatus ReadBlob(PrepareContext &context, wpk_blob *blob, const wpk_codec **codec) {
    const Tensor tensor = context.input(1);
    if (wpk_blob_parse(tensor.as<uint8_t>(), tensor.nbytes, blob) != WPK_OK) {
        return context.Fail("input 1 is not a valid weight blob of version 1");
    }
    *codec = FindCodec(blob->codec);
    if (*codec == nullptr) {
        if (const char *const name = NameOf(blob->codec)) {
            return context.Fail(
                "the codec of the weights is not registered: AddCodec(&wpk_codec_%s)", name);
        }
        return context.Fail("codec %d of the weights is not registered", blob->codec);
    }
    if (ReadSide(context, **codec, blob) != kTfLiteOk) {
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
    if ((inputs != kSideInput && inputs != kSideInput + 1) || context.outputs_size() != 1) {
        return context.Fail("%d inputs and %d outputs, expected 3 or 4 and 1", inputs,
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
        return context.Fail("input 2 is not a valid requantisation table of version 2");
    }
    wpk_blob blob;
    const wpk_codec *codec = nullptr;
    if (ReadBlob(context, &blob, &codec) != kTfLiteOk ||
        ReadOptions(context, *codec, options) != kTfLiteOk) {
        return kTfLiteError;
    }
    if (!FilterAgrees(*options, blob)) {
        return context.Fail("custom_options and weight blob differ in weight shape");
    }
    if (blob.ndim != ndim || blob.row_dims != row_dims ||
        blob.dims[channel_axis] != table->channels) {
        return context.Fail(
            "the weight shape does not match the operator or the table's %d channels",
            table->channels);
    }
    if (x.zero_point != table->input_zero_point || y.zero_point != table->output_zero_point) {
        return context.Fail("zero points differ from the requantisation table's");
    }
    *weights = wpk_weights_of_blob(&blob, codec);
    weights->act_bits = static_cast<uint8_t>(options->act_bits);
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
    CompressedOptions options;
    if (CheckConstant(context, 1) != kTfLiteOk || ReadBlob(context, &blob, &codec) != kTfLiteOk ||
        ReadOptions(context, *codec, &options) != kTfLiteOk) {
        return kTfLiteError;
    }
    constant.type = TensorType::kInt8;  // what the blob decodes to
    if (CheckActivation(context, x) != kTfLiteOk ||
        CheckActivation(context, constant) != kTfLiteOk ||
        CheckActivation(context, y) != kTfLiteOk || !CheckShape(context, y, x.dims, x.rank)) {
        return kTfLiteError;
    }
    const uint32_t elements = blob.rows * blob.cols;
    if (!ShapeAgrees(options, elements)) {
        return context.Fail("custom_options and weight blob differ in size");
    }
    *activation = options.activation;
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
