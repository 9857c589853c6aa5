// What an operator is, and what it sees when it is prepared and when it runs.
//
//     struct Params { … };                                       // what Invoke needs, computed
//     once
//
//     TfLiteStatus Prepare(PrepareContext &context) {
//         const Tensor x = context.input(0), y = context.output(0);
//         if (!x.present || x.type != TensorType::kInt8) return context.Fail("input 0 must be
//         INT8"); FlatTable options; if (!context.Options(OptionsType::kAdd, &options)) return
//         kTfLiteError; Params *params = context.AllocateUserData<Params>(); if (params == nullptr)
//         return kTfLiteError;             // the reason is recorded already … return kTfLiteOk;
//     }
//
//     TfLiteStatus Invoke(InvokeContext &context) {
//         const Params *params = context.user_data<Params>();
//         wpk_…(params, context.input<int8_t>(0), context.output<int8_t>(0));
//         return kTfLiteOk;
//     }
//
//     constexpr Registration kRegistration = {"ADD", Prepare, Invoke, kOperatorInPlace};
//     const Registration *Register_ADD() { return &kRegistration; }
//
// Prepare checks everything; Invoke only calls kernels. Prepare may run twice, the first time only
// to add up the memory that a too small arena lacks, so it must not remember anything outside its
// user data.
#ifndef WPCONVERT_OPERATOR_H_
#define WPCONVERT_OPERATOR_H_

#include <stddef.h>
#include <stdint.h>

#include "wpconvert/error.h"
#include "wpconvert/flatbuffer.h"
#include "wpconvert/flexbuffer.h"
#include "wpconvert/status.h"
#include "wpconvert/tensor.h"
#include "wpk/plan.h"

namespace wpconvert {

class PrepareContext;
class InvokeContext;

enum OperatorFlags : uint8_t {
    kOperatorNone = 0,
    // Output 0 has the bytes of input 0: both may lie at the same place, and Invoke copies only
    // where they do not (compare the pointers).
    kOperatorView = 1,
    // Element i of output 0 depends on element i of the inputs only, so output 0 may overwrite an
    // input 0 of as many bytes that nobody reads later.
    kOperatorInPlace = 2,
};

// An operator. A constant object in flash.
struct Registration {
    const char *name;  // schema name or custom code, for messages and profiles
    TfLiteStatus (*prepare)(PrepareContext &context);
    TfLiteStatus (*invoke)(InvokeContext &context);
    uint8_t flags;
};

// Option tables by their number in the schema's BuiltinOptions union.
enum class OptionsType : uint8_t {
    kNone = 0,
    kConv2D = 1,
    kDepthwiseConv2D = 2,
    kPool2D = 5,
    kFullyConnected = 8,
    kSoftmax = 9,
    kConcatenation = 10,
    kAdd = 11,
    kReshape = 17,
    kMul = 21,
    kPad = 22,
    kTranspose = 26,
    kReducer = 27,
    kSub = 28,
    kSqueeze = 30,
    kStridedSlice = 32,
    kSplit = 35,
    kDequantize = 38,
    kPadV2 = 43,
    kExpandDims = 52,
    kShape = 55,
    kPack = 59,
    kLeakyRelu = 75,
    kQuantize = 89,
    kHardSwish = 91,
};

class Program;

// An operator of the model while AllocateTensors prepares it.
class PrepareContext {
   public:
    PrepareContext(Program &program, uint32_t node) : program_(program), node_(node) {}

    int inputs_size() const;  // absent optional inputs count
    int outputs_size() const;

    // A tensor by position. Cheap to copy; `present` is false when there is none. What the model
    // declares has been checked (type known, rank, dimensions, size, a constant's length and
    // alignment).
    Tensor input(int position) const;
    Tensor output(int position) const;
    // An input that may also be an INT32 constant of no elements, whose `data` is nullptr then.
    Tensor list(int position) const;

    // Builtin options; false, with the error recorded, when the model has another table than
    // `type`. A model that leaves the table out is refused as well.
    bool Options(OptionsType type, FlatTable *options);
    // Builtin options where the model may leave them out: an absent table then.
    bool OptionalOptions(OptionsType type, FlatTable *options);
    // custom_options, usually a FlexBuffer for FlexMap; size 0 when there are none.
    FlatVector CustomOptions() const;

    // Memory that stays until the interpreter goes, uninitialised; nullptr when the arena is full.
    // `alignment` is a power of two up to 16.
    void *AllocatePersistent(uint32_t nbytes, uint32_t alignment = alignof(void *));
    // A zero-initialised T that Invoke finds as user_data<T>().
    template <typename T>
    T *AllocateUserData() {
        void *memory = AllocatePersistent(sizeof(T), alignof(T));
        if (memory == nullptr) {
            return nullptr;
        }
        SetUserData(memory);
        T *object = static_cast<T *>(memory);
        *object = T{};
        return object;
    }
    void SetUserData(void *user_data);

    // Memory that Invoke of this operator may use, 16-byte aligned: the handle for
    // InvokeContext::scratch, or −1 when the arena is full. Its content does not survive the call.
    // Size 0 is allowed; scratch() is then not to be dereferenced.
    int RequestScratch(uint32_t nbytes);
    // Bytes of scratch that the operator may ask for without making the arena larger, as far as
    // can be said before buffers are placed: another operator's activations need as much.
    uint32_t SpareScratch() const;
#ifdef WPK_ANY_CORE
    wpk_core core() const;  // to plan for; nullptr: the one that the code is compiled for
#endif

    // Records why the operator cannot run ("operator 3 (ADD): …" is put in front), %d and %s
    // standing for the arguments, and returns kTfLiteError: `return context.Fail("input 0 is %s",
    // TypeName(x.type));`
    template <typename... Arguments>
    TfLiteStatus Fail(const char *format, Arguments... arguments) {
#ifdef WPCONVERT_NO_ERROR_STRINGS
        (void)format;
        ((void)arguments, ...);
        return FailWith(nullptr, nullptr, 0);
#else
        const ErrorArgument list[] = {ErrorArgument(arguments)..., ErrorArgument(0)};
        return FailWith(format, list, sizeof...(arguments));
#endif
    }

   private:
    Tensor At(uint32_t slot, int position, bool may_be_empty = false) const;
    TfLiteStatus FailWith(const char *format, const ErrorArgument *arguments, uint32_t count);

    Program &program_;
    uint32_t node_;
};

// An operator while Invoke runs it: pointers only, everything else was settled in Prepare.
class InvokeContext {
   public:
    InvokeContext(void *user_data, void *const *tensors, uint32_t outputs_size,
                  uint32_t inputs_size, void *const *scratch)
        : user_data_(user_data),
          tensors_(tensors),
          outputs_size_(outputs_size),
          inputs_size_(inputs_size),
          scratch_(scratch) {}

    template <typename T>
    const T *user_data() const {
        return static_cast<const T *>(user_data_);
    }
    // Data of an input by position; nullptr for an absent optional one and beyond the last.
    template <typename T>
    const T *input(uint32_t position) const {
        return position < inputs_size_ ? static_cast<const T *>(tensors_[outputs_size_ + position])
                                       : nullptr;
    }
    // Data of an output; the position must be below outputs_size() of Prepare.
    template <typename T>
    T *output(uint32_t position) const {
        return static_cast<T *>(tensors_[position]);
    }
    void *scratch(int handle) const {
        return scratch_[handle];
    }

   private:
    void *user_data_;
    void *const *tensors_;  // of outputs, then of inputs
    uint32_t outputs_size_;
    uint32_t inputs_size_;
    void *const *scratch_;
};

}  // namespace wpconvert

#endif  // WPCONVERT_OPERATOR_H_
