"""MEAN and REDUCE_MAX against both runtimes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.harness import SEEDS, ZERO_POINTS, assert_same_bits, few, int8, scales
from tests.support.models import ModelBuilder
from wpconvert.formats.tflite.schema import options

Shape = tuple[int, ...]


@st.composite
def reductions(draw: st.DrawFn) -> tuple[Shape, list[int], bool]:
    """(shape, axes with signs, keep dims)."""
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple))
    rank = len(shape)
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
    signed = [axis - rank if draw(st.booleans()) else axis for axis in axes]
    return shape, signed, draw(st.booleans())


def _reduced(shape: Shape, axes: list[int], keep: bool) -> Shape:
    return np.empty(shape, np.bool_).any(axis=tuple(axes), keepdims=keep).shape


@few
@given(
    reduction=reductions(),
    input_scale=scales(-8, 1),
    output_scale=scales(-8, 1),
    input_zero_point=ZERO_POINTS,
    output_zero_point=ZERO_POINTS,
    seed=SEEDS,
)
def test_mean(
    *,
    reduction: tuple[Shape, list[int], bool],
    input_scale: float,
    output_scale: float,
    input_zero_point: int,
    output_zero_point: int,
    seed: int,
) -> None:
    shape, axes, keep = reduction
    b = ModelBuilder()
    x = b.input(shape, input_scale, input_zero_point)
    y = b.tensor(_reduced(shape, axes, keep), "int8", output_scale, output_zero_point)
    b.output(b.op("MEAN", [x, b.constant(axes)], [y], options("ReducerOptions", keepDims=keep)))
    assert_same_bits(b, [int8(seed, shape)])


@few
@given(reductions(), scales(), ZERO_POINTS, SEEDS)
def test_reduce_max(reduction: tuple[Shape, list[int], bool], scale: float, zero_point: int, seed: int) -> None:
    shape, axes, keep = reduction
    b = ModelBuilder()
    x = b.input(shape, scale, zero_point)
    y = b.tensor(_reduced(shape, axes, keep), "int8", scale, zero_point)
    b.output(b.op("REDUCE_MAX", [x, b.constant(axes)], [y], options("ReducerOptions", keepDims=keep)))
    assert_same_bits(b, [int8(seed, shape)])


@few
@given(reductions(), SEEDS)
def test_reduce_max_of_floats(reduction: tuple[Shape, list[int], bool], seed: int) -> None:
    shape, axes, keep = reduction
    b = ModelBuilder()
    x = b.input(shape, dtype="float32")
    y = b.tensor(_reduced(shape, axes, keep), "float32")
    b.output(b.op("REDUCE_MAX", [x, b.constant(axes)], [y], options("ReducerOptions", keepDims=keep)))
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    assert_same_bits(b, [values])
