#include "program.h"

#include "tensorflow/lite/micro/micro_context.h"
#include "tensorflow/lite/micro/micro_log.h"

namespace wpconvert {

namespace {

// The schema's number of a type; those that no operator here takes need no name.
TensorType TypeOf(const TfLiteTensor &tensor) {
    constexpr uint8_t kOther = 0xff;
    switch (tensor.type) {
        case kTfLiteInt8:
            return TensorType::kInt8;
        case kTfLiteUInt8:
            return TensorType::kUInt8;
        case kTfLiteInt16:
            return TensorType::kInt16;
        case kTfLiteInt32:
            return TensorType::kInt32;
        case kTfLiteFloat32:
            return TensorType::kFloat32;
        default:
            return static_cast<TensorType>(kOther);
    }
}

// Shape and size as `Tensor` promises them. TensorFlow Lite Micro takes both from the file as they
// are.
bool ReadShape(const TfLiteTensor &from, Tensor *to) {
    const TfLiteIntArray *const dims = from.dims;
    if (dims == nullptr || dims->size < 0 || dims->size > kMaxRank || from.bytes > INT32_MAX) {
        return false;
    }
    // Stays below 2^31 · 2^31.
    uint64_t nbytes = ElementNbytes(to->type) > 0 ? ElementNbytes(to->type) : from.bytes;
    for (int i = 0; i < dims->size; ++i) {
        if (dims->data[i] < 1) {
            return false;
        }
        to->dims[i] = dims->data[i];
        nbytes *= ElementNbytes(to->type) > 0 ? static_cast<uint64_t>(dims->data[i]) : 1;
        if (nbytes > INT32_MAX) {
            return false;
        }
    }
    to->rank = static_cast<uint8_t>(dims->size);
    to->nbytes = static_cast<uint32_t>(from.bytes);
    return nbytes == from.bytes;
}

void ReadQuantization(const TfLiteTensor &from, Tensor *to) {
    to->scale = from.params.scale;
    to->zero_point = from.params.zero_point;
    if (from.quantization.type != kTfLiteAffineQuantization ||
        from.quantization.params == nullptr) {
        return;
    }
    const auto *const affine =
        static_cast<const TfLiteAffineQuantization *>(from.quantization.params);
    if (affine->scale != nullptr && affine->scale->size > 0) {
        // Zero points beyond the first have no reader.
        to->quantization = Quantization(reinterpret_cast<const uint8_t *>(affine->scale->data),
                                        static_cast<uint32_t>(affine->scale->size), nullptr, 0,
                                        affine->quantized_dimension);
    }
}

bool ReadTensor(const TfLiteTensor &from, int index, Tensor *to) {
    to->type = TypeOf(from);
    to->is_constant = from.allocation_type == kTfLiteMmapRo;
    to->present = true;
    to->index = index;
    to->data = to->is_constant ? from.data.data : nullptr;
    ReadQuantization(from, to);
    return ReadShape(from, to);
}

int Size(const TfLiteIntArray *indices) {
    return indices == nullptr ? 0 : indices->size;
}

Tensor At(const Tensor *tensors, int limit, int position) {
    return position < 0 || position >= limit ? Tensor() : tensors[position];
}

}  // namespace

TfLiteStatus Program::Read(const TfLiteIntArray *indices, int limit, bool outputs,
                           Tensor *tensors) {
    tflite::MicroContext *const micro = tflite::GetMicroContext(context_);
    for (int i = 0; i < limit && i < Size(indices); ++i) {
        if (indices->data[i] < 0) {
            continue;  // an optional input that is absent
        }
        const ErrorArgument index(static_cast<int>(indices->data[i]));
        TfLiteTensor *const found = outputs ? micro->AllocateTempOutputTensor(node_, i)
                                            : micro->AllocateTempInputTensor(node_, i);
        if (found == nullptr) {
            return Fail("no room in the arena to read tensor %d", &index, 1);
        }
        const bool good = ReadTensor(*found, indices->data[i], &tensors[i]);
        micro->DeallocateTempTfLiteTensor(found);
        if (!good) {
            return Fail("the shape of tensor %d is malformed or has more than 6 dimensions", &index,
                        1);
        }
    }
    return kTfLiteOk;
}

TfLiteStatus Program::Open() {
    state_ = static_cast<State *>(AllocatePersistent(sizeof(State)));
    if (state_ == nullptr) {
        return kTfLiteError;
    }
    *state_ = {nullptr, kNoScratch};
    node_->user_data = state_;
    return Read(node_->inputs, kMaxInputs, false, inputs_) == kTfLiteOk
               ? Read(node_->outputs, kMaxOutputs, true, outputs_)
               : kTfLiteError;
}

int Program::inputs_size() const {
    return Size(node_->inputs);
}

int Program::outputs_size() const {
    return Size(node_->outputs);
}

Tensor Program::input(int position) const {
    return At(inputs_, kMaxInputs, position);
}

Tensor Program::output(int position) const {
    return At(outputs_, kMaxOutputs, position);
}

FlatVector Program::CustomOptions() const {
    const int size = node_->custom_initial_data_size;
    if (node_->custom_initial_data == nullptr || size <= 0) {
        return {};
    }
    return {static_cast<const uint8_t *>(node_->custom_initial_data), static_cast<uint32_t>(size)};
}

void *Program::AllocatePersistent(uint32_t nbytes) {
    void *const memory = tflite::GetMicroContext(context_)->AllocatePersistentBuffer(nbytes);
    if (memory == nullptr) {
        Fail("the arena is full", nullptr, 0);
    }
    return memory;
}

void Program::SetUserData(void *user_data) {
    state_->user_data = user_data;
}

int Program::RequestScratch(uint32_t nbytes) {
    if (nbytes == 0) {
        return 0;
    }
    // One buffer for each operator, and sizes are int inside TensorFlow Lite Micro.
    if (state_->scratch != kNoScratch || nbytes > INT32_MAX ||
        tflite::GetMicroContext(context_)->RequestScratchBufferInArena(nbytes, &state_->scratch) !=
            kTfLiteOk) {
        const ErrorArgument size(nbytes);
        Fail("no room for %d bytes of scratch", &size, 1);
        return -1;
    }
    return 0;
}

TfLiteStatus Program::Fail(const char *format, const ErrorArgument *arguments, uint32_t count) {
#ifdef WPCONVERT_NO_ERROR_STRINGS
    (void)format, (void)arguments, (void)count, (void)name_;
#else
    ErrorReport report;
    report.Set(-1, name_, format, arguments, count);
    MicroPrintf("%s: %s", name_, report.text());
#endif
    return kTfLiteError;
}

}  // namespace wpconvert
