#!/bin/sh
# Sets up the virtual environment given as $1 with everything the tests need. Quick when there is nothing to do.
set -eu

venv=$1
stamp=$venv/.setup-stamp
install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$@"
}
# The build backend is part of the environment, so that a later compilation needs no network.
install_wpconvert() {
    install --no-build-isolation --config-settings=cmake.define.WPCONVERT_WERROR=ON "$@"
    touch "$stamp"
}
newer() {
    [ -n "$(find "$@" -type f -newer "$stamp" -print -quit)" ]
}

if [ -f "$stamp" ] && ! newer pyproject.toml constraints.txt tools/setup.sh; then
    if newer native kernels/include kernels/src kernels/CMakeLists.txt runtime/include runtime/core runtime/ops runtime/CMakeLists.txt; then
        echo "setup: compiling the native engine"
        install_wpconvert --no-deps --editable .
    fi
    exit 0
fi

# Debian package and the command or file that shows it is there.
missing=
need() {
    if ! eval "$2" >/dev/null 2>&1; then missing="$missing $1"; fi
}
need python3 'command -v python3'
need python3-venv 'python3 -c "import ensurepip, venv"'
need gcc 'command -v gcc'
need g++ 'command -v g++'
# What builds firmware and simulates the boards.
need cmake 'command -v cmake'
need ninja-build 'command -v ninja'
need gcc-arm-none-eabi 'command -v arm-none-eabi-gcc'
need libnewlib-arm-none-eabi 'echo "#include <string.h>" | arm-none-eabi-gcc -E -'
need libstdc++-arm-none-eabi-newlib 'echo "#include <cstdint>" | arm-none-eabi-g++ -x c++ -E -'
need qemu-system-arm 'command -v qemu-system-arm'
# The 32-bit build of the fuzzer; where it cannot be installed, its test skips.
if [ "$(uname -m)" = x86_64 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    need g++-multilib 'echo "int main() {}" | g++ -m32 -x c++ - -o /dev/null'
fi

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: installing$missing"
        apt-get -qq update
        # shellcheck disable=SC2086 # a list of packages
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing libc6-dev >/dev/null
    else
        echo "setup: these packages are missing:$missing" >&2
        echo "setup: install them as root, on Debian: apt-get install$missing libc6-dev; then run make again" >&2
        exit 1
    fi
fi

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup: Python 3.11 or newer is needed, found $(python3 --version)" >&2
    exit 1
fi

echo "setup: installing wpconvert and its tools into $venv (a minute or two, once)"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
install nanobind scikit-build-core
install_wpconvert --editable '.[batch,test]'
