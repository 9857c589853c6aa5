"""LiteRT with its reference kernels as an engine. Rewritten models are restored first: LiteRT lacks our operators.

LiteRT runs in a process of its own, because native code may not survive a malformed model.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wpconvert.engines.base import Advance, Sample
from wpconvert.errors import UnsupportedError
from wpconvert.tflite.file import parse, serialise
from wpconvert.tflite.loss import loss_of
from wpconvert.tflite.model import TfliteModel
from wpconvert.tflite.restore import restore

_TIMEOUT_S = 900


class LiteRtEngine:
    """Runs anything LiteRT's reference kernels run."""

    name = "litert"
    summary = "LiteRT's reference kernels (BUILTIN_REF); rewritten models are restored in memory first"

    def unsupported(self, model: TfliteModel) -> list[str]:
        # Operators that it lacks are known only after trying.
        return ["it has no operators of fewer bits"] if loss_of(model).reduced else []

    def run(self, model: TfliteModel, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        # A copy: restoring works in place.
        dense = parse(serialise(model))
        restore(dense)
        with tempfile.TemporaryDirectory(prefix="wpconvert-") as folder:
            directory = Path(folder)
            (directory / "model.tflite").write_bytes(serialise(dense))
            arrays = {f"{s}_{i}": value for s, sample in enumerate(samples) for i, value in enumerate(sample)}
            np.savez(directory / "inputs.npz", **arrays)  # type: ignore[arg-type]
            self._call_worker(directory, len(samples))
            with np.load(directory / "outputs.npz") as stored:
                width = len(dense.root.subgraphs[0].outputs)
                outputs = [[stored[f"{s}_{i}"] for i in range(width)] for s in range(len(samples))]
        for _ in samples:
            advance()
        return outputs

    @staticmethod
    def _call_worker(directory: Path, samples: int) -> None:
        command = [sys.executable, "-m", "wpconvert.engines.litert_worker", str(directory), str(samples)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise UnsupportedError(f"LiteRT did not finish within {_TIMEOUT_S} seconds") from error
        if done.returncode < 0:
            raise UnsupportedError(f"LiteRT crashed on this model ({signal.Signals(-done.returncode).name})")
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            reason = lines[-1][:300] if lines else f"exit code {done.returncode}"
            raise UnsupportedError(f"LiteRT cannot run this model: {reason}")
