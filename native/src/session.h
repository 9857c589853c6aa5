// A model, an arena and an interpreter with every operator and codec, for programs that run on the
// host.
#ifndef WPCONVERT_NATIVE_SESSION_H_
#define WPCONVERT_NATIVE_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace wpconvert::native {

// What the runtime says when it refuses a model, a blob or an arena.
class Error : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
};

enum class ElementKind : uint8_t { kSigned, kUnsigned, kFloat, kBool };

// An input or output of the model: its tensor in the arena, `nbytes` of it.
struct Port {
    ElementKind kind;
    uint8_t element_nbits;
    std::vector<size_t> shape;
    uint8_t *data;
    size_t nbytes;
};

// A copy of what output `position` of an operator was when the operator had run.
struct Result {
    int node;
    int position;
    ElementKind kind;
    uint8_t element_nbits;
    std::vector<size_t> shape;
    std::vector<uint8_t> bytes;
};

// A checked blob of weights.
class WeightBlob {
   public:
    // Copies the bytes, and those of the pool tensor unless `pool` is null. Throws Error when they
    // are malformed.
    WeightBlob(const uint8_t *data, size_t nbytes, const uint8_t *pool, size_t pool_nbytes);
    ~WeightBlob();
    WeightBlob(const WeightBlob &) = delete;
    WeightBlob &operator=(const WeightBlob &) = delete;

    std::vector<size_t> shape() const;
    size_t rows() const;
    size_t cols() const;

    // Rows [first, last) in calls of `step` rows, as a kernel does it. Throws std::out_of_range.
    std::vector<int8_t> decode(size_t first, size_t last, size_t step) const;

   private:
    struct State;
    std::unique_ptr<State> state_;
};

class Session {
   public:
    // Prepares the model, whose bytes have to outlive the session: only those that do not lie on a
    // boundary of 16 bytes are copied. With arena_nbytes = 0 the arena is as large as it takes, up
    // to kMaxArenaNbytes; `fill` is what its bytes are before. Throws Error.
    Session(const uint8_t *model, size_t nbytes, size_t arena_nbytes, uint8_t fill = 0);
    ~Session();
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    const std::vector<Port> &inputs() const {
        return inputs_;
    }
    const std::vector<Port> &outputs() const {
        return outputs_;
    }

    // One inference over what the inputs' memory holds. Throws Error.
    void invoke();
    // The same, and what every operator computed, in order.
    std::vector<Result> trace();

    size_t arena_used() const;
    size_t arena_nbytes() const;

    static constexpr size_t kMaxArenaNbytes = size_t{1} << 31;

   private:
    struct State;
    std::unique_ptr<State> state_;
    std::vector<Port> inputs_, outputs_;
};

// The lower end of a model's arena on a core: activations and scratch as the runtime places them,
// or what placing them takes where that is more. `scratch`: operator and bytes, for each that asks
// for some.
struct LowerArena {
    size_t nbytes;
    std::vector<std::pair<uint32_t, uint32_t>> scratch;
};

// `core` as in a board.json; `spare`: whether layers may take memory that other layers need anyway,
// as they do here, but not in TensorFlow Lite Micro. Throws Error for a core that is not known and
// a model that the runtime refuses.
LowerArena lower_arena(const uint8_t *model, size_t nbytes, const std::string &core, bool spare);

// Names of the operators and codecs that sessions know.
std::vector<std::string> operator_names();
std::vector<std::string> codec_names();

}  // namespace wpconvert::native

#endif  // WPCONVERT_NATIVE_SESSION_H_
