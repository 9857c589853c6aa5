// The status of TensorFlow Lite Micro in place of the runtime's own, which has the same name: this
// folder comes before runtime/include among the include paths.
#ifndef WPCONVERT_STATUS_H_
#define WPCONVERT_STATUS_H_

#define WPCONVERT_TFLM

// Texts are left out together with TensorFlow Lite Micro's own.
#if defined(TF_LITE_STRIP_ERROR_STRINGS) && !defined(WPCONVERT_NO_ERROR_STRINGS)
#define WPCONVERT_NO_ERROR_STRINGS
#endif

#include "tensorflow/lite/c/common.h"

#endif  // WPCONVERT_STATUS_H_
