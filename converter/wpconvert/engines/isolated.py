"""Engines in a process of their own: native code may not survive a malformed model."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wpconvert.engines.base import Advance
from wpconvert.errors import UnsupportedError
from wpconvert.graph.types import Sample
from wpconvert.temporary import temporary_folder

_TIMEOUT_S = 900


def run_isolated(
    title: str, module: str, model: Path, samples: Sequence[Sample], advance: Advance, kept: Sequence[int] = ()
) -> list[Sample]:
    """Outputs for each sample from the worker `module`, then the values of the tensors `kept`, by their indices.

    `title` names it in errors. Raises UnsupportedError. The worker gets a model file and a folder with inputs.npz, and
    writes outputs.npz there: array `s_i` is input (or output) i of sample s.
    """
    with temporary_folder() as folder:
        arrays = {f"{s}_{i}": value for s, sample in enumerate(samples) for i, value in enumerate(sample)}
        np.savez(folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
        _call(title, [sys.executable, "-m", module, str(model), str(folder), str(len(samples)), *map(str, kept)])
        with np.load(folder / "outputs.npz") as stored:
            width = sum(name.startswith("0_") for name in stored.files)
            outputs = [[stored[f"{s}_{i}"] for i in range(width)] for s in range(len(samples))]
    for _ in samples:
        advance()
    return outputs


def _call(title: str, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnsupportedError(f"{title} did not finish within {_TIMEOUT_S} seconds") from error
    if done.returncode < 0:
        raise UnsupportedError(f"{title} crashed on this model ({signal.Signals(-done.returncode).name})")
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else f"exit code {done.returncode}"
        raise UnsupportedError(f"{title} cannot run this model: {reason}")
