"""The two runtimes whose bits the reference interpreter reproduces, and the models they are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRt
from ai_edge_litert.interpreter import OpResolverType
from numpy.typing import NDArray

SHARED_MODELS = Path(__file__).resolve().parents[2].parent / "shared" / "models"
"""Trained models outside the repository; absent on most machines."""

_ARENA = 8 << 20


def shared_model(relative: str) -> bytes:
    """A shared model's bytes; skips the test when the file is not there."""
    path = SHARED_MODELS / relative
    if not path.is_file():
        pytest.skip(f"{path} is not on this machine")
    return path.read_bytes()


class TflmOracle:
    """Upstream TFLM's wheel on one model; the wheel gives outputs only.

    keep_all: plan the arena without sharing, so that all tensors keep their values.
    """

    def __init__(self, model: bytes, *, keep_all: bool = False) -> None:
        runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime", reason="no tflite-micro wheel")
        kinds = runtime.InterpreterConfig
        kind = kinds.kPreserveAllTensors if keep_all else kinds.kAllocationRecording
        self._interpreter = runtime.Interpreter.from_bytes(model, arena_size=_ARENA, intrepreter_config=kind)

    def run(self, inputs: Sequence[NDArray[Any]], outputs: int = 1) -> list[NDArray[Any]]:
        for index, value in enumerate(inputs):
            self._interpreter.set_input(np.ascontiguousarray(value), index)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(index)) for index in range(outputs)]

    def print_allocations(self) -> None:
        """Write what the arena is used for to the process's standard error."""
        self._interpreter.print_allocations()


class LiteRtOracle:
    """LiteRT with its reference kernels on one model."""

    def __init__(self, model: bytes) -> None:
        self._interpreter = LiteRt(
            model_content=model,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()

    def run_all(self, inputs: Sequence[NDArray[Any]]) -> dict[int, NDArray[Any]]:
        """Every tensor of subgraph 0 that has a value, by index."""
        for detail, value in zip(self._interpreter.get_input_details(), inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], value)
        self._interpreter.invoke()
        values = {}
        for detail in self._interpreter.get_tensor_details():
            try:
                values[detail["index"]] = self._interpreter.get_tensor(detail["index"])
            except ValueError:
                continue
        return values
