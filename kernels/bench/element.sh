#!/bin/sh
# Run a file of kernels/tests/element_cases.py: element.sh host|soft|m3|m4|m55 CASES [extra compiler flags]
# soft: the host with the paths for cores without a floating-point unit.
# WPK_OUT: the folder to build in, for runs at the same time.
# shellcheck disable=SC2086 # lists of flags and files
set -eu
target=$1 cases=$(realpath "$2")
shift 2
root=$(realpath "$(dirname "$0")/../..")
out=${WPK_OUT:-$root/build/element/$target}
mkdir -p "$out"
sources="$root/kernels/tests/element_cases.c"
for file in "$root"/kernels/src/*/*.c; do
    sources="$sources $file"
done
warnings="-std=c11 -Wall -Wextra -Werror -I$root/kernels/include"
case $target in
host | soft)
    [ "$target" = host ] || warnings="$warnings -DWPK_SOFT_FLOAT"
    gcc -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all $warnings "$@" $sources -o "$out/cases"
    exec "$out/cases" "$cases"
    ;;
esac
ports=$root/runtime/ports
case $target in
m3) flags="-mcpu=cortex-m3" machine=mps2-an385 linker="$ports/common/mps2.ld" timer="$ports/common/cmsdk_timer.c" ;;
m4) flags="-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard" machine=mps2-an386
    linker="$ports/common/mps2.ld" timer="$ports/common/cmsdk_timer.c" ;;
m55) flags="-mcpu=cortex-m55 -mfloat-abi=hard" machine=mps3-an547
    linker="$ports/corstone300/board.ld" timer="$ports/corstone300/counter.c" ;;
*) echo "element.sh: unknown target $target" >&2; exit 2 ;;
esac
arm-none-eabi-gcc $flags -mthumb -O2 -ffunction-sections -fdata-sections $warnings "$@" -I"$ports/common" \
    "-L$ports/common" -nostartfiles --specs=nano.specs --specs=nosys.specs -Wl,--gc-sections \
    -Wl,--defsym=end=port_bss_end -T "$linker" \
    $sources "$timer" "$ports"/common/fault.c "$ports"/common/line.c "$ports"/common/semihosting.c \
    "$ports"/common/startup.c -o "$out/cases.elf" 2> "$out/link.log" || { cat "$out/link.log"; exit 1; }
cp "$cases" "$out/cases.bin"
cd "$out"
exec qemu-system-arm -M $machine -icount shift=0 -nographic -monitor none -serial none \
    -semihosting-config enable=on,target=native -kernel cases.elf
