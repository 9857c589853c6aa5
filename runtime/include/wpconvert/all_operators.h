// Every operator and codec at once: for programs that do not know their model when they are
// compiled.
#ifndef WPCONVERT_ALL_OPERATORS_H_
#define WPCONVERT_ALL_OPERATORS_H_

#include "wpconvert/codecs.h"
#include "wpconvert/micro_mutable_op_resolver.h"

namespace wpconvert {

#define WPCONVERT_BUILTIN(name, number, method) +1
#define WPCONVERT_CUSTOM(name) +1
constexpr unsigned kAllOperators = 0
#include "wpconvert/operators.def"
    ;

// Fills an empty resolver.
inline TfLiteStatus AddAllOperators(MicroMutableOpResolver<kAllOperators> *resolver) {
    int failed = 0;
#define WPCONVERT_BUILTIN(name, number, method) failed |= resolver->method();
#define WPCONVERT_CUSTOM(name) failed |= resolver->AddCustom(#name, Register_##name());
#include "wpconvert/operators.def"
    return failed ? kTfLiteError : kTfLiteOk;
}

inline bool AddAllCodecs() {
#define WPK_CODEC(number, name, groups) AddCodec(&wpk_codec_##name) &&
    return
#include "wpk/codecs.def"
        true;
}

}  // namespace wpconvert

#endif  // WPCONVERT_ALL_OPERATORS_H_
