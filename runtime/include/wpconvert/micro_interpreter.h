// Runs subgraph 0 of a .tflite model in memory that the caller gives.
//
//     alignas(16) static uint8_t arena[32 * 1024];
//     wpconvert::MicroMutableOpResolver<2> resolver;
//     resolver.AddConv2D();
//     resolver.AddSoftmax();
//     wpconvert::MicroInterpreter interpreter(model, model_nbytes, resolver, arena, sizeof(arena));
//     if (interpreter.AllocateTensors() != kTfLiteOk) puts(interpreter.error());
//     memcpy(interpreter.input(0)->data, …);
//     interpreter.Invoke();
//     use(interpreter.output(0)->as<int8_t>());
//
// The model is untrusted: AllocateTensors checks all of it that is used, and neither it nor Invoke
// touches memory outside model and arena. The arena, from its start: activations and scratch,
// placed by lifetime; a gap; what lives as long as the interpreter, allocated downwards from its
// end.
#ifndef WPCONVERT_MICRO_INTERPRETER_H_
#define WPCONVERT_MICRO_INTERPRETER_H_

#include <stddef.h>
#include <stdint.h>

#include "wpconvert/micro_mutable_op_resolver.h"
#include "wpconvert/program.h"
#include "wpconvert/status.h"
#include "wpconvert/tensor.h"

namespace wpconvert {

// Called before (`after` false) and after each operator of Invoke: its index in the model and its
// name.
typedef void (*OperatorObserver)(void *user, int index, const char *name, bool after);

class MicroInterpreter {
   public:
    // `model` should be 16-byte aligned (4 is enough for most models); it, the resolver and the
    // arena must live as long as the interpreter. The arena needs no alignment; aligned to 16 it
    // loses nothing.
    MicroInterpreter(const void *model, size_t model_nbytes, const MicroOpResolver &resolver,
                     void *arena, size_t arena_nbytes);
    MicroInterpreter(const MicroInterpreter &) = delete;
    MicroInterpreter &operator=(const MicroInterpreter &) = delete;

    // Checks the model, prepares its operators and places its tensors. On kTfLiteError, error()
    // says why.
    TfLiteStatus AllocateTensors();

    // Runs the model once. The memory of inputs may have been reused when it returns: set all of
    // them each time.
    TfLiteStatus Invoke();

    size_t inputs_size() const {
        return program_.inputs_size();
    }
    size_t outputs_size() const {
        return program_.outputs_size();
    }
    // Input or output i of the model; nullptr before AllocateTensors has succeeded and for an i out
    // of range.
    Tensor *input(size_t i) {
        return program_.input(i);
    }
    Tensor *output(size_t i) {
        return program_.output(i);
    }

    // Bytes of the arena in use after AllocateTensors; an arena of this many bytes with the same
    // start would do. After it failed because the arena is too small: the bytes that are needed,
    // exact unless the arena could not hold even one operator's data and the plan
    // (`arena_is_estimate`), then a lower bound.
    size_t arena_used_bytes() const {
        return program_.arena_nbytes_needed();
    }
    bool arena_is_estimate() const {
        return program_.arena_is_estimate();
    }

    // Why AllocateTensors or Invoke failed: what, at which operator, and the remedy. "" when
    // nothing failed; without texts (WPCONVERT_NO_ERROR_STRINGS) always "".
    const char *error() const {
        return program_.error_text();
    }
    // The operator that error() is about, −1 for none.
    int error_operator() const {
        return program_.error_operator();
    }

    int operators_size() const {
        return static_cast<int>(program_.nodes_size());
    }
    const char *operator_name(int index) const;
    // Output `position` of an operator. Its data are those of the last Invoke only until a later
    // operator overwrites them: look at it from an observer. `present` is false out of range.
    Tensor operator_output(int index, int position);

    // nullptr: none. For profiles; costs one comparison per operator.
    void SetObserver(OperatorObserver observer, void *user) {
        observer_ = observer;
        observer_user_ = user;
    }

   private:
    Program program_;
    OperatorObserver observer_ = nullptr;
    void *observer_user_ = nullptr;
};

}  // namespace wpconvert

#endif  // WPCONVERT_MICRO_INTERPRETER_H_
