// Codecs of compressed weights that a program can decode. Only those that it adds are linked into
// it.
#ifndef WPCONVERT_CODECS_H_
#define WPCONVERT_CODECS_H_

#include <stdint.h>

#include "wpk/codec.h"

namespace wpconvert {

// Room for all codecs of the library, and one of the program's own.
#define WPK_CODEC(number, name, groups) +1
constexpr int kMaxCodecs =
#include "wpk/codecs.def"
    +1;

// Makes a codec known to every interpreter, before AllocateTensors. The codec object must live as
// long as they do. Adding one again is no error. False when there is no room, or another codec has
// the number.
bool AddCodec(const wpk_codec *codec);

// The codec that was added for a blob's codec number, or nullptr.
const wpk_codec *FindCodec(uint8_t number);

}  // namespace wpconvert

#endif  // WPCONVERT_CODECS_H_
