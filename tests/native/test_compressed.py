"""Rewritten convolutions with many channels and few weights: row blocks, empty rows and padding of every size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.native.harness import assert_same_bits
from tests.reference.harness import ACTIVATIONS, SEEDS, ZERO_POINTS, few, int8
from tests.support.models import ModelBuilder
from tests.tflite.harness import sparse

Pair = tuple[int, int]

SPARSITY = st.sampled_from([0.0, 0.5, 0.9, 0.98, 1.0])
SMALL = st.tuples(st.integers(1, 3), st.integers(1, 3))


def _scales(seed: int, channels: int) -> NDArray[np.float32]:
    return np.exp2(np.random.default_rng(seed).uniform(-10, -5, channels)).astype(np.float32)


def _bias(seed: int, channels: int) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(-20000, 20000, channels, dtype=np.int32)


@few
@given(
    channels=st.tuples(st.integers(1, 40), st.integers(1, 70)),
    groups=st.sampled_from([1, 1, 1, 2]),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    kernel=SMALL,
    stride=SMALL,
    padding=st.sampled_from(["SAME", "VALID"]),
    zeros=SPARSITY,
    zero_points=st.tuples(ZERO_POINTS, ZERO_POINTS),
    activation=ACTIVATIONS,
    seed=SEEDS,
)
def test_convolutions(
    *,
    channels: Pair,
    groups: int,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: str,
    zeros: float,
    zero_points: Pair,
    activation: str,
    seed: int,
) -> None:
    depth, outputs = channels[0], channels[1] * groups
    b = ModelBuilder()
    x = b.input((1, *size, depth * groups), 0.05, zero_points[0])
    y = b.conv2d(
        x,
        sparse(seed, (outputs, *kernel, depth), zeros),
        _bias(seed, outputs),
        scale=0.2,
        zero_point=zero_points[1],
        weight_scales=_scales(seed, outputs),
        stride=stride,
        padding=padding,
        activation=activation,
    )
    b.output(y)
    assert_same_bits(b, [int8(seed, (1, *size, depth * groups))])


@few
@given(
    inputs=st.integers(1, 60),
    multiplier=st.integers(1, 2),
    size=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=SMALL,
    padding=st.sampled_from(["SAME", "VALID"]),
    zeros=SPARSITY,
    zero_points=st.tuples(ZERO_POINTS, ZERO_POINTS),
    seed=SEEDS,
)
def test_depthwise_convolutions(
    *,
    inputs: int,
    multiplier: int,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: str,
    zeros: float,
    zero_points: Pair,
    seed: int,
) -> None:
    outputs = inputs * multiplier
    b = ModelBuilder()
    x = b.input((1, *size, inputs), 0.05, zero_points[0])
    y = b.depthwise(
        x,
        sparse(seed, (1, *kernel, outputs), zeros),
        _bias(seed, outputs),
        scale=0.1,
        zero_point=zero_points[1],
        weight_scales=_scales(seed, outputs),
        stride=stride,
        padding=padding,
    )
    b.output(y)
    assert_same_bits(b, [int8(seed, (1, *size, inputs))])


@few
@given(
    batch=st.integers(1, 5),
    depth=st.integers(1, 300),
    units=st.integers(1, 70),
    zeros=SPARSITY,
    zero_points=st.tuples(ZERO_POINTS, ZERO_POINTS),
    seed=SEEDS,
)
def test_fully_connected(*, batch: int, depth: int, units: int, zeros: float, zero_points: Pair, seed: int) -> None:
    b = ModelBuilder()
    x = b.input((batch, depth), 0.05, zero_points[0])
    y = b.fully_connected(
        x,
        sparse(seed, (units, depth), zeros),
        _bias(seed, units),
        scale=0.2,
        zero_point=zero_points[1],
        weight_scales=_scales(seed, units),
    )
    b.output(y)
    assert_same_bits(b, [int8(seed, (batch, depth))])


@pytest.mark.parametrize("depth", [1, 4096])
def test_sums_wrap_as_on_the_device(depth: int) -> None:
    b = ModelBuilder()
    x = b.input((1, depth), 1.0, 127)
    y = b.fully_connected(x, np.full((2, depth), -128, np.int8), [2**31 - 1, -(2**31)], scale=3e6, weight_scales=1.0)
    b.output(y)
    assert_same_bits(b, [np.full((1, depth), -128, np.int8)])
