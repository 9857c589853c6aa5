// Memory: what lives as long as the interpreter at the arena's upper end, activations and scratch
// at the lower one.
#include "wpconvert/program.h"

#include "planner.h"
#include "schema.h"

namespace wpconvert {
namespace {

uint32_t RoundUp(uint32_t nbytes, uint32_t alignment) {
    return (nbytes + alignment - 1) & ~(alignment - 1);
}

}  // namespace

Program::Program(const void *model, size_t model_nbytes, const MicroOpResolver &resolver,
                 void *arena, size_t arena_nbytes)
    : resolver_(resolver) {
    buffer_.data = static_cast<const uint8_t *>(model);
    buffer_.nbytes = model_nbytes > INT32_MAX ? UINT32_MAX : static_cast<uint32_t>(model_nbytes);
    given_nbytes_ =
        arena == nullptr
            ? 0
            : static_cast<uint32_t>(arena_nbytes > INT32_MAX ? INT32_MAX : arena_nbytes);
    misaligned_ =
        (0u - static_cast<uint32_t>(reinterpret_cast<uintptr_t>(arena))) % kBufferAlignment;
    const uint32_t usable = given_nbytes_ > misaligned_ ? given_nbytes_ - misaligned_ : 0;
    base_ = usable > 0 ? static_cast<uint8_t *>(arena) + misaligned_ : nullptr;
    capacity_ = usable & ~(kBufferAlignment - 1);
}

TfLiteStatus Program::Build() {
    ready_ = false;
    dry_ = false;
    estimate_ = false;
    needed_nbytes_ = 0;
    error_.Clear();
    if (OpenModel() != kTfLiteOk) {
        return kTfLiteError;
    }
    const TfLiteStatus status = BuildOnce();
    if (status == kTfLiteOk || !exhausted_) {
        ready_ = status == kTfLiteOk;
        return status;
    }
    // Once more without keeping anything, to find out how much memory would do.
    dry_ = true;
    if (BuildOnce() != kTfLiteOk && !exhausted_) {
        return kTfLiteError;
    }
    return ArenaTooSmall();
}

TfLiteStatus Program::BuildOnce() {
    exhausted_ = false;
    persistent_nbytes_ = 0;
    lent_nbytes_ = 0;
    if (CheckGraph() != kTfLiteOk || AllocateTables() != kTfLiteOk ||
        PrepareOperators() != kTfLiteOk) {
        return kTfLiteError;
    }
    return Place();
}

uint32_t Program::Room() const {
    const uint32_t taken = transient_nbytes_ + (dry_ ? lent_nbytes_ : persistent_nbytes_);
    return taken > capacity_ ? 0 : capacity_ - taken;
}

bool Program::GrowTransient(uint32_t nbytes) {
    const bool fits = nbytes <= Room();
    if (!fits) {
        exhausted_ = true;
    }
    transient_nbytes_ += nbytes;
    return fits;
}

TfLiteStatus Program::AddBuffer(int node, uint32_t nbytes, uint32_t first, uint32_t last) {
    if (planned_size_ == kMaxPlannedBuffers) {
        return Fail(node, "more than %d activations and scratch buffers", kMaxPlannedBuffers);
    }
    if (!GrowTransient(sizeof(PlannedBuffer))) {
        return kTfLiteError;
    }
    planned_[planned_size_] = {RoundUp(nbytes, kBufferAlignment),
                               0,
                               static_cast<uint16_t>(first),
                               static_cast<uint16_t>(last),
                               static_cast<uint16_t>(last),
                               static_cast<uint16_t>(planned_size_),
                               0,
                               0,
                               0};
    planned_size_++;
    return kTfLiteOk;
}

void *Program::AllocatePersistent(uint32_t nbytes, uint32_t alignment) {
    if (exhausted_ || nbytes > INT32_MAX - persistent_nbytes_ - kBufferAlignment) {
        exhausted_ = true;
        return nullptr;
    }
    // Downwards: what is rounded is the distance from the end, which is aligned to 16.
    persistent_nbytes_ = RoundUp(persistent_nbytes_ + nbytes, alignment);
    if (dry_) {
        lent_nbytes_ = RoundUp(lent_nbytes_ + nbytes, alignment);
    }
    const uint32_t distance = dry_ ? lent_nbytes_ : persistent_nbytes_;
    if (distance > capacity_ || transient_nbytes_ > capacity_ - distance) {
        exhausted_ = true;
        return nullptr;
    }
    return base_ + capacity_ - distance;
}

// A table of ours. In a dry run it is only counted: nobody is going to use it, so it need not fit.
template <typename T>
T *Program::AllocateTable(uint32_t count) {
    const uint32_t nbytes = count * static_cast<uint32_t>(sizeof(T));
    if (dry_) {
        persistent_nbytes_ = RoundUp(persistent_nbytes_ + nbytes, alignof(T));
        return nullptr;
    }
    return static_cast<T *>(AllocatePersistent(nbytes, alignof(T)));
}

int Program::RequestScratch(uint32_t node, uint32_t nbytes) {
    if (nbytes > INT32_MAX - kBufferAlignment) {
        Fail(static_cast<int>(node), "%d bytes of scratch", nbytes);
        return -1;
    }
    if (AddBuffer(static_cast<int>(node), nbytes, node, node) != kTfLiteOk) {
        return -1;
    }
    return static_cast<int>(planned_size_ - 1 - activations_);
}

Program::ScratchRequest Program::scratch_request(uint32_t i) const {
    const PlannedBuffer &buffer = planned_[activations_ + i];
    return {buffer.first, buffer.nbytes};
}

// Of activations at one time; UINT32_MAX if that is too small a number.
uint32_t Program::LiveNbytes(uint32_t node) const {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < activations_; i++) {
        const PlannedBuffer &buffer = planned_[i];
        sum += buffer.root == i && buffer.first <= node && node <= buffer.until ? buffer.nbytes : 0;
    }
    return sum < UINT32_MAX ? static_cast<uint32_t>(sum) : UINT32_MAX;
}

uint32_t Program::SpareScratch(uint32_t node) const {
#ifdef WPK_ANY_CORE
    if (!use_spare_) {
        return 0;
    }
#endif
    return peak_nbytes_ - LiveNbytes(node);
}

void Program::SetUserData(uint32_t node, void *user_data) {
    if (!dry_) {
        nodes_[node].user_data = user_data;
    }
}

TfLiteStatus Program::AllocateTables() {
    nodes_ = AllocateTable<Node>(operators_.size);
    slots_ = AllocateTable<void *>(slots_size_);
    ends_ = AllocateTable<Tensor>(inputs_.size + outputs_.size);
    if (dry_ || exhausted_) {
        return dry_ ? kTfLiteOk : kTfLiteError;
    }
    for (uint32_t i = 0; i < operators_.size; i++) {
        const FlatTable table = OperatorTable(i);
        nodes_[i] = {nullptr, static_cast<uint8_t>(FindRegistration(i)),
                     static_cast<uint8_t>(table.Vector(schema::op::kOutputs, 4).size),
                     static_cast<uint8_t>(table.Vector(schema::op::kInputs, 4).size)};
    }
    return kTfLiteOk;
}

TfLiteStatus Program::PrepareOperators() {
    peak_nbytes_ = 0;
    // Some activation begins at the peak, and there are never many activations.
    for (uint32_t i = 0; i < activations_; i++) {
        const uint32_t live = LiveNbytes(planned_[i].first);
        peak_nbytes_ = live > peak_nbytes_ ? live : peak_nbytes_;
    }
    for (uint32_t i = 0; i < operators_.size; i++) {
        PrepareContext context(*this, i);
        const TfLiteStatus status = RegistrationOf(i).prepare(context);
        const int index = static_cast<int>(i);
        if (buffer_.malformed) {
            return Malformed(index);
        }
        if (exhausted_) {
            if (!dry_) {
                return kTfLiteError;
            }
            estimate_ = true;
            exhausted_ = false;
        } else if (status != kTfLiteOk) {
            return error_.operator_index() == index ? kTfLiteError : Fail(index, "rejected");
        }
        lent_nbytes_ = 0;
    }
    return kTfLiteOk;
}

// What the plan in the model needs, with scratch placed around it; `best` where that is less.
uint32_t Program::PlanOffline(uint32_t best) {
    const FlatVector plan = OfflinePlan();
    if (plan.size == 0) {
        return best;
    }
    for (uint32_t i = 0; i < planned_size_; i++) {
        planned_[i].trial = kAnywhere;
    }
    for (uint32_t i = 0; i < tensors_.size; i++) {
        if (buffer_of_[i] != kNoBuffer) {
            planned_[buffer_of_[i]].trial =
                static_cast<uint32_t>(plan.I32(schema::kOfflinePlanHeader + i));
        }
    }
    return PlanAround(planned_, planned_size_, best);
}

TfLiteStatus Program::Place() {
    const uint32_t scratches = planned_size_ - activations_;
    scratch_ = AllocateTable<void *>(scratches);
    uint32_t lower = PlanBuffers(planned_, planned_size_);
    if (lower == UINT32_MAX) {
        return Fail(-1, "the model needs an arena of more than 2 GB");
    }
    lower = PlanOffline(lower);
    if (buffer_.malformed) {
        return Malformed(-1);
    }
    // The plan itself lies where activations will.
    lower = lower > transient_nbytes_ ? lower : RoundUp(transient_nbytes_, kBufferAlignment);
    const uint32_t upper = RoundUp(persistent_nbytes_, kBufferAlignment);
    needed_nbytes_ = size_t{misaligned_} + lower + upper;
    if (exhausted_ || dry_ || upper > capacity_ || lower > capacity_ - upper) {
        exhausted_ = true;
        return kTfLiteError;
    }
    FillSlots();
    FillEnds();
    for (uint32_t i = 0; i < scratches; i++) {
        scratch_[i] = base_ + planned_[activations_ + i].offset;
    }
    return kTfLiteOk;
}

TfLiteStatus Program::ArenaTooSmall() {
    if (needed_nbytes_ == 0) {
        // Not even the plan fitted: what is known is where it stopped.
        estimate_ = true;
        needed_nbytes_ = size_t{misaligned_} + RoundUp(transient_nbytes_, kBufferAlignment) +
                         RoundUp(persistent_nbytes_, kBufferAlignment);
    }
    const uint32_t needed = static_cast<uint32_t>(needed_nbytes_);
    return Fail(-1, "the arena is too small: it has %d bytes, the model needs %s%d", given_nbytes_,
                estimate_ ? "more than " : "", needed);
}

void *Program::Locate(int32_t index) {
    const uint16_t buffer = buffer_of_[index];
    return buffer == kNoBuffer ? Declared(index, -1, true).data : base_ + planned_[buffer].offset;
}

void Program::FillSlots() {
    void **slot = slots_;
    for (uint32_t i = 0; i < operators_.size; i++) {
        const FlatTable table = OperatorTable(i);
        const FlatVector lists[] = {table.Vector(schema::op::kOutputs, 4),
                                    table.Vector(schema::op::kInputs, 4)};
        for (const FlatVector &list : lists) {
            for (uint32_t j = 0; j < list.size; j++) {
                *slot++ = list.I32(j) < 0 ? nullptr : Locate(list.I32(j));
            }
        }
    }
}

void Program::FillEnds() {
    Tensor *end = ends_;
    const FlatVector lists[] = {inputs_, outputs_};
    for (const FlatVector &list : lists) {
        for (uint32_t i = 0; i < list.size; i++) {
            *end = Declared(list.I32(i), -1);
            end->data = Locate(end->index);
            end++;
        }
    }
}

Tensor Program::NodeOutput(uint32_t node, uint32_t position) {
    if (node >= nodes_size() || position >= nodes_[node].outputs) {
        return {};
    }
    const FlatVector outputs = OperatorTable(node).Vector(schema::op::kOutputs, 4);
    Tensor tensor = Declared(outputs.I32(position), static_cast<int>(node));
    void *const *slot = slots_;
    for (uint32_t i = 0; i < node; i++) {
        slot += nodes_[i].outputs + nodes_[i].inputs;
    }
    tensor.data = slot[position];
    return tensor;
}

}  // namespace wpconvert
