set(WPCONVERT_CPU_FLAGS -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard)
set(WPCONVERT_BOARD_SOURCES ${CMAKE_CURRENT_LIST_DIR}/../common/cmsdk_timer.c)
set(WPCONVERT_BOARD_LINKER_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/../common/mps2.ld)
