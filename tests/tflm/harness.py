"""Compiling the adapter, with a copy of TensorFlow Lite Micro and without."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Mapping, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.models import ModelBuilder
from tests.tflite.harness import sparse
from wpconvert.backends.c import emit
from wpconvert.formats.tflite.file import parse

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VARIABLE = "WPCONVERT_TFLM_DIR"
DOWNLOADS = "tensorflow/lite/micro/tools/make/downloads"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
NO_RUNTIME = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")


def layers() -> bytes:
    """Each operator of ours, with a stride, groups, dilation, a depth multiplier; all results are outputs."""
    b = ModelBuilder()
    x = b.input((1, 9, 11, 6), 0.1, 3)
    y = b.conv2d(x, sparse(1, (20, 3, 3, 3), 0.6), range(20), scale=0.3, weight_scales=0.01, stride=(2, 1))
    z = b.depthwise(y, sparse(2, (1, 3, 3, 40), 0.4), range(40), scale=0.4, weight_scales=0.01, dilation=(2, 1))
    weights = sparse(3, (17, 40), 0.8)
    b.output(y, z, b.fully_connected(z, weights, range(17), scale=0.9, weight_scales=0.01))
    return b.to_bytes()


def tflm_folder() -> Path:
    """The copy of TensorFlow Lite Micro; skips the test without one."""
    value = os.environ.get(VARIABLE)
    if not value:
        pytest.skip(f"{VARIABLE} is not set: a checkout of tflite-micro with its third_party_downloads")
    folder = Path(value).absolute()
    if not (folder / DOWNLOADS / "flatbuffers").is_dir():
        pytest.skip(f"{VARIABLE}: {DOWNLOADS}/flatbuffers is missing; make third_party_downloads gets it")
    return folder


def sources() -> list[Path]:
    """The files that a build of TensorFlow Lite Micro has to add."""
    patterns = (ROOT / "runtime/tflm/sources.txt").read_text().split()
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def includes() -> list[str]:
    return [f"-I{ROOT / folder}" for folder in ("runtime/tflm/include", "runtime/include", "kernels/include")]


def run(command: Sequence[str | Path], limit: int = 1800) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=limit, check=False)


def checked(command: Sequence[str | Path]) -> str:
    """Standard output of a command that has to succeed."""
    done = run(command)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def recipe(tool: str) -> str:
    """What docs/TFLM.md tells users of `make` or `CMake` to write: the indented lines after "With TOOL"."""
    lines = (ROOT / "docs/TFLM.md").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"   With {tool}"))
    code = takewhile(lambda line: not line or line.startswith(" " * 7), dropwhile(str.strip, lines[start:]))
    return dedent("\n".join(code)).strip() + "\n"


def write_recipe(folder: Path, before: str = "") -> Path:
    """A CMake project of `before` and the recipe, which finds our folder beside it under the name that it uses."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "wpconvert").exists():
        (folder / "wpconvert").symlink_to(ROOT)
    (folder / "CMakeLists.txt").write_text(before + recipe("CMake"))
    return folder


def write_model(folder: Path, data: bytes) -> None:
    """model.c and model.h as `--to-c model.c` writes them; files that are the same already keep their date."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in emit(folder / "model.c", parse(data), data, f"{folder.name}.tflite").items():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)


def build_programs(tflm: Path, models: Mapping[str, bytes]) -> Path:
    """The folder with a program run_NAME for each model; what is up to date is kept."""
    build = ROOT / "build" / "tflm"
    build.mkdir(parents=True, exist_ok=True)
    # Other processes of the same test run build the same.
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, data in models.items():
            write_model(build / "models" / name, data)
        folders = {"TFLM_DIR": tflm, "MODELS": build / "models", "RECIPE": write_recipe(build / "recipe")}
        definitions = [f"-D{name}={folder}" for name, folder in folders.items()]
        checked(["cmake", "-G", "Ninja", *definitions, "-S", HERE, "-B", build / "host"])
        targets = [f"run_{name}" for name in models]
        checked(["cmake", "--build", build / "host", "-j", "1", "--target", *targets])
    return build / "host"
