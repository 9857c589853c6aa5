"""Whole models, as they are and rewritten by every method."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.reference.test_models import MODELS, random_inputs
from tests.support.oracles import shared_model
from tests.tflite.harness import METHODS, converted
from wpconvert import _native
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.reference.interpreter import Interpreter

ZOO = Path(__file__).resolve().parents[2] / "models" / "zoo"
ZOO_MODELS = sorted(path.name for path in ZOO.glob("*.tflite"))
ALL = [*(("zoo", name) for name in ZOO_MODELS), *(("shared", name) for name in MODELS)]
SAMPLES = 3


@cache
def _original(origin: str, name: str) -> bytes:
    return (ZOO / name).read_bytes() if origin == "zoo" else shared_model(name)


@cache
def _expected(origin: str, name: str) -> list[list[NDArray[np.generic]]]:
    """The original's outputs in the reference interpreter: those of the lossless methods too."""
    model = parse(_original(origin, name))
    interpreter = Interpreter(read_graph(model))
    return [[np.asarray(y) for y in interpreter.run(random_inputs(model, seed))] for seed in range(SAMPLES)]


def test_the_zoo_is_there() -> None:
    assert ZOO_MODELS


@pytest.mark.parametrize("method", ["original", *METHODS])
@pytest.mark.parametrize(("origin", "name"), ALL, ids=lambda value: value)
def test_outputs_equal_the_reference_interpreter(origin: str, name: str, method: str) -> None:
    data = _original(origin, name)
    model = parse(data)
    expected = _expected(origin, name)
    if method != "original":
        data = converted(data, method).data
    native = _native.Interpreter(data)
    for seed in range(SAMPLES):
        found = native.run(random_inputs(model, seed))
        assert [y.tobytes() for y in found] == [y.tobytes() for y in expected[seed]]
        assert [(y.dtype, y.shape) for y in found] == [(y.dtype, y.shape) for y in expected[seed]]
