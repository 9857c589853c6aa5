# find_package(wpconvert): kernels and runtime as targets of the project that asks.
#
#   wpconvert::kernels   the C library of decoding and computing
#   wpconvert::runtime   the interpreter and its operators, with the kernels
#   wpconvert::port      start-up, linker script and semihosting of the board WPCONVERT_BOARD (see arm-none-eabi.cmake)
#
#   wpconvert_add_model(NAME MODEL.tflite [METHOD auto] [OPTIONS --strip …])
#     a library NAME with the model as a C array; its header is NAME.h

get_filename_component(_wpconvert_root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

if(NOT TARGET wpk)
    add_subdirectory("${_wpconvert_root}/kernels" "${CMAKE_BINARY_DIR}/wpconvert/kernels")
endif()
if(NOT TARGET wpconvert_runtime)
    add_subdirectory("${_wpconvert_root}/runtime" "${CMAKE_BINARY_DIR}/wpconvert/runtime")
endif()
if(WPCONVERT_BOARD_DIR AND NOT TARGET wpconvert_port)
    add_subdirectory("${_wpconvert_root}/runtime/ports" "${CMAKE_BINARY_DIR}/wpconvert/port")
endif()

if(NOT TARGET wpconvert::kernels)
    add_library(wpconvert::kernels ALIAS wpk)
endif()

include("${CMAKE_CURRENT_LIST_DIR}/wpconvert-model.cmake")
