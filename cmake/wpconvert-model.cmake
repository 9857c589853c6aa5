# wpconvert_add_model: a .tflite file as a library, converted at build time.

find_program(WPCONVERT_EXECUTABLE wpconvert DOC "The command that converts models")

function(wpconvert_add_model name model)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "METHOD" "OPTIONS")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "wpconvert_add_model(${name}): unexpected ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT WPCONVERT_EXECUTABLE)
        message(FATAL_ERROR "wpconvert is not on PATH: pip install wpconvert, or set WPCONVERT_EXECUTABLE")
    endif()
    if(NOT arg_METHOD)
        set(arg_METHOD auto)
    endif()
    get_filename_component(model "${model}" ABSOLUTE)
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}_model")
    file(MAKE_DIRECTORY "${folder}")
    add_custom_command(
        OUTPUT "${folder}/${name}.c" "${folder}/${name}.h"
        COMMAND "${WPCONVERT_EXECUTABLE}" convert "${model}" -m ${arg_METHOD} ${arg_OPTIONS} --quiet
                --to-c "${folder}/${name}.c"
        DEPENDS "${model}"
        COMMENT "Converting ${model}"
        VERBATIM)
    add_library(${name} STATIC "${folder}/${name}.c" "${folder}/${name}.h")
    target_include_directories(${name} PUBLIC "${folder}")
endfunction()
