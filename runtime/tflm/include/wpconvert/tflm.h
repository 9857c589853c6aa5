// The operators of rewritten models for TensorFlow Lite Micro (docs/TFLM.md):
//
//     tflite::MicroMutableOpResolver<2> resolver;
//     resolver.AddSoftmax();
//     resolver.AddCustom("WP_CONV_2D", wpconvert::Register_WP_CONV_2D());
//     wpconvert::AddCodec(&wpk_codec_dcsr);
//
// The header that `wpconvert convert --to-c` writes has a macro that does all of it.
#ifndef WPCONVERT_TFLM_H_
#define WPCONVERT_TFLM_H_

#include "tensorflow/lite/micro/micro_common.h"
#include "wpconvert/codecs.h"

namespace wpconvert {

// wpconvert's own runtime has functions of the same names and other results. The inline namespace
// keeps them apart for the linker.
inline namespace tflm {

// Constant objects; any number of resolvers may share them.
#define WPCONVERT_CUSTOM(name) const TFLMRegistration *Register_##name();
#include "wpconvert/operators.def"

}  // namespace tflm
}  // namespace wpconvert

#endif  // WPCONVERT_TFLM_H_
