"""Runs a file of kernel cases through the scripts of kernels/bench: under sanitizers here, or on a simulated core."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_BENCH = ROOT / "kernels" / "bench"
_HOST_TOOLS = ("gcc",)
_BOARD_TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm")
_SUMMARY = re.compile(r"^(\d+) (?:cases|calls|records), (\d+) failed$", re.MULTILINE)
_TIMEOUT_S = 600


@dataclass(frozen=True)
class Suite:
    """A generator of kernels/tests and the script of kernels/bench that runs its files."""

    name: str
    script: str
    count: int
    seed: int


GEMM = Suite("gemm", "run.sh", 250, 20)
POOL = Suite("pool", "run.sh", 200, 23)
ELEMENT = Suite("element", "element.sh", 300, 21)
CODEC = Suite("codec", "codec.sh", 1500, 22)
GUARDED = (Suite("gemm", "run.sh", 400, 30), Suite("pool", "run.sh", 200, 31), Suite("element", "element.sh", 500, 32))
"""Each case runs once more for every buffer: with that one at the end of what may be accessed."""


@dataclass(frozen=True)
class Build:
    """One way to compile the kernels: the target of a script, or None for codec.sh, which has one, and more flags."""

    target: str | None
    flags: tuple[str, ...] = ()

    @property
    def tools(self) -> tuple[str, ...]:
        return _BOARD_TOOLS if self.target in {"m3", "m4", "m55"} else _HOST_TOOLS


@dataclass(frozen=True)
class Outcome:
    """What a run said."""

    returncode: int
    cases: int
    failed: int
    text: str


def execute(suite: Suite, build: Build, cases: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compiles in `folder` and runs; skips the test where a compiler or QEMU is missing."""
    if missing := [tool for tool in build.tools if shutil.which(tool) is None]:
        pytest.skip(f"not on PATH: {', '.join(missing)}; make setup installs them")
    target = [] if build.target is None else [build.target]
    return subprocess.run(
        ["sh", _BENCH / suite.script, *target, cases, *build.flags],
        env={**os.environ, "WPK_OUT": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def run(suite: Suite, build: Build, cases: Path, folder: Path) -> Outcome:
    """The same, with what it counted."""
    result = execute(suite, build, cases, folder)
    text = result.stdout + result.stderr
    summary = _SUMMARY.search(text)
    ended = f"{suite.script} {build} ended with {result.returncode} and counted no cases:\n{text[-2000:]}"
    assert summary, ended
    return Outcome(result.returncode, int(summary[1]), int(summary[2]), text)
