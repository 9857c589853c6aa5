# Toolchain file: arm-none-eabi-gcc for the board WPCONVERT_BOARD, a folder of runtime/ports or a path to one.

set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WPCONVERT_BOARD)

if(NOT WPCONVERT_BOARD)
    message(FATAL_ERROR "set WPCONVERT_BOARD to a folder of runtime/ports, such as -DWPCONVERT_BOARD=corstone300")
endif()
get_filename_component(WPCONVERT_BOARD_DIR "${WPCONVERT_BOARD}" ABSOLUTE BASE_DIR
                       "${CMAKE_CURRENT_LIST_DIR}/../runtime/ports")
if(NOT EXISTS "${WPCONVERT_BOARD_DIR}/board.cmake")
    message(FATAL_ERROR "WPCONVERT_BOARD=${WPCONVERT_BOARD}: there is no ${WPCONVERT_BOARD_DIR}/board.cmake")
endif()
include("${WPCONVERT_BOARD_DIR}/board.cmake")

set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)

list(JOIN WPCONVERT_CPU_FLAGS " " flags)
string(APPEND flags " -ffunction-sections -fdata-sections")
set(CMAKE_C_FLAGS_INIT "${flags}")
set(CMAKE_ASM_FLAGS_INIT "${flags}")
set(CMAKE_CXX_FLAGS_INIT
    "${flags} -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit")
# Not _INIT: CMake would append its own -O3.
foreach(language C CXX)
    set(CMAKE_${language}_FLAGS_RELEASE "-O2 -DNDEBUG" CACHE STRING "Flags of release builds")
endforeach()

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
