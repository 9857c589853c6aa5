// Every operator and codec at once: for programs that do not know their model when they are
// compiled.
#ifndef WPCONVERT_ALL_OPERATORS_H_
#define WPCONVERT_ALL_OPERATORS_H_

#include "wpconvert/codecs.h"
#include "wpconvert/micro_mutable_op_resolver.h"

namespace wpconvert {

#define WPCONVERT_COUNT(name, number, method) +1
#define WPCONVERT_COUNT_CUSTOM(name) +1
constexpr unsigned kAllOperators = 0 WPCONVERT_BUILTIN_OPERATORS(WPCONVERT_COUNT)
    WPCONVERT_CUSTOM_OPERATORS(WPCONVERT_COUNT_CUSTOM);
#undef WPCONVERT_COUNT
#undef WPCONVERT_COUNT_CUSTOM

// Fills an empty resolver.
inline TfLiteStatus AddAllOperators(MicroMutableOpResolver<kAllOperators> *resolver) {
    int failed = 0;
#define WPCONVERT_ADD(name, number, method) failed |= resolver->method();
    WPCONVERT_BUILTIN_OPERATORS(WPCONVERT_ADD)
#undef WPCONVERT_ADD
#define WPCONVERT_ADD(name) failed |= resolver->AddCustom(#name, Register_##name());
    WPCONVERT_CUSTOM_OPERATORS(WPCONVERT_ADD)
#undef WPCONVERT_ADD
    return failed ? kTfLiteError : kTfLiteOk;
}

inline bool AddAllCodecs() {
    return AddCodec(&wpk_codec_dense) && AddCodec(&wpk_codec_rle) && AddCodec(&wpk_codec_dcsr) &&
           AddCodec(&wpk_codec_bitmap) && AddCodec(&wpk_codec_packed) &&
           AddCodec(&wpk_codec_huffman) && AddCodec(&wpk_codec_pool);
}

}  // namespace wpconvert

#endif  // WPCONVERT_ALL_OPERATORS_H_
