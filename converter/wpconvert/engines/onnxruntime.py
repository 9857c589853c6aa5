"""ONNX Runtime on the CPU as an engine for `.onnx` files, with nothing of ours installed in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wpconvert.engines.base import Advance
from wpconvert.engines.isolated import run_isolated
from wpconvert.graph.types import Sample


class OnnxRuntimeEngine:
    """Runs original and rewritten models alike: these carry the functions that decode their weights."""

    name = "onnxruntime"

    def run(self, model: Path, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        """Outputs of a model file for each sample. Raises UnsupportedError."""
        return run_isolated("ONNX Runtime", "wpconvert.engines.onnxruntime_worker", model, samples, advance)
