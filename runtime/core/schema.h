// What the runtime needs to know of the TFLite schema: slot numbers of fields, and a few values.
#ifndef WPCONVERT_CORE_SCHEMA_H_
#define WPCONVERT_CORE_SCHEMA_H_

#include <stdint.h>

namespace wpconvert {
namespace schema {

constexpr char kIdentifier[] = "TFL3";
constexpr uint32_t kVersion = 3;
constexpr int32_t kCustom = 32;  // BuiltinOperator.CUSTOM
// Metadata of TFLM: version, subgraph, number of tensors, then an offset for each, −1 for any.
constexpr char kOfflinePlan[] = "OfflineMemoryAllocation";
constexpr int32_t kOfflinePlanVersion = 1;
constexpr uint32_t kOfflinePlanHeader = 3;

namespace model {
enum : uint32_t { kVersion = 0, kOperatorCodes = 1, kSubgraphs = 2, kBuffers = 4, kMetadata = 6 };
}
namespace metadata {
enum : uint32_t { kName = 0, kBuffer = 1 };
}
namespace operator_code {
enum : uint32_t { kDeprecatedBuiltin = 0, kCustomCode = 1, kBuiltin = 3 };
}
namespace subgraph {
enum : uint32_t { kTensors = 0, kInputs = 1, kOutputs = 2, kOperators = 3 };
}
namespace tensor {
enum : uint32_t { kShape = 0, kType = 1, kBuffer = 2, kName = 3, kQuantization = 4, kSparsity = 6 };
}
namespace quantization {
enum : uint32_t { kScale = 2, kZeroPoint = 3, kDimension = 6 };
}
namespace buffer {
enum : uint32_t { kData = 0, kOffset = 1 };
}
namespace op {
enum : uint32_t {
    kCode = 0,
    kInputs = 1,
    kOutputs = 2,
    kOptionsType = 3,
    kOptions = 4,
    kCustomOptions = 5
};
}

}  // namespace schema
}  // namespace wpconvert

#endif  // WPCONVERT_CORE_SCHEMA_H_
