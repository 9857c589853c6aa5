// PrepareContext answered by Program, and the registrations that TensorFlow Lite Micro wants.
#include "../ops/compressed/compressed.h"
#include "program.h"
#include "tensorflow/lite/micro/kernels/kernel_util.h"
#include "tensorflow/lite/micro/micro_context.h"
#include "wpconvert/tflm.h"

namespace wpconvert {

int PrepareContext::inputs_size() const {
    return program_.inputs_size();
}

int PrepareContext::outputs_size() const {
    return program_.outputs_size();
}

Tensor PrepareContext::input(int position) const {
    return program_.input(position);
}

Tensor PrepareContext::output(int position) const {
    return program_.output(position);
}

FlatVector PrepareContext::CustomOptions() const {
    return program_.CustomOptions();
}

void *PrepareContext::AllocatePersistent(uint32_t nbytes, uint32_t) {
    // The arena aligns to 16 bytes, the most that can be asked for.
    return program_.AllocatePersistent(nbytes);
}

void PrepareContext::SetUserData(void *user_data) {
    program_.SetUserData(user_data);
}

int PrepareContext::RequestScratch(uint32_t nbytes) {
    return program_.RequestScratch(nbytes);
}

// TFLM does not tell how long other tensors live.
uint32_t PrepareContext::SpareScratch() const {
    return 0;
}

TfLiteStatus PrepareContext::FailWith(const char *format, const ErrorArgument *arguments,
                                      uint32_t count) {
    return program_.Fail(format, arguments, count);
}

namespace {

template <const Registration &kOperator>
TfLiteStatus Prepare(TfLiteContext *context, TfLiteNode *node) {
    Program program(context, node, kOperator.name);
    if (program.Open() != kTfLiteOk) {
        return kTfLiteError;
    }
    PrepareContext prepare(program, 0);
    return kOperator.prepare(prepare);
}

template <const Registration &kOperator>
TfLiteStatus Invoke(TfLiteContext *context, TfLiteNode *node) {
    const State *const state = static_cast<const State *>(node->user_data);
    // Output, then the activation; blob and table have been read in Prepare.
    void *const tensors[] = {tflite::micro::GetEvalOutput(context, node, 0)->data.data,
                             tflite::micro::GetEvalInput(context, node, 0)->data.data};
    void *const scratch = state->scratch == kNoScratch
                              ? nullptr
                              : tflite::GetMicroContext(context)->GetScratchBuffer(state->scratch);
    InvokeContext invoke(state->user_data, tensors, 1, 1, &scratch);
    return kOperator.invoke(invoke);
}

// Field by field, since TensorFlow Lite Micro has added some over time. AddCustom sets code and
// name.
template <const Registration &kOperator>
constexpr TFLMRegistration Adapted() {
    TFLMRegistration registration{};
    registration.prepare = Prepare<kOperator>;
    registration.invoke = Invoke<kOperator>;
    return registration;
}

}  // namespace

#define WPCONVERT_CUSTOM(name)                                                       \
    static constexpr TFLMRegistration kAdapted_##name = Adapted<kOperator_##name>(); \
    const TFLMRegistration *tflm::Register_##name() {                                \
        return &kAdapted_##name;                                                     \
    }
#include "wpconvert/operators.def"

}  // namespace wpconvert
