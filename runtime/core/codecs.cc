#include "wpconvert/codecs.h"

namespace wpconvert {
namespace {

const wpk_codec *codecs[kMaxCodecs];

}  // namespace

bool AddCodec(const wpk_codec *codec) {
    if (codec == nullptr) {
        return false;
    }
    for (const wpk_codec *&known : codecs) {
        if (known == nullptr) {
            known = codec;
        }
        if (known->number == codec->number) {
            return known == codec;
        }
    }
    return false;
}

const wpk_codec *FindCodec(uint8_t number) {
    for (const wpk_codec *codec : codecs) {
        if (codec != nullptr && codec->number == number) {
            return codec;
        }
    }
    return nullptr;
}

}  // namespace wpconvert
