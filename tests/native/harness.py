"""Compares the native engine with the reference interpreter, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.models import ModelBuilder
from tests.tflite.harness import METHODS, forced
from wpconvert import _native
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.reference.interpreter import Interpreter


def assert_equals_reference(data: bytes, samples: Sequence[Sequence[NDArray[Any]]], what: str = "model") -> None:
    """The native outputs of a `.tflite` file are those of the reference interpreter, for each sample."""
    reference, native = Interpreter(read_graph(parse(data))), _native.Interpreter(data)
    for number, inputs in enumerate(samples):
        expected, found = reference.run(inputs), native.run(inputs)
        assert len(found) == len(expected), what
        for position, (mine, other) in enumerate(zip(found, expected, strict=True)):
            assert_same_array(mine, other, f"{what}, sample {number}, output {position}")


def assert_same_array(found: NDArray[Any], expected: NDArray[Any], what: str) -> None:
    """Equal type, shape and bits."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), what
    if found.tobytes() != expected.tobytes():
        wrong = np.flatnonzero(found.reshape(-1) != expected.reshape(-1))
        raise AssertionError(
            f"{what}: {wrong.size} of {found.size} differ, first at {wrong[:1]}: "
            f"{found.reshape(-1)[wrong[:1]]} instead of {expected.reshape(-1)[wrong[:1]]}"
        )


def assert_same_bits(builder: ModelBuilder, inputs: Sequence[NDArray[Any]], _oracles: Sequence[str] = ()) -> None:
    """The model, and the model rewritten by each method, run as in the reference interpreter.

    Has the signature of its namesake in tests/reference/harness.py, whose place it takes in test_operators.py.
    """
    data = builder.to_bytes()
    assert_equals_reference(data, [inputs], "the original")
    for method in METHODS:
        rewritten = forced(data, method)
        if b"WP_" in rewritten:
            assert_equals_reference(rewritten, [inputs], method)
