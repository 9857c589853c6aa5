"""What converting takes on this machine, one core: part of `make bench-host`.

Every row is a whole command, verification included: CPU seconds of its processes, and the most memory of one of them.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.support.models import ModelBuilder
from wpconvert.formats.onnx import file as onnx_file

ROOT = Path(__file__).resolve().parent.parent
MOBILENET = ROOT.parent / "shared/models/mobilenetv2_cifar10/sparse90.tflite"
ONNX = ROOT / "models/zoo/digits_onnx.onnx"
ZEROS = 0.8
_ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Case:
    """A command: what it is called, its model, and options."""

    name: str
    model: Path
    options: tuple[str, ...] = ()


def chain(path: Path, layers: int, channels: int, kernel: int, size: int) -> Path:
    """A model of so many convolutions in a row, `channels` wide, of int8 weights with 80 % zeros."""
    random = np.random.default_rng(0)
    b = ModelBuilder()
    x = b.input((1, size, size, channels), 0.5, -3)
    for number in range(layers):
        shape = (channels, kernel, kernel, channels)
        weights = random.integers(-127, 128, shape, dtype=np.int8)
        weights[random.random(shape, dtype=np.float32) < ZEROS] = 0
        scales = random.uniform(0.004, 0.04, channels).astype(np.float32)
        x = b.conv2d(x, weights, np.arange(channels), scale=0.4, weight_scales=scales, name=f"layer{number}")
    b.output(x)
    path.write_bytes(b.to_bytes())
    return path


def make(folder: Path) -> None:
    """The models, made in a process of its own: what memory that takes would count for its children."""
    chain(folder / "many.tflite", 200, 16, 3, 8)
    chain(folder / "large.tflite", 24, 1024, 2, 1)


def row(case: Case, folder: Path) -> str:
    """Run a command; exits where it fails."""
    command = [sys.executable, "-m", "wpconvert.cli.main", str(case.model), "-q", "-o", str(folder / "out.tflite")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen([*command, *case.options], env=os.environ | _ONE_CORE) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"bench-host: {case.name} failed with exit code {child.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    nbytes, peak = case.model.stat().st_size, used.ru_maxrss * 1024
    ratio = f"{peak / nbytes:6.2f}" if nbytes > 50e6 else f"{'–':>6}"
    written = (folder / "out.tflite").stat().st_size
    return f"{case.name:<38} {nbytes / 1e6:8.2f} {written / 1e6:8.2f} {seconds:7.2f} {peak / 1e6:8.0f} {ratio}"


def reads(output: str, folder: Path) -> int:
    """How often converting an `.onnx` model reads it."""
    from wpconvert.cli.main import run  # noqa: PLC0415 - the command line configures this process

    found, parsed = [], onnx_file._parsed

    def counting(path: Path, nbytes: int) -> object:
        found.append(path)
        return parsed(path, nbytes)

    onnx_file._parsed = counting  # type: ignore[assignment]
    try:
        run([str(ONNX), "-m", "rle", "-q", "-o", str(folder / output)])
    finally:
        onnx_file._parsed = parsed
    return found.count(ONNX)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "tools.bench_convert", "--make", name], check=True)
        many, large = folder / "many.tflite", folder / "large.tflite"
        cases = [Case("200 convolutions", many), Case("200 convolutions, -m rle", many, ("-m", "rle"))]
        if MOBILENET.exists():
            cases += [
                Case("MobileNetV2 sparse90", MOBILENET),
                Case("MobileNetV2 sparse90, --optimize file", MOBILENET, ("--optimize", "file")),
            ]
        cases += [Case(f"100 MB, -m {m}", large, ("-m", m, "--no-verify")) for m in ("none", "bitmap", "rle")]
        cases += [Case("100 MB, -m rle, verified", large, ("-m", "rle", "--random", "1"))]
        cases += [Case("100 MB", large, ("--random", "1"))]
        print(f"{'command':<38} {'MB':>8} {'MB after':>8} {'CPU s':>7} {'peak MB':>8} {'× file':>6}")
        for case in cases:
            print(row(case, folder), flush=True)
        for output in ("out.onnx", "out.tflite"):
            print(f"reads of an .onnx model that becomes {output}: {reads(output, folder)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]))
    else:
        main()
