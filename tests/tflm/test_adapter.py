"""The adapter compiles and links against the part of TensorFlow Lite Micro's interface that it names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tflite.harness import forced
from tests.tflm.harness import HERE, NO_RUNTIME, ROOT, WARNINGS, checked, includes, layers, run, sources, write_model

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
    """Include options by which each of TensorFlow Lite Micro's headers is our interface.h."""
    for name in HEADERS:
        path = tmp_path / "include/tensorflow/lite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#include "interface.h"\n')
    return [f"-I{tmp_path / 'include'}", f"-I{HERE}"]


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
