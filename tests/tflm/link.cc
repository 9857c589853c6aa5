// Registers the operators of model.h in a resolver that does nothing. To be linked, not run.
#include "interface.h"
#include "model.h"
#include "wpconvert/tflm.h"

void MicroPrintf(const char *, ...) {}

namespace tflite {

TfLiteTensor *MicroContext::AllocateTempInputTensor(const TfLiteNode *, int) {
    return nullptr;
}

TfLiteTensor *MicroContext::AllocateTempOutputTensor(const TfLiteNode *, int) {
    return nullptr;
}

MicroContext *GetMicroContext(const TfLiteContext *) {
    return nullptr;
}

const TfLiteEvalTensor *micro::GetEvalInput(const TfLiteContext *, const TfLiteNode *, int) {
    return nullptr;
}

TfLiteEvalTensor *micro::GetEvalOutput(const TfLiteContext *, const TfLiteNode *, int) {
    return nullptr;
}

}  // namespace tflite

struct Resolver {
    TfLiteStatus AddCustom(const char *, const TFLMRegistration *registration) {
        return registration->prepare != nullptr && registration->invoke != nullptr ? kTfLiteOk
                                                                                   : kTfLiteError;
    }
};

int main() {
    Resolver resolver;
    return MODEL_REGISTER(resolver) ? 0 : 1;
}
