// Where the windows of convolutions and pools lie.
#ifndef WPCONVERT_OPS_WINDOW_H_
#define WPCONVERT_OPS_WINDOW_H_

#include <stdint.h>

namespace wpconvert {

// The schema's Padding.
enum class Padding : uint8_t { kSame = 0, kValid = 1 };

// More multiply-accumulates than this in one operator are refused: minutes, where real layers take
// milliseconds.
constexpr uint64_t kWorkLimit = static_cast<uint64_t>(1) << 38;

// Along one axis: output size, and padding before the image. A dilation without effect becomes 1.
// False for parameters below 1 and for windows that do not fit.
inline bool SolveWindow(int32_t size, int32_t window, int32_t stride, int32_t *dilation,
                        Padding padding, int32_t *output, int32_t *before) {
    if (size < 1 || window < 1 || stride < 1 || *dilation < 1) {
        return false;
    }
    if (window == 1) {
        *dilation = 1;
    }
    // Kernels add window positions in 32 bits, one step beyond the last too.
    if (size + static_cast<int64_t>(window) * *dilation > INT32_MAX / 2) {
        return false;
    }
    const int64_t extent = static_cast<int64_t>(window - 1) * *dilation + 1;
    const int64_t count = padding == Padding::kSame
                              ? (static_cast<int64_t>(size) + stride - 1) / stride
                          : size < extent ? 0
                                          : (size - extent) / stride + 1;
    const int64_t total = (count - 1) * stride + extent - size;
    *output = static_cast<int32_t>(count);
    *before = padding == Padding::kSame && total > 0 ? static_cast<int32_t>(total / 2) : 0;
    return count > 0;
}

}  // namespace wpconvert

#endif  // WPCONVERT_OPS_WINDOW_H_
