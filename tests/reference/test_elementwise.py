"""ADD, SUB and MUL against both runtimes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.harness import ACTIVATIONS, SEEDS, ZERO_POINTS, assert_same_bits, few, int8, scales
from tests.support.models import ModelBuilder
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.schema import ActivationFunctionType, options
from wpconvert.reference.interpreter import Interpreter

Shape = tuple[int, ...]

_OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}


@st.composite
def broadcast_pairs(draw: st.DrawFn) -> tuple[Shape, Shape, Shape]:
    """Two shapes of one rank up to 4 that broadcast, and the result's shape."""
    result = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    kinds = draw(st.lists(st.sampled_from("ab="), min_size=len(result), max_size=len(result)))
    first = tuple(1 if kind == "a" else dim for dim, kind in zip(result, kinds, strict=True))
    second = tuple(1 if kind == "b" else dim for dim, kind in zip(result, kinds, strict=True))
    return first, second, result


def binary(
    name: str,
    shapes: tuple[Shape, Shape, Shape],
    scale: tuple[float, float, float],
    zero_point: tuple[int, int, int],
    activation: str,
) -> ModelBuilder:
    """A model of one binary operator."""
    b = ModelBuilder()
    first, second = (b.input(shapes[i], scale[i], zero_point[i]) for i in range(2))
    y = b.tensor(shapes[2], "int8", scale[2], zero_point[2])
    fused = getattr(ActivationFunctionType, activation)
    b.output(b.op(name, [first, second], [y], options(_OPTIONS[name], fusedActivationFunction=fused)))
    return b


@pytest.mark.parametrize("name", _OPTIONS)
@few
@given(
    shapes=broadcast_pairs(),
    scale=st.tuples(scales(-8, 0), scales(-8, 0), scales(-8, 0)),
    zero_point=st.tuples(ZERO_POINTS, ZERO_POINTS, ZERO_POINTS),
    activation=ACTIVATIONS,
    seed=SEEDS,
)
def test_binary(
    *,
    name: str,
    shapes: tuple[Shape, Shape, Shape],
    scale: tuple[float, float, float],
    zero_point: tuple[int, int, int],
    activation: str,
    seed: int,
) -> None:
    b = binary(name, shapes, scale, zero_point, activation)
    assert_same_bits(b, [int8(seed, shapes[0]), int8(seed + 1, shapes[1])])


@pytest.mark.parametrize("name", _OPTIONS)
@few
@given(st.tuples(scales(-8, 0), scales(-8, 0), scales(-8, 0)), st.tuples(ZERO_POINTS, ZERO_POINTS, ZERO_POINTS))
def test_binary_on_all_pairs_of_values(
    name: str, scale: tuple[float, float, float], zero_point: tuple[int, int, int]
) -> None:
    shapes = ((1, 256, 1, 1), (1, 1, 256, 1), (1, 256, 256, 1))
    b = binary(name, shapes, scale, zero_point, "NONE")
    values = int8(0, (256,))
    values[:] = range(-128, 128)
    assert_same_bits(b, [values.reshape(shapes[0]), values.reshape(shapes[1])])


def test_mul_takes_the_ratio_of_scales_as_each_runtime_does() -> None:
    """Scales whose ratio differs between float32 and double precision in a way that four products show."""
    scale, zero_point = (0.09041812270879745, 0.005651132669299841, 0.022604530677199364), (0, 0, 47)
    b = binary("MUL", ((1, 256, 1, 1), (1, 1, 256, 1), (1, 256, 256, 1)), scale, zero_point, "NONE")
    values = np.arange(-128, 128, dtype=np.int8)
    inputs = [values.reshape(1, 256, 1, 1), values.reshape(1, 1, 256, 1)]
    assert_same_bits(b, inputs)
    both = [Interpreter(read_graph(b.build()), rounding).run(inputs)[0] for rounding in ("tflm", "litert")]
    assert np.count_nonzero(both[0] != both[1]) == 4


def test_a_lower_rank_broadcasts_from_the_right() -> None:
    shapes = ((2, 3, 4, 5), (5,), (2, 3, 4, 5))
    for name in _OPTIONS:
        b = binary(name, shapes, (0.1, 0.2, 0.3), (1, 2, 3), "NONE")
        assert_same_bits(b, [int8(1, shapes[0]), int8(2, shapes[1])])
