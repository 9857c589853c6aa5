// An operator of a TensorFlow Lite Micro model behind the interface that our operators are written
// against: what PrepareContext asks for, answered by a TfLiteContext.
#ifndef WPCONVERT_TFLM_PROGRAM_H_
#define WPCONVERT_TFLM_PROGRAM_H_

#include <stddef.h>
#include <stdint.h>

#include "wpconvert/operator.h"

#ifndef WPCONVERT_TFLM
#error "runtime/tflm/include must come before runtime/include among the include paths"
#endif

#include "tensorflow/lite/c/common.h"

namespace wpconvert {

// What an operator keeps from Prepare to Invoke: node->user_data.
struct State {
    void *user_data;  // the operator's own
    int scratch;      // TensorFlow Lite Micro's index of its scratch buffer, or kNoScratch
};

constexpr int kNoScratch = -1;

// The runtime's interpreter has a class of this name, too; a program has one or the other.
class Program {
   public:
    // Lives during one Prepare. `name` is for messages.
    Program(TfLiteContext *context, TfLiteNode *node, const char *name)
        : context_(context), node_(node), name_(name) {}

    // Allocates the state and reads the tensors; the reason has been logged when it fails.
    TfLiteStatus Open();

    int inputs_size() const;
    int outputs_size() const;
    Tensor input(int position) const;
    Tensor output(int position) const;
    FlatVector CustomOptions() const;
    void *AllocatePersistent(uint32_t nbytes);
    void SetUserData(void *user_data);
    int RequestScratch(uint32_t nbytes);
    TfLiteStatus Fail(const char *format, const ErrorArgument *arguments, uint32_t count);

   private:
    // As many as WP_* operators have. More are counted, but not read.
    static constexpr int kMaxInputs = 4;
    static constexpr int kMaxOutputs = 1;

    TfLiteStatus Read(const TfLiteIntArray *indices, int limit, bool outputs, Tensor *tensors);

    TfLiteContext *context_;
    TfLiteNode *node_;
    const char *name_;
    State *state_ = nullptr;
    Tensor inputs_[kMaxInputs];
    Tensor outputs_[kMaxOutputs];
};

}  // namespace wpconvert

#endif  // WPCONVERT_TFLM_PROGRAM_H_
