// The part of TensorFlow Lite Micro's interface that runtime/tflm refers to, so that the adapter
// can be compiled and linked where there is no copy of it. Declarations only, in our own words:
// names and types as the adapter uses them, layouts and values of no meaning.
#ifndef WPCONVERT_TESTS_TFLM_INTERFACE_H_
#define WPCONVERT_TESTS_TFLM_INTERFACE_H_

#include <stddef.h>
#include <stdint.h>

enum TfLiteStatus { kTfLiteOk, kTfLiteError };
enum TfLiteType { kTfLiteFloat32, kTfLiteInt32, kTfLiteUInt8, kTfLiteInt16, kTfLiteInt8 };
enum TfLiteAllocationType { kTfLiteMmapRo, kTfLiteArenaRw };
enum TfLiteQuantizationType { kTfLiteNoQuantization, kTfLiteAffineQuantization };

template <typename T>
struct Array {
    int size;
    T data[1];
};
using TfLiteIntArray = Array<int>;
using TfLiteFloatArray = Array<float>;

struct TfLiteAffineQuantization {
    TfLiteFloatArray *scale;
    TfLiteIntArray *zero_point;
    int32_t quantized_dimension;
};

struct TfLiteTensor {
    TfLiteType type;
    TfLiteAllocationType allocation_type;
    union {
        void *data;
    } data;
    TfLiteIntArray *dims;
    size_t bytes;
    struct {
        float scale;
        int32_t zero_point;
    } params;
    struct {
        TfLiteQuantizationType type;
        void *params;
    } quantization;
};

struct TfLiteEvalTensor {
    union {
        void *data;
    } data;
};

struct TfLiteContext;
struct TfLiteNode {
    TfLiteIntArray *inputs, *outputs;
    void *user_data;
    const void *custom_initial_data;
    int custom_initial_data_size;
};

struct TFLMRegistration {
    TfLiteStatus (*prepare)(TfLiteContext *, TfLiteNode *);
    TfLiteStatus (*invoke)(TfLiteContext *, TfLiteNode *);
};

void MicroPrintf(const char *format, ...);

namespace tflite {

class MicroContext {
   public:
    virtual void *AllocatePersistentBuffer(size_t nbytes) = 0;
    virtual TfLiteStatus RequestScratchBufferInArena(size_t nbytes, int *index) = 0;
    virtual void *GetScratchBuffer(int index) = 0;
    virtual void DeallocateTempTfLiteTensor(TfLiteTensor *tensor) = 0;
    TfLiteTensor *AllocateTempInputTensor(const TfLiteNode *node, int position);
    TfLiteTensor *AllocateTempOutputTensor(const TfLiteNode *node, int position);
};

MicroContext *GetMicroContext(const TfLiteContext *context);

namespace micro {
const TfLiteEvalTensor *GetEvalInput(const TfLiteContext *, const TfLiteNode *, int position);
TfLiteEvalTensor *GetEvalOutput(const TfLiteContext *, const TfLiteNode *, int position);
}  // namespace micro

}  // namespace tflite

#endif  // WPCONVERT_TESTS_TFLM_INTERFACE_H_
