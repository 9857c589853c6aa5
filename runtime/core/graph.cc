// Is the model sound? Every index, shape, type and order that preparation and Invoke rely on is
// checked here.
#include <string.h>

#include "planner.h"
#include "schema.h"
#include "wpconvert/program.h"

namespace wpconvert {
namespace {

constexpr uint32_t kMaxOperators = 65534;  // lifetimes are 16-bit
constexpr uint32_t kMaxTensors = 65534;
constexpr uint32_t kMaxSlots = 65535;  // bounds the time that a file can make the checks take
constexpr uint32_t kMaxNodeTensors = 255;

uint32_t RoundUp(uint32_t nbytes) {
    return (nbytes + kBufferAlignment - 1) & ~(kBufferAlignment - 1);
}

}  // namespace

TfLiteStatus Program::Malformed(int node) {
    return Fail(node, "the model is not a valid flatbuffer, or truncated at %d bytes",
                buffer_.nbytes);
}

TfLiteStatus Program::OpenModel() {
    buffer_.malformed = false;
    if (buffer_.data == nullptr || buffer_.nbytes > INT32_MAX) {
        return Fail(-1, "no model, or larger than 2 GB");
    }
    model_ = FlatTable::Root(buffer_, schema::kIdentifier);
    if (!model_.present()) {
        return Fail(-1, "not a .tflite model: no %s at byte 4, or truncated", schema::kIdentifier);
    }
    const uint32_t version = static_cast<uint32_t>(model_.I32(schema::model::kVersion));
    if (version != schema::kVersion) {
        return Fail(-1, "schema version %d, supported is %d", version, schema::kVersion);
    }
    codes_ = model_.Vector(schema::model::kOperatorCodes, 4);
    buffers_ = model_.Vector(schema::model::kBuffers, 4);
    graph_ = model_.TableAt(model_.Vector(schema::model::kSubgraphs, 4), 0);
    tensors_ = graph_.Vector(schema::subgraph::kTensors, 4);
    inputs_ = graph_.Vector(schema::subgraph::kInputs, 4);
    outputs_ = graph_.Vector(schema::subgraph::kOutputs, 4);
    operators_ = graph_.Vector(schema::subgraph::kOperators, 4);
    if (buffer_.malformed) {
        return Malformed(-1);
    }
    if (!graph_.present()) {
        return Fail(-1, "the model has no subgraph");
    }
    if (tensors_.size > kMaxTensors || operators_.size > kMaxOperators ||
        inputs_.size > kMaxNodeTensors || outputs_.size > kMaxNodeTensors) {
        return Fail(-1, "%d tensors, %d operators, %d inputs, %d outputs: too many", tensors_.size,
                    operators_.size, inputs_.size, outputs_.size);
    }
    return kTfLiteOk;
}

Tensor Program::Declared(int32_t index, int node, bool may_be_empty) {
    using namespace schema;
    Tensor result;
    if (index < 0 || static_cast<uint32_t>(index) >= tensors_.size) {
        Fail(node, "tensor %d does not exist: the model has %d", index, tensors_.size);
        return result;
    }
    const FlatTable table = graph_.TableAt(tensors_, static_cast<uint32_t>(index));
    result.index = index;
    result.name = table.String(tensor::kName);
    result.type = static_cast<TensorType>(table.U8(tensor::kType));
    uint32_t nbytes = ElementNbytes(result.type);
    const uint32_t alignment = nbytes;
    if (nbytes == 0 || table.Has(tensor::kSparsity)) {
        Fail(node, "tensor %d '%s' is %s, which is not supported", index, result.name,
             nbytes == 0 ? TypeName(result.type) : "sparse");
        return result;
    }

    const FlatVector shape = table.Vector(tensor::kShape, 4);
    if (shape.size > kMaxRank) {
        Fail(node, "tensor %d '%s' has %d dimensions, supported are up to %d", index, result.name,
             shape.size, kMaxRank);
        return result;
    }
    result.rank = static_cast<uint8_t>(shape.size);
    const int32_t least =
        may_be_empty && shape.size == 1 && result.type == TensorType::kInt32 ? 0 : 1;
    for (uint32_t i = 0; i < shape.size; i++) {
        const int32_t dim = shape.I32(i);
        if (dim < least || static_cast<uint32_t>(dim) > (INT32_MAX - kBufferAlignment) / nbytes) {
            Fail(node, "tensor %d '%s': dimension %d is %d, which is dynamic, empty or too large",
                 index, result.name, i, dim);
            return result;
        }
        result.dims[i] = dim;
        nbytes *= static_cast<uint32_t>(dim);
    }
    result.nbytes = nbytes;

    const FlatTable parameters = table.Table(tensor::kQuantization);
    const FlatVector scales = parameters.Vector(quantization::kScale, 4);
    const FlatVector points = parameters.Vector(quantization::kZeroPoint, 8);
    result.quantization = Quantization(scales.data, scales.size, points.data, points.size,
                                       parameters.I32(quantization::kDimension));
    result.scale = scales.size > 0 ? result.quantization.scale(0) : 0.0f;
    result.zero_point = result.quantization.zero_point(0);

    const uint32_t number = static_cast<uint32_t>(table.I32(tensor::kBuffer));
    const FlatTable storage = model_.TableAt(buffers_, number);
    const FlatVector data = storage.Vector(buffer::kData, 1);
    if (buffer_.malformed || !table.present() || !storage.present()) {
        Malformed(node);
        return result;
    }
    if (storage.U64(buffer::kOffset) > 1) {
        Fail(node, "tensor %d '%s' is stored outside the flatbuffer, which is not supported", index,
             result.name);
        return result;
    }
    if (data.size > 0) {
        if (data.size < nbytes) {
            Fail(node, "tensor %d '%s': %d bytes are stored, its shape needs %d", index,
                 result.name, data.size, nbytes);
            return result;
        }
        if (reinterpret_cast<uintptr_t>(data.data) % alignment != 0) {
            Fail(node, "tensor %d '%s' is not aligned to %d bytes: align the model to 16", index,
                 result.name, alignment);
            return result;
        }
        result.is_constant = true;
        // Tensors are also what users write inputs to, hence not const; nobody writes to a
        // constant, because no operator may have one as output and no constant can be an input of
        // the model.
        result.data = const_cast<uint8_t *>(data.data);
    }
    // No elements are a value without a byte of data; no operator may have such a tensor as output.
    result.is_constant = result.is_constant || nbytes == 0;
    result.present = true;
    return result;
}

TfLiteStatus Program::CheckInputs() {
    for (uint32_t i = 0; i < inputs_.size; i++) {
        const Tensor tensor = Declared(inputs_.I32(i), -1);
        if (!tensor.present) {
            return kTfLiteError;
        }
        if (tensor.is_constant || buffer_of_[tensor.index] != kNoBuffer) {
            return Fail(-1,
                        "tensor %d '%s', an input of the model, is constant or another input too",
                        tensor.index, tensor.name);
        }
        buffer_of_[tensor.index] = static_cast<uint16_t>(planned_size_);
        if (AddBuffer(-1, tensor.nbytes, 0, 0) != kTfLiteOk) {
            return kTfLiteError;
        }
    }
    return kTfLiteOk;
}

TfLiteStatus Program::CheckRead(uint32_t node, int32_t index) {
    if (index == -1) {  // an optional input that is absent
        return kTfLiteOk;
    }
    const Tensor tensor = Declared(index, static_cast<int>(node), true);
    if (!tensor.present) {
        return kTfLiteError;
    }
    if (tensor.is_constant) {
        return kTfLiteOk;
    }
    if (buffer_of_[index] == kNoBuffer) {
        return Fail(static_cast<int>(node), "reads tensor %d '%s', which is not written yet", index,
                    tensor.name);
    }
    planned_[buffer_of_[index]].last = static_cast<uint16_t>(node);
    return kTfLiteOk;
}

TfLiteStatus Program::CheckWrite(uint32_t node, int32_t index) {
    const Tensor tensor = Declared(index, static_cast<int>(node));
    if (!tensor.present) {
        return kTfLiteError;
    }
    if (tensor.is_constant || buffer_of_[index] != kNoBuffer) {
        return Fail(static_cast<int>(node), "writes tensor %d '%s', which already has a value",
                    index, tensor.name);
    }
    buffer_of_[index] = static_cast<uint16_t>(planned_size_);
    return AddBuffer(static_cast<int>(node), tensor.nbytes, node, node);
}

TfLiteStatus Program::CheckOperator(uint32_t node) {
    const int index = static_cast<int>(node);
    const FlatTable table = OperatorTable(node);
    const FlatVector inputs = table.Vector(schema::op::kInputs, 4);
    const FlatVector outputs = table.Vector(schema::op::kOutputs, 4);
    if (!table.present() || buffer_.malformed) {
        return Malformed(index);
    }
    if (FindRegistration(node) < 0) {
        return NotRegistered(node);
    }
    if (inputs.size > kMaxNodeTensors || outputs.size > kMaxNodeTensors ||
        slots_size_ + inputs.size + outputs.size > kMaxSlots) {
        return Fail(index, "%d inputs and %d outputs: too many", inputs.size, outputs.size);
    }
    slots_size_ += inputs.size + outputs.size;
    for (uint32_t i = 0; i < inputs.size; i++) {
        if (CheckRead(node, inputs.I32(i)) != kTfLiteOk) {
            return kTfLiteError;
        }
    }
    for (uint32_t i = 0; i < outputs.size; i++) {
        if (CheckWrite(node, outputs.I32(i)) != kTfLiteOk) {
            return kTfLiteError;
        }
    }
    return kTfLiteOk;
}

TfLiteStatus Program::CheckOutputs() {
    for (uint32_t i = 0; i < outputs_.size; i++) {
        const Tensor tensor = Declared(outputs_.I32(i), -1);
        if (!tensor.present) {
            return kTfLiteError;
        }
        if (tensor.is_constant) {
            continue;
        }
        if (buffer_of_[tensor.index] == kNoBuffer) {
            return Fail(-1, "tensor %d '%s', an output of the model, is never computed",
                        tensor.index, tensor.name);
        }
        planned_[buffer_of_[tensor.index]].last = static_cast<uint16_t>(operators_.size);
    }
    return kTfLiteOk;
}

// Lets output 0 lie where input 0 lies, if the operator allows it. Operators come in order, so a
// root's `until` is complete as far as readers before this one go, and `last` of every tensor is
// final.
void Program::ShareBuffer(uint32_t node) {
    const FlatTable table = OperatorTable(node);
    const FlatVector inputs = table.Vector(schema::op::kInputs, 4);
    const FlatVector outputs = table.Vector(schema::op::kOutputs, 4);
    const uint8_t flags = RegistrationOf(node).flags;
    if (flags == kOperatorNone || inputs.size == 0 || outputs.size == 0 || inputs.I32(0) < 0) {
        return;
    }
    const Tensor x = Declared(inputs.I32(0), static_cast<int>(node));
    const Tensor y = Declared(outputs.I32(0), static_cast<int>(node));
    // Equal after rounding is not enough: one element that is broadcast to 16 must not be
    // overwritten.
    if (x.is_constant || x.nbytes != y.nbytes) {
        return;
    }
    PlannedBuffer &result = planned_[buffer_of_[y.index]];
    const uint16_t root_index = planned_[buffer_of_[x.index]].root;
    PlannedBuffer &root = planned_[root_index];
    if ((flags & kOperatorView) == 0 && root.until != node) {
        return;
    }
    result.root = root_index;
    root.until = result.last > root.until ? result.last : root.until;
}

TfLiteStatus Program::CheckGraph() {
    // The index of tensors to buffers, then the buffers.
    transient_nbytes_ = 0;
    planned_size_ = 0;
    slots_size_ = 0;
    const uint32_t index_nbytes = RoundUp(tensors_.size * sizeof(uint16_t));
    if (!GrowTransient(index_nbytes)) {
        return kTfLiteError;
    }
    buffer_of_ = reinterpret_cast<uint16_t *>(base_);
    planned_ = reinterpret_cast<PlannedBuffer *>(base_ + index_nbytes);
    for (uint32_t i = 0; i < tensors_.size; i++) {
        buffer_of_[i] = kNoBuffer;
    }
    if (CheckInputs() != kTfLiteOk) {
        return kTfLiteError;
    }
    for (uint32_t i = 0; i < operators_.size; i++) {
        if (CheckOperator(i) != kTfLiteOk) {
            return kTfLiteError;
        }
    }
    if (CheckOutputs() != kTfLiteOk) {
        return kTfLiteError;
    }
    for (uint32_t i = 0; i < planned_size_; i++) {
        planned_[i].until = planned_[i].last;
    }
    for (uint32_t i = 0; i < operators_.size; i++) {
        ShareBuffer(i);
    }
    activations_ = planned_size_;
    return kTfLiteOk;
}

// Version, subgraph and number of tensors come before the offsets. The plan counts the tensors of
// all subgraphs, and those of this one come first. One that does not fit the model is none.
FlatVector Program::OfflinePlan() const {
    const FlatVector entries = model_.Vector(schema::model::kMetadata, 4);
    for (uint32_t i = 0; i < entries.size; i++) {
        const FlatTable entry = model_.TableAt(entries, i);
        const FlatVector name = entry.Vector(schema::metadata::kName, 1);
        if (name.size != sizeof schema::kOfflinePlan - 1 ||
            memcmp(name.data, schema::kOfflinePlan, name.size) != 0) {
            continue;
        }
        const uint32_t number = static_cast<uint32_t>(entry.I32(schema::metadata::kBuffer));
        FlatVector words = model_.TableAt(buffers_, number).Vector(schema::buffer::kData, 1);
        words.size /= sizeof(int32_t);
        if (words.size >= schema::kOfflinePlanHeader + tensors_.size &&
            words.I32(0) == schema::kOfflinePlanVersion && words.I32(1) == 0 &&
            static_cast<uint32_t>(words.I32(2)) == words.size - schema::kOfflinePlanHeader) {
            return words;
        }
    }
    return {};
}

}  // namespace wpconvert
