// A model made ready to run: what MicroInterpreter is built on. Not for direct use.
#ifndef WPCONVERT_PROGRAM_H_
#define WPCONVERT_PROGRAM_H_

#include <stddef.h>
#include <stdint.h>

#include "wpconvert/error.h"
#include "wpconvert/flatbuffer.h"
#include "wpconvert/micro_mutable_op_resolver.h"
#include "wpconvert/operator.h"
#include "wpconvert/tensor.h"

namespace wpconvert {

struct PlannedBuffer;

// An operator that is ready to run. Small, because a model keeps one per operator. Its tensors are
// slots: outputs, then inputs, right behind those of the node before.
struct Node {
    void *user_data;
    uint8_t registration;  // place in the resolver
    uint8_t outputs;
    uint8_t inputs;
};

// Checks, prepares and places subgraph 0 of a model. While it does so, the lower end of the arena
// holds what is only needed until then; activations come to lie there later.
class Program {
   public:
    Program(const void *model, size_t model_nbytes, const MicroOpResolver &resolver, void *arena,
            size_t arena_nbytes);
    Program(const Program &) = delete;
    Program &operator=(const Program &) = delete;

#ifdef WPK_ANY_CORE
    // Build for this core instead of the one that the code is compiled for. Without use_spare,
    // layers know of no memory that costs nothing, as in TensorFlow Lite Micro.
    void PlanFor(wpk_core core, bool use_spare) {
        core_ = core;
        use_spare_ = use_spare;
    }
    wpk_core core() const {
        return core_;
    }
#endif

    TfLiteStatus Build();
    bool ready() const {
        return ready_;
    }

    // Valid when ready().
    uint32_t nodes_size() const {
        return ready_ ? operators_.size : 0;
    }
    const Node &node(uint32_t i) const {
        return nodes_[i];
    }
    const Registration &registration(uint32_t node) const {
        return *resolver_.At(nodes_[node].registration);
    }
    // Data of the tensors of all nodes.
    void *const *slots() const {
        return slots_;
    }
    void *const *scratch() const {
        return scratch_;
    }

    size_t inputs_size() const {
        return inputs_.size;
    }
    size_t outputs_size() const {
        return outputs_.size;
    }
    Tensor *input(size_t i) {
        return ready_ && i < inputs_.size ? &ends_[i] : nullptr;
    }
    Tensor *output(size_t i) {
        return ready_ && i < outputs_.size ? &ends_[inputs_.size + i] : nullptr;
    }
    Tensor NodeOutput(uint32_t node, uint32_t position);

    size_t arena_nbytes_needed() const {
        return needed_nbytes_;
    }
    // Of these, what lives as long as the program.
    uint32_t persistent_nbytes() const {
        return persistent_nbytes_;
    }
    // Scratch that operators asked for, in their order. Valid from Build until an inference.
    struct ScratchRequest {
        uint32_t node, nbytes;  // bytes rounded up to 16
    };
    uint32_t scratch_requests() const {
        return ready_ ? planned_size_ - activations_ : 0;
    }
    ScratchRequest scratch_request(uint32_t i) const;
    bool arena_is_estimate() const {
        return estimate_;
    }
    const char *error_text() const {
        return error_.text();
    }
    int error_operator() const {
        return error_.operator_index();
    }
    ErrorReport &error() {
        return error_;
    }

    // For PrepareContext.
    FlatTable OperatorTable(uint32_t node) const {
        return graph_.TableAt(operators_, node);
    }
    const char *OperatorName(uint32_t node) const;
    // A tensor as the model declares it, checked; when it is not fit for use the
    // reason is recorded, and the result is not present. An index outside the subgraph is one such
    // reason, no elements are another unless the tensor is a list of INT32 that may be empty.
    Tensor Declared(int32_t index, int node, bool may_be_empty = false);
    void *AllocatePersistent(uint32_t nbytes, uint32_t alignment);
    int RequestScratch(uint32_t node, uint32_t nbytes);
    uint32_t SpareScratch(uint32_t node) const;
    void SetUserData(uint32_t node, void *user_data);
    // Records an error; node −1 when it is about no operator.
    template <typename... Arguments>
    TfLiteStatus Fail(int node, const char *format, Arguments... arguments) {
#ifdef WPCONVERT_NO_ERROR_STRINGS
        return error_.Fail(node, nullptr, format, arguments...);
#else
        return error_.Fail(node, node < 0 ? "" : OperatorName(static_cast<uint32_t>(node)), format,
                           arguments...);
#endif
    }
    TfLiteStatus FailWith(uint32_t node, const char *format, const ErrorArgument *arguments,
                          uint32_t count);

   private:
    // graph.cc: is the model sound, and how long does each tensor live?
    TfLiteStatus OpenModel();
    TfLiteStatus CheckGraph();
    TfLiteStatus CheckInputs();
    TfLiteStatus CheckOutputs();
    TfLiteStatus CheckOperator(uint32_t node);
    TfLiteStatus CheckRead(uint32_t node, int32_t index);
    TfLiteStatus CheckWrite(uint32_t node, int32_t index);
    void ShareBuffer(uint32_t node);
    // The words of a memory plan that was made for the model; empty where it has none.
    FlatVector OfflinePlan() const;
    TfLiteStatus Malformed(int node);

    // operator_codes.cc: which operator is it?
    TfLiteStatus NotRegistered(uint32_t node);
    void CodeOf(uint32_t node, int32_t *builtin, const char **custom_code) const;
    int FindRegistration(uint32_t node) const;
    const Registration &RegistrationOf(uint32_t node) const {
        return *resolver_.At(FindRegistration(node));
    }

    // program.cc: memory.
    TfLiteStatus BuildOnce();
    TfLiteStatus AllocateTables();
    template <typename T>
    T *AllocateTable(uint32_t count);
    TfLiteStatus PrepareOperators();
    TfLiteStatus Place();
    uint32_t PlanOffline(uint32_t best);
    TfLiteStatus ArenaTooSmall();
    void FillSlots();
    void FillEnds();
    void *Locate(int32_t index);
    uint32_t Room() const;
    bool GrowTransient(uint32_t nbytes);
    uint32_t LiveNbytes(uint32_t node) const;
    TfLiteStatus AddBuffer(int node, uint32_t nbytes, uint32_t first, uint32_t last);

    FlatBuffer buffer_;
    const MicroOpResolver &resolver_;
    uint8_t *base_;        // start of the arena, 16-byte aligned
    uint32_t capacity_;    // bytes from base_, a multiple of 16
    uint32_t misaligned_;  // bytes before base_
    uint32_t given_nbytes_;
    FlatTable model_, graph_;
    FlatVector codes_, buffers_, tensors_, operators_, inputs_, outputs_;

    // Lower end while building: the buffer of each tensor (kNoBuffer: none), then the buffers.
    uint16_t *buffer_of_ = nullptr;
    PlannedBuffer *planned_ = nullptr;
    uint32_t planned_size_ = 0;
    uint32_t activations_ = 0;  // the first so many of planned_ are tensors, the others scratch
    uint32_t peak_nbytes_ = 0;  // of activations that are alive together
    uint32_t transient_nbytes_ = 0;

    // Upper end.
    uint32_t persistent_nbytes_ = 0;
    uint32_t lent_nbytes_ = 0;  // dry run: of the operator that is being prepared
    Node *nodes_ = nullptr;
    void **slots_ = nullptr;
    void **scratch_ = nullptr;
    Tensor *ends_ = nullptr;  // inputs, then outputs
    uint32_t slots_size_ = 0;

#ifdef WPK_ANY_CORE
    wpk_core core_ = nullptr;
    bool use_spare_ = true;
#endif

    size_t needed_nbytes_ = 0;
    bool ready_ = false;
    bool dry_ = false;  // adding up only: operators get memory for the time of their Prepare
    bool exhausted_ = false;
    bool estimate_ = false;
    ErrorReport error_;
};

}  // namespace wpconvert

#endif  // WPCONVERT_PROGRAM_H_
