// What a model declares about a tensor, and where its elements are.
#ifndef WPCONVERT_TENSOR_H_
#define WPCONVERT_TENSOR_H_

#include <stddef.h>
#include <stdint.h>

namespace wpconvert {

// Element types by their number in the TFLite schema; a tensor of any other type is refused.
enum class TensorType : uint8_t {
    kFloat32 = 0,
    kInt32 = 2,
    kUInt8 = 3,
    kInt64 = 4,
    kBool = 6,
    kInt16 = 7,
    kInt8 = 9,
    kUInt32 = 15,
    kUInt16 = 16,
};

// Bytes of one element; 0 for a type outside the enumeration.
uint32_t ElementNbytes(TensorType type);

// The type's name, "INT8"; empty where texts are compiled out.
const char *TypeName(TensorType type);

constexpr int kMaxRank = 6;

// The per-channel scales and zero points of a tensor, read in place from the model.
class Quantization {
   public:
    Quantization() = default;
    Quantization(const uint8_t *scales, uint32_t scale_count, const uint8_t *zero_points,
                 uint32_t zero_point_count, int32_t dimension)
        : scales_(scales),
          zero_points_(zero_points),
          scale_count_(scale_count),
          zero_point_count_(zero_point_count),
          dimension_(dimension) {}

    // Number of scales: 0 none, 1 per tensor, otherwise one per entry of dimension().
    uint32_t count() const {
        return scale_count_;
    }
    // Scale i, i in [0, count()); not checked to be positive or finite.
    float scale(uint32_t i) const;
    // Zero point i; with one stored value it serves every i, with none it is 0. Values outside
    // int32 saturate.
    int32_t zero_point(uint32_t i) const;
    uint32_t zero_point_count() const {
        return zero_point_count_;
    }
    // The dimension the scales run along.
    int32_t dimension() const {
        return dimension_;
    }

   private:
    const uint8_t *scales_ = nullptr;
    const uint8_t *zero_points_ = nullptr;
    uint32_t scale_count_ = 0;
    uint32_t zero_point_count_ = 0;
    int32_t dimension_ = 0;
};

// A tensor of the model. Rank is 0 … kMaxRank, every dimension ≥ 1, nbytes < 2^31.
struct Tensor {
    // Constants: in the model, aligned to the element size. Others: nullptr while operators are
    // being prepared, in the arena (16-byte aligned) afterwards.
    void *data = nullptr;
    int32_t dims[kMaxRank] = {};
    uint8_t rank = 0;
    TensorType type = TensorType::kInt8;
    bool is_constant = false;
    bool present =
        false;  // false for an optional input that is absent, and for a position beyond the last
    int32_t zero_point = 0;  // of the first channel
    float scale = 0.0f;      // of the first channel; 0 without quantisation
    uint32_t nbytes = 0;     // elements · element size
    int32_t index = -1;      // in the model's subgraph
    const char *name = "";
    Quantization quantization;

    uint32_t elements() const {
        return nbytes / ElementNbytes(type);
    }
    bool SameShape(const Tensor &other) const;

    template <typename T>
    T *as() {
        return static_cast<T *>(data);
    }
    template <typename T>
    const T *as() const {
        return static_cast<const T *>(data);
    }
};

}  // namespace wpconvert

#endif  // WPCONVERT_TENSOR_H_
