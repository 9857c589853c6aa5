// Every operator that the runtime has: schema name, number in the schema's BuiltinOperator,
// resolver method.
#ifndef WPCONVERT_OPERATORS_H_
#define WPCONVERT_OPERATORS_H_

#include "wpconvert/operator.h"

#define WPCONVERT_BUILTIN_OPERATORS(X)          \
    X(ADD, 0, AddAdd)                           \
    X(AVERAGE_POOL_2D, 1, AddAveragePool2D)     \
    X(CONCATENATION, 2, AddConcatenation)       \
    X(CONV_2D, 3, AddConv2D)                    \
    X(DEPTHWISE_CONV_2D, 4, AddDepthwiseConv2D) \
    X(DEQUANTIZE, 6, AddDequantize)             \
    X(FULLY_CONNECTED, 9, AddFullyConnected)    \
    X(LOGISTIC, 14, AddLogistic)                \
    X(MAX_POOL_2D, 17, AddMaxPool2D)            \
    X(MUL, 18, AddMul)                          \
    X(RELU, 19, AddRelu)                        \
    X(RELU6, 21, AddRelu6)                      \
    X(RESHAPE, 22, AddReshape)                  \
    X(SOFTMAX, 25, AddSoftmax)                  \
    X(TANH, 28, AddTanh)                        \
    X(PAD, 34, AddPad)                          \
    X(TRANSPOSE, 39, AddTranspose)              \
    X(MEAN, 40, AddMean)                        \
    X(SUB, 41, AddSub)                          \
    X(SQUEEZE, 43, AddSqueeze)                  \
    X(STRIDED_SLICE, 45, AddStridedSlice)       \
    X(SPLIT, 49, AddSplit)                      \
    X(PADV2, 60, AddPadV2)                      \
    X(EXPAND_DIMS, 70, AddExpandDims)           \
    X(SHAPE, 77, AddShape)                      \
    X(REDUCE_MAX, 82, AddReduceMax)             \
    X(PACK, 83, AddPack)                        \
    X(LEAKY_RELU, 98, AddLeakyRelu)             \
    X(QUANTIZE, 114, AddQuantize)               \
    X(HARD_SWISH, 117, AddHardSwish)

// Custom operators, by custom code.
#define WPCONVERT_CUSTOM_OPERATORS(X) \
    X(WP_ADD)                         \
    X(WP_CONV_2D)                     \
    X(WP_DEPTHWISE_CONV_2D)           \
    X(WP_FULLY_CONNECTED)             \
    X(WP_LOOKUP)                      \
    X(WP_MUL)

namespace wpconvert {

#define WPCONVERT_DECLARE(name, number, method) const Registration *Register_##name();
WPCONVERT_BUILTIN_OPERATORS(WPCONVERT_DECLARE)
#undef WPCONVERT_DECLARE

#define WPCONVERT_DECLARE(name) const Registration *Register_##name();
WPCONVERT_CUSTOM_OPERATORS(WPCONVERT_DECLARE)
#undef WPCONVERT_DECLARE

}  // namespace wpconvert

#endif  // WPCONVERT_OPERATORS_H_
