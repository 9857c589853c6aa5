#include "wpconvert/tensor.h"

#include "load.h"

namespace wpconvert {

uint32_t ElementNbytes(TensorType type) {
    switch (type) {
        case TensorType::kUInt8:
        case TensorType::kBool:
        case TensorType::kInt8:
            return 1;
        case TensorType::kInt16:
        case TensorType::kUInt16:
            return 2;
        case TensorType::kFloat32:
        case TensorType::kInt32:
        case TensorType::kUInt32:
            return 4;
        case TensorType::kInt64:
            return 8;
    }
    return 0;
}

const char *TypeName(TensorType type) {
#ifdef WPCONVERT_NO_ERROR_STRINGS
    (void)type;
    return "";
#else
    static const char *const kNames[] = {"FLOAT32", "FLOAT16",    "INT32",  "UINT8",     "INT64",
                                         "STRING",  "BOOL",       "INT16",  "COMPLEX64", "INT8",
                                         "FLOAT64", "COMPLEX128", "UINT64", "RESOURCE",  "VARIANT",
                                         "UINT32",  "UINT16",     "INT4"};
    const unsigned number = static_cast<uint8_t>(type);
    return number < sizeof(kNames) / sizeof(kNames[0]) ? kNames[number] : "of an unknown type";
#endif
}

bool Tensor::SameShape(const Tensor &other) const {
    return rank == other.rank && memcmp(dims, other.dims, rank * sizeof(dims[0])) == 0;
}

float Quantization::scale(uint32_t i) const {
    return Load<float>(scales_ + i * sizeof(float));
}

int32_t Quantization::zero_point(uint32_t i) const {
    if (zero_point_count_ == 0) {
        return 0;
    }
    const uint32_t stored = i < zero_point_count_ ? i : 0;
    const int64_t value = Load<int64_t>(zero_points_ + stored * sizeof(int64_t));
    return static_cast<int32_t>(value < INT32_MIN   ? INT32_MIN
                                : value > INT32_MAX ? INT32_MAX
                                                    : value);
}

}  // namespace wpconvert
