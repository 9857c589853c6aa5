// The status every call of the runtime returns; global, as in TensorFlow Lite Micro.
#ifndef WPCONVERT_STATUS_H_
#define WPCONVERT_STATUS_H_

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

#endif  // WPCONVERT_STATUS_H_
