#include "layer_plan.h"

#include "cores.h"
#include "session.h"
#include "wpconvert/codecs.h"

namespace wpconvert::native {

namespace {

// The planning asks a codec about a blob; these answer from lengths of sections that no blob has.
enum { kElements = 2, kTables = 3 };

uint32_t elements_of(const wpk_blob *blob) {
    return blob->section_nbytes[kElements];
}

uint32_t tables_of(const wpk_blob *blob) {
    return blob->section_nbytes[kTables];
}

wpk_codec codec_named(const std::string &name) {
    codec_names();
    for (unsigned number = 0; number <= UINT8_MAX; ++number) {
        const wpk_codec *codec = FindCodec(static_cast<uint8_t>(number));
        if (codec != nullptr && codec->layers == nullptr && name == codec->name) {
            return *codec;
        }
    }
    throw Error("no planning for the codec " + name);
}

}  // namespace

wpn_layer_plan layer_plan(const std::string &core, bool depthwise, const wpk_conv_shape &shape,
                          uint32_t spare, const Stored &stored) {
    const wpk_core planned = core_of(core);
    static const int8_t dense = 0;
    const auto taps = static_cast<uint32_t>(shape.kernel_h * shape.kernel_w);
    wpk_weights weights = {};
    weights.rows = depthwise ? taps : static_cast<uint32_t>(shape.out_c);
    weights.cols = depthwise ? static_cast<uint32_t>(shape.out_c)
                             : taps * static_cast<uint32_t>(shape.kernel_c);
    weights.act_bits = 8;
    weights.dense = stored.codec.empty() ? &dense : nullptr;
    wpk_codec codec = {};
    if (!stored.codec.empty()) {
        codec = codec_named(stored.codec);
        codec.stored = codec.stored == nullptr ? nullptr : elements_of;
        codec.tables_nbytes = codec.tables_nbytes == nullptr ? nullptr : tables_of;
        weights.codec = &codec;
        weights.blob.rows = weights.rows;
        weights.blob.cols = weights.cols;
        weights.blob.section_nbytes[kElements] = stored.elements;
        weights.blob.section_nbytes[kTables] = stored.table_nbytes;
    }
    return depthwise ? wpn_describe_depthwise(planned, &shape, &weights)
                     : wpn_describe_conv(planned, &shape, &weights, spare);
}

}  // namespace wpconvert::native
