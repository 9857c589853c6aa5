"""The adapter compiles and links against the part of TensorFlow Lite Micro's interface that it names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tflite.harness import forced
from tests.tflm.harness import (
    HERE,
    NO_RUNTIME,
    ROOT,
    WARNINGS,
    checked,
    includes,
    layers,
    recipe,
    run,
    sources,
    write_model,
    write_recipe,
)

HEADERS = (
    "c/common.h",
    "micro/kernels/kernel_util.h",
    "micro/micro_common.h",
    "micro/micro_context.h",
    "micro/micro_log.h",
)
CORES = {
    "m3": ["-mcpu=cortex-m3", "-mthumb"],
    "m4": ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    "m55": ["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"],
}


@pytest.fixture
def interface(tmp_path: Path) -> list[str]:
    """Include options by which each of TensorFlow Lite Micro's headers is our interface.h, and gives warnings, too."""
    for name in HEADERS:
        path = tmp_path / "include/tensorflow/lite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        warning = f"static inline int {path.stem}_warns(int unused) {{ return -1 < 0u; }}"
        path.write_text(f'#pragma once\n#include "interface.h"\n{warning}\n')
    return ["-isystem", str(tmp_path / "include"), "-isystem", str(HERE)]


def need(*tools: str) -> None:
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"not on PATH: {', '.join(missing)}; make setup installs them")


def test_every_source_is_there() -> None:
    for pattern in (ROOT / "runtime/tflm/sources.txt").read_text().split():
        assert list(ROOT.glob(pattern)), pattern
    assert {path for path in sources() if path.parent.name == "tflm"} == set((ROOT / "runtime/tflm").glob("*.cc"))


def test_it_links_with_what_the_emitted_header_registers(interface: list[str], tmp_path: Path) -> None:
    need("gcc", "g++")
    write_model(tmp_path, forced(layers(), "dcsr"))
    c_files = [path for path in sources() if path.suffix == ".c"]
    cc_files = [path for path in sources() if path.suffix == ".cc"]
    objects = tmp_path / "objects"
    objects.mkdir()
    for path in c_files:
        checked(["gcc", "-c", path, *includes(), "-o", objects / f"{path.stem}.o"])
    program = tmp_path / "program"
    options = [*NO_RUNTIME, *WARNINGS, *includes(), *interface, f"-I{tmp_path}"]
    checked(["g++", *options, HERE / "link.cc", *cc_files, *objects.glob("*.o"), "-o", program])
    assert run([program]).returncode == 0


def test_the_recipe_for_cmake(interface: list[str], tmp_path: Path) -> None:
    need("cmake", "ninja", "g++")
    write_model(tmp_path, forced(layers(), "dcsr"))
    before = f"""
        cmake_minimum_required(VERSION 3.25)
        project(firmware LANGUAGES C CXX)
        add_library(my_tflm INTERFACE)
        target_include_directories(my_tflm INTERFACE {" ".join(interface[1::2])} {tmp_path})
        add_executable(my_firmware {HERE / "link.cc"})
    """
    folder = write_recipe(tmp_path / "project", before)
    checked(["cmake", "-G", "Ninja", "-S", folder, "-B", tmp_path / "build"])
    checked(["cmake", "--build", tmp_path / "build", "-j", "1"])
    assert run([tmp_path / "build/my_firmware"]).returncode == 0


def test_the_recipe_for_make(tmp_path: Path) -> None:
    need("make")
    (tmp_path / "path/to").mkdir(parents=True)
    (tmp_path / "path/to/wpconvert").symlink_to(ROOT)
    (tmp_path / "Makefile").write_text(
        recipe("make") + "\nall:\n\t@echo $(WPCONVERT_SRCS)\n\t@echo $(WPCONVERT_INCLUDES)\n"
    )
    files, folders = checked(["make", "-s", "-C", tmp_path]).splitlines()
    assert sorted((tmp_path / name).resolve() for name in files.split()) == sorted(sources())
    named = [f"-I{(tmp_path / name.removeprefix('-I')).resolve()}" for name in folders.split()]
    assert named == includes()


@pytest.mark.parametrize("strip", [False, True], ids=["texts", "stripped"])
@pytest.mark.parametrize("core", CORES)
def test_it_compiles_for_cortex_m(core: str, strip: bool, interface: list[str], tmp_path: Path) -> None:
    need("arm-none-eabi-g++")
    definitions = ["-DTF_LITE_STRIP_ERROR_STRINGS"] if strip else []
    cc_files = [path for path in sources() if path.suffix == ".cc"]
    options = [*CORES[core], "-Os", *NO_RUNTIME, *WARNINGS, *definitions, *includes(), *interface]
    for path in cc_files:
        checked(["arm-none-eabi-g++", *options, "-c", path, "-o", tmp_path / f"{path.stem}.o"])
    if strip:
        assert b"no room" not in (tmp_path / "program.o").read_bytes()


def test_include_paths_in_the_wrong_order_are_an_error(interface: list[str], tmp_path: Path) -> None:
    need("g++")
    wrong = list(reversed(includes()))
    path = ROOT / "runtime/tflm/program.cc"
    done = run(["g++", *NO_RUNTIME, *wrong, *interface, "-c", path, "-o", tmp_path / "program.o"])
    assert done.returncode != 0
    assert "runtime/tflm/include must come before runtime/include" in done.stderr
