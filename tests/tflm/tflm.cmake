# Of a checkout of tflite-micro, TFLM_DIR: the sources of its interpreter and kernels' helpers, and its folders of headers.
set(lite ${TFLM_DIR}/tensorflow/lite)
set(kernels ${lite}/micro/kernels)
set(downloads ${lite}/micro/tools/make/downloads)

file(
    GLOB
    tflm_core
    ${TFLM_DIR}/tensorflow/compiler/mlir/lite/core/api/*.cc
    ${TFLM_DIR}/tensorflow/compiler/mlir/lite/schema/*.cc
    ${lite}/core/api/*.cc
    ${lite}/core/c/*.cc
    ${lite}/kernels/*.cc
    ${lite}/kernels/internal/*.cc
    ${lite}/kernels/internal/reference/*.cc
    ${lite}/schema/*.cc
    ${lite}/micro/*.cc
    ${lite}/micro/arena_allocator/*.cc
    ${lite}/micro/memory_planner/*.cc
    ${lite}/micro/tflite_bridge/*.cc)
list(FILTER tflm_core EXCLUDE REGEX "_test\\.cc$|/(test_helper|fake_micro|mock_micro|recording_)[a-z_]*\\.cc$")
set(tflm_helpers ${kernels}/kernel_util.cc ${kernels}/micro_tensor_utils.cc)
set(tflm_includes ${TFLM_DIR} ${downloads}/flatbuffers/include ${downloads}/gemmlowp ${downloads}/ruy)
