#!/bin/sh
# Run a file of kernels/tests/codec_cases.py on this machine, with sanitizers: codec.sh CASES [extra compiler flags]
# WPK_OUT: the folder to build in, for runs at the same time.
set -eu
cases=$(realpath "$1")
shift
root=$(realpath "$(dirname "$0")/../..")
out=${WPK_OUT:-$root/build/codec}
mkdir -p "$out"
gcc -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -std=c11 -Wall -Wextra -Werror \
    -I"$root/kernels/include" "$@" "$root/kernels/tests/codec_cases.c" "$root"/kernels/src/*/*.c -o "$out/cases"
exec "$out/cases" "$cases"
