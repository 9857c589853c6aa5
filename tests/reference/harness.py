"""Compares the reference interpreter with both runtimes, bit for bit, and generates test data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.models import ModelBuilder
from tests.support.oracles import LiteRtOracle, TflmOracle
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.reference.interpreter import Interpreter

few = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Settings of tests that start both runtimes for every example."""

SEEDS = st.integers(0, 2**32 - 1)
ZERO_POINTS = st.one_of(st.integers(-128, 127), st.sampled_from([-128, 0, 127]))
ACTIVATIONS = st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])


def scales(low: float = -10.0, high: float = 1.0) -> st.SearchStrategy[float]:
    """float32 scales between 2^low and 2^high, log-uniform; powers of two are likely."""
    exponents = st.one_of(st.floats(low, high), st.integers(int(low), int(high)).map(float))
    return exponents.map(lambda e: float(np.float32(2.0**e)))


def int8(seed: int, shape: Sequence[int]) -> NDArray[np.int8]:
    """Uniform int8 values."""
    return np.random.default_rng(seed).integers(-128, 128, tuple(shape), dtype=np.int8)


def all_int8(shape_last: int = 1) -> NDArray[np.int8]:
    """Every int8 value, [1, 256 / shape_last, shape_last]."""
    return np.arange(-128, 128).astype(np.int8).reshape(1, -1, shape_last)


def assert_same_bits(
    builder: ModelBuilder, inputs: Sequence[NDArray[Any]], oracles: Sequence[str] = ("tflm", "litert")
) -> None:
    """The model's results equal those of the named runtimes under the policy of the same name."""
    data = builder.to_bytes()
    model = parse(data)
    if "tflm" in oracles:
        ours = Interpreter(read_graph(model), "tflm").run(inputs)
        theirs = TflmOracle(data).run(inputs, len(ours))
        for position, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_equal_arrays(mine, other, f"TFLM, output {position}")
    if "litert" in oracles:
        tensors = LiteRtOracle(data).run_all(inputs)
        for index, mine in Interpreter(read_graph(model), "litert").run_all(inputs).items():
            if index in tensors:
                assert_equal_arrays(mine, tensors[index], f"LiteRT, tensor {index}")


def assert_equal_arrays(ours: NDArray[Any], theirs: NDArray[Any], what: str) -> None:
    """Equal type, size and bits; a runtime may show a scalar as [1] or [] for any one-element shape."""
    assert ours.dtype == theirs.dtype, what
    if ours.size != 1:
        assert ours.shape == theirs.shape, what
    wrong = np.flatnonzero(ours.reshape(-1) != theirs.reshape(-1))
    assert wrong.size == 0, (
        f"{what}: {wrong.size} of {ours.size} differ, first at {wrong[0]}: "
        f"{ours.reshape(-1)[wrong[0]]} instead of {theirs.reshape(-1)[wrong[0]]}"
    )
