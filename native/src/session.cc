#include "session.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "cores.h"
#include "wpconvert/all_operators.h"
#include "wpconvert/micro_interpreter.h"
#include "wpconvert/program.h"
#include "wpk/blob.h"
#include "wpk/status.h"
#include "wpk/weights.h"

namespace wpconvert::native {

namespace {

constexpr size_t kAlignment = 16;
constexpr size_t kFirstArenaNbytes = size_t{1} << 18;

// The limit of docs/FORMAT.md on how much a short hostile blob may ask for.
constexpr uint64_t kFreeWeights = uint64_t{1} << 26;
constexpr uint64_t kMaxExpansion = 4096;

struct Free {
    void operator()(uint8_t *memory) const {
        std::free(memory);
    }
};
using Aligned = std::unique_ptr<uint8_t[], Free>;

// Exactly nbytes, so that a sanitizer sees what lies behind; at least one, so that the pointer is
// one.
Aligned allocate(size_t nbytes) {
    void *memory = nullptr;
    if (posix_memalign(&memory, kAlignment, nbytes == 0 ? 1 : nbytes) != 0) {
        throw std::bad_alloc();
    }
    return Aligned(static_cast<uint8_t *>(memory));
}

Aligned copy_of(const uint8_t *data, size_t nbytes) {
    Aligned copy = allocate(nbytes);
    if (nbytes != 0) {
        std::memcpy(copy.get(), data, nbytes);
    }
    return copy;
}

// Bytes on a boundary of kAlignment: those that are given where they lie on one, else a copy.
struct OnBoundary {
    OnBoundary(const uint8_t *bytes, size_t nbytes) : data(bytes) {
        if (reinterpret_cast<uintptr_t>(bytes) % kAlignment != 0) {
            copy = copy_of(bytes, nbytes);
            data = copy.get();
        }
    }

    const uint8_t *data;
    Aligned copy;
};

std::pair<ElementKind, uint8_t> element_of(TensorType type) {
    const auto nbits = static_cast<uint8_t>(8 * ElementNbytes(type));
    switch (type) {
        case TensorType::kFloat32:
            return {ElementKind::kFloat, nbits};
        case TensorType::kBool:
            return {ElementKind::kBool, nbits};
        case TensorType::kUInt8:
        case TensorType::kUInt16:
        case TensorType::kUInt32:
            return {ElementKind::kUnsigned, nbits};
        case TensorType::kInt8:
        case TensorType::kInt16:
        case TensorType::kInt32:
        case TensorType::kInt64:
            return {ElementKind::kSigned, nbits};
    }
    throw Error("the type of an input or output is not supported");
}

Port port_of(Tensor *tensor) {
    const auto [kind, nbits] = element_of(tensor->type);
    return {kind,
            nbits,
            {tensor->dims, tensor->dims + tensor->rank},
            tensor->as<uint8_t>(),
            tensor->nbytes};
}

const MicroMutableOpResolver<kAllOperators> &all_operators() {
    static MicroMutableOpResolver<kAllOperators> resolver;
    static const bool complete = AddAllOperators(&resolver) == kTfLiteOk && AddAllCodecs();
    if (!complete) {
        throw Error("the operators and codecs cannot all be registered");
    }
    return resolver;
}

const char *text_of(wpk_status status) {
    switch (status) {
        case WPK_OK:
            return "valid";
        case WPK_BAD_BLOB:
            return "malformed";
        case WPK_BAD_TABLE:
            return "the table is malformed";
        case WPK_BAD_SIDE:
            return "the shared vectors are malformed";
        case WPK_UNKNOWN_CODEC:
            return "the codec is unknown";
        case WPK_UNSUPPORTED:
            return "not supported";
    }
    return "malformed";
}

void expect_sound(wpk_status status) {
    if (status != WPK_OK) {
        throw Error(std::string("weight blob: ") + text_of(status));
    }
}

}  // namespace

struct Session::State {
    State(const uint8_t *bytes, size_t nbytes) : model(bytes, nbytes) {}

    OnBoundary model;
    Aligned arena;
    size_t arena_nbytes = 0;
    std::unique_ptr<MicroInterpreter> interpreter;

    // Prepares the model in an arena of that size; false when it fails.
    bool prepare(size_t model_nbytes, size_t nbytes, uint8_t fill) {
        interpreter.reset();
        arena.reset();
        arena = allocate(nbytes);
        arena_nbytes = nbytes;
        std::memset(arena.get(), fill, nbytes);
        interpreter = std::make_unique<MicroInterpreter>(model.data, model_nbytes, all_operators(),
                                                         arena.get(), nbytes);
        return interpreter->AllocateTensors() == kTfLiteOk;
    }
};

Session::Session(const uint8_t *model, size_t nbytes, size_t arena_nbytes, uint8_t fill)
    : state_(std::make_unique<State>(model, nbytes)) {
    bool prepared =
        state_->prepare(nbytes, arena_nbytes == 0 ? kFirstArenaNbytes : arena_nbytes, fill);
    while (!prepared && arena_nbytes == 0) {
        const size_t needed = arena_used();
        if (needed <= state_->arena_nbytes || needed > kMaxArenaNbytes) {
            break;
        }
        prepared = state_->prepare(nbytes, needed, fill);
    }
    MicroInterpreter &interpreter = *state_->interpreter;
    if (!prepared) {
        throw Error(interpreter.error());
    }
    for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
        inputs_.push_back(port_of(interpreter.input(i)));
    }
    for (size_t i = 0; i < interpreter.outputs_size(); ++i) {
        outputs_.push_back(port_of(interpreter.output(i)));
    }
}

Session::~Session() = default;

void Session::invoke() {
    if (state_->interpreter->Invoke() != kTfLiteOk) {
        throw Error(state_->interpreter->error());
    }
}

std::vector<Result> Session::trace() {
    struct Record {
        MicroInterpreter &interpreter;
        std::vector<Result> results;
    } record{*state_->interpreter, {}};
    // Memory is reused: a value is there only until a later operator overwrites it.
    const auto observe = [](void *user, int index, const char *, bool after) {
        auto &[interpreter, results] = *static_cast<Record *>(user);
        for (int position = 0; after; ++position) {
            Tensor tensor = interpreter.operator_output(index, position);
            if (!tensor.present) {
                break;
            }
            const Port port = port_of(&tensor);
            results.push_back({index,
                               position,
                               port.kind,
                               port.element_nbits,
                               port.shape,
                               {port.data, port.data + port.nbytes}});
        }
    };
    record.interpreter.SetObserver(observe, &record);
    const TfLiteStatus status = record.interpreter.Invoke();
    record.interpreter.SetObserver(nullptr, nullptr);
    if (status != kTfLiteOk) {
        throw Error(record.interpreter.error());
    }
    return std::move(record.results);
}

size_t Session::arena_used() const {
    return state_->interpreter->arena_used_bytes();
}

size_t Session::arena_nbytes() const {
    return state_->arena_nbytes;
}

// Names in a model may be anything, and the text of an error must be UTF-8.
static std::string printable(std::string text) {
    for (char &c : text) {
        if (static_cast<unsigned char>(c) >= 0x80) {
            c = '?';
        }
    }
    return text;
}

LowerArena lower_arena(const uint8_t *model, size_t nbytes, const std::string &core, bool spare) {
    const wpk_core planned = core_of(core);
    const OnBoundary bytes(model, nbytes);
    size_t arena_nbytes = kFirstArenaNbytes;
    while (true) {
        const Aligned arena = allocate(arena_nbytes);
        Program program(bytes.data, nbytes, all_operators(), arena.get(), arena_nbytes);
        program.PlanFor(planned, spare);
        const bool built = program.Build() == kTfLiteOk;
        const size_t needed = program.arena_nbytes_needed();
        if (built) {
            LowerArena lower;
            lower.nbytes =
                needed - ((program.persistent_nbytes() + kAlignment - 1) & ~(kAlignment - 1));
            for (uint32_t i = 0; i < program.scratch_requests(); ++i) {
                const Program::ScratchRequest request = program.scratch_request(i);
                lower.scratch.emplace_back(request.node, request.nbytes);
            }
            return lower;
        }
        if (needed <= arena_nbytes || needed > Session::kMaxArenaNbytes) {
            throw Error(printable(program.error_text()));
        }
        arena_nbytes = needed;
    }
}

struct WeightBlob::State {
    Aligned bytes, side_bytes, side;
    wpk_blob blob;
    const wpk_codec *codec;
};

WeightBlob::WeightBlob(const uint8_t *data, size_t nbytes, const uint8_t *pool, size_t pool_nbytes)
    : state_(std::make_unique<State>()) {
    all_operators();
    if (nbytes > UINT32_MAX || pool_nbytes > UINT32_MAX) {
        throw Error("weight blob: 2^32 bytes or more");
    }
    state_->bytes = copy_of(data, nbytes);
    wpk_blob &blob = state_->blob;
    expect_sound(wpk_blob_parse(state_->bytes.get(), static_cast<uint32_t>(nbytes), &blob));
    const uint64_t count = uint64_t{blob.rows} * blob.cols;
    if (count > kFreeWeights && count > kMaxExpansion * nbytes) {
        throw Error("weight blob: " + std::to_string(nbytes) + " bytes claim to hold " +
                    std::to_string(count) + " weights");
    }
    state_->codec = FindCodec(blob.codec);
    if (pool != nullptr && state_->codec != nullptr && state_->codec->parse_side != nullptr) {
        state_->side_bytes = copy_of(pool, pool_nbytes);
        state_->side = allocate(state_->codec->side_nbytes);
        expect_sound(state_->codec->parse_side(
            state_->side_bytes.get(), static_cast<uint32_t>(pool_nbytes), state_->side.get()));
        blob.side = state_->side.get();
    }
    expect_sound(state_->codec == nullptr ? WPK_UNKNOWN_CODEC : state_->codec->check(&blob));
}

WeightBlob::~WeightBlob() = default;

std::vector<size_t> WeightBlob::shape() const {
    return {state_->blob.dims, state_->blob.dims + state_->blob.ndim};
}

size_t WeightBlob::rows() const {
    return state_->blob.rows;
}

size_t WeightBlob::cols() const {
    return state_->blob.cols;
}

std::vector<int8_t> WeightBlob::decode(size_t first, size_t last, size_t step) const {
    if (first > last || last > rows() || step == 0) {
        throw std::out_of_range("rows " + std::to_string(first) + " to " + std::to_string(last) +
                                " of " + std::to_string(rows()));
    }
    std::vector<int8_t> values((last - first) * cols());
    const wpk_weights weights = wpk_weights_of_blob(&state_->blob, state_->codec);
    const Aligned tables = allocate(wpk_tables_nbytes(&weights));
    wpk_cursor cursor = wpk_first_row(&weights, tables.get());
    for (size_t row = first; row < last; row += step) {
        const size_t count = last - row < step ? last - row : step;
        state_->codec->decode(&state_->blob, &cursor, static_cast<uint32_t>(row),
                              static_cast<uint32_t>(count), values.data() + (row - first) * cols(),
                              static_cast<uint32_t>(cols()));
    }
    return values;
}

std::vector<std::string> operator_names() {
#define WPCONVERT_BUILTIN(name, number, method) #name,
#define WPCONVERT_CUSTOM(name) #name,
    return {
#include "wpconvert/operators.def"
    };
}

std::vector<std::string> codec_names() {
    all_operators();
    std::vector<std::string> names;
    for (unsigned number = 0; number <= UINT8_MAX; ++number) {
        if (const wpk_codec *codec = FindCodec(static_cast<uint8_t>(number))) {
            names.emplace_back(codec->name);
        }
    }
    return names;
}

}  // namespace wpconvert::native
