"""Operators that move values, against both runtimes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.reference.harness import SEEDS, ZERO_POINTS, assert_same_bits, few, int8
from tests.support.models import ModelBuilder
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.schema import TensorType, options
from wpconvert.reference.interpreter import Interpreter

Shape = tuple[int, ...]

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)
SCALE = 0.125


@few
@given(SHAPES, st.permutations(range(4)), ZERO_POINTS, SEEDS)
def test_transpose(shape: Shape, axes: list[int], zero_point: int, seed: int) -> None:
    order = [axis for axis in axes if axis < len(shape)]
    b = ModelBuilder()
    x = b.input(shape, SCALE, zero_point)
    y = b.like(x, [shape[axis] for axis in order])
    b.output(b.op("TRANSPOSE", [x, b.constant(order)], [y], options("TransposeOptions")))
    assert_same_bits(b, [int8(seed, shape)])


@few
@given(SHAPES, st.booleans(), SEEDS)
def test_reshape(shape: Shape, infer: bool, seed: int) -> None:
    target = [-1 if infer else int(np.prod(shape)), 1]
    b = ModelBuilder()
    x = b.input(shape, SCALE, 0)
    y = b.like(x, [int(np.prod(shape)), 1])
    b.output(b.op("RESHAPE", [x, b.constant(target)], [y], options("ReshapeOptions", newShape=target)))
    assert_same_bits(b, [int8(seed, shape)])


@few
@given(SHAPES, st.booleans(), SEEDS)
def test_squeeze(shape: Shape, listed: bool, seed: int) -> None:
    axes = [i for i, dim in enumerate(shape) if dim == 1]
    assume(len(axes) < len(shape))
    b = ModelBuilder()
    x = b.input(shape, SCALE, 0)
    y = b.like(x, [dim for dim in shape if dim != 1])
    b.output(b.op("SQUEEZE", [x], [y], options("SqueezeOptions", squeezeDims=axes if listed else [])))
    assert_same_bits(b, [int8(seed, shape)])


@few
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), st.integers(0, 3), st.booleans(), SEEDS)
def test_expand_dims(shape: Shape, axis: int, negative: bool, seed: int) -> None:
    assume(axis <= len(shape))
    b = ModelBuilder()
    x = b.input(shape, SCALE, 0)
    y = b.like(x, [*shape[:axis], 1, *shape[axis:]])
    position = b.constant(np.array(axis - len(shape) - 1 if negative else axis, dtype=np.int32))
    b.output(b.op("EXPAND_DIMS", [x, position], [y], options("ExpandDimsOptions")))
    assert_same_bits(b, [int8(seed, shape)])


@few
@given(SHAPES, st.integers(0, 3), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans(), SEEDS)
def test_concatenation(shape: Shape, axis: int, lengths: list[int], negative: bool, seed: int) -> None:
    assume(axis < len(shape))
    shapes = [(*shape[:axis], length, *shape[axis + 1 :]) for length in lengths]
    b = ModelBuilder()
    parts = [b.input(part, SCALE, 3) for part in shapes]
    y = b.like(parts[0], (*shape[:axis], sum(lengths), *shape[axis + 1 :]))
    op_options = options("ConcatenationOptions", axis=axis - len(shape) if negative else axis)
    b.output(b.op("CONCATENATION", parts, [y], op_options))
    assert_same_bits(b, [int8(seed + i, part) for i, part in enumerate(shapes)])


@few
@given(SHAPES, st.integers(0, 3), st.integers(1, 4), st.booleans(), SEEDS)
def test_split(shape: Shape, axis: int, parts: int, negative: bool, seed: int) -> None:
    assume(axis < len(shape))
    whole = (*shape[:axis], shape[axis] * parts, *shape[axis + 1 :])
    b = ModelBuilder()
    x = b.input(whole, SCALE, 3)
    position = b.constant(np.array(axis - len(shape) if negative else axis, dtype=np.int32))
    outputs = [b.like(x, shape) for _ in range(parts)]
    b.op("SPLIT", [position, x], outputs, options("SplitOptions", numSplits=parts))
    b.output(*outputs)
    assert_same_bits(b, [int8(seed, whole)])


@few
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    st.integers(0, 3),
    st.integers(1, 4),
    st.booleans(),
    SEEDS,
)
def test_pack(shape: Shape, axis: int, count: int, negative: bool, seed: int) -> None:
    assume(axis <= len(shape))
    b = ModelBuilder()
    parts = [b.input(shape, SCALE, 3) for _ in range(count)]
    y = b.like(parts[0], (*shape[:axis], count, *shape[axis:]))
    op_options = options("PackOptions", axis=axis - len(shape) - 1 if negative else axis, valuesCount=count)
    b.output(b.op("PACK", parts, [y], op_options))
    assert_same_bits(b, [int8(seed + i, shape) for i in range(count)])


@pytest.mark.parametrize("name", ["PAD", "PADV2"])
@few
@given(
    shape=SHAPES,
    amounts=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    zero_point=ZERO_POINTS,
    fill=st.integers(-128, 127),
    seed=SEEDS,
)
def test_pad(*, name: str, shape: Shape, amounts: list[int], zero_point: int, fill: int, seed: int) -> None:
    table = np.array(amounts, dtype=np.int32).reshape(4, 2)[: len(shape)]
    b = ModelBuilder()
    x = b.input(shape, SCALE, zero_point)
    y = b.like(x, [dim + int(sum(pad)) for dim, pad in zip(shape, table, strict=True)])
    inputs = [x, b.constant(table)]
    if name == "PADV2":
        inputs.append(b.constant(np.array([fill], dtype=np.int8), SCALE, zero_point))
    b.output(b.op(name, inputs, [y], options("PadOptions" if name == "PAD" else "PadV2Options")))
    assert_same_bits(b, [int8(seed, shape)])


@st.composite
def slices(draw: st.DrawFn) -> tuple[Shape, list[int], list[int], list[int], int, int, int]:
    """(shape, begin, end, strides, begin mask, end mask, shrink mask) of a non-empty slice."""
    shape = draw(SHAPES)
    begin, end, strides = [], [], []
    shrink = 0
    for axis, dim in enumerate(shape):
        begin.append(draw(st.integers(-dim, dim - 1)))
        if draw(st.integers(0, 4)) == 0:
            shrink |= 1 << axis
            end.append(begin[-1] + 1)
            strides.append(1)
        else:
            end.append(draw(st.integers(-dim - 2, dim + 2)))
            strides.append(draw(st.sampled_from([1, 2, 3, -1, -2])))
    masks = draw(st.tuples(st.integers(0, 15), st.integers(0, 15)))
    return shape, begin, end, strides, masks[0] & ~shrink, masks[1] & ~shrink, shrink


def _sliced_shape(spec: tuple[Shape, list[int], list[int], list[int], int, int, int]) -> Shape:
    shape, begin, end, strides, begin_mask, end_mask, shrink = spec
    result: list[int] = []
    for axis, dim in enumerate(shape):
        if shrink >> axis & 1:
            continue
        # Python's slices follow the same rules.
        first = None if begin_mask >> axis & 1 else begin[axis]
        last = None if end_mask >> axis & 1 else end[axis]
        result.append(len(range(dim)[first : last : strides[axis]]))
    return tuple(result)


@few
@given(slices(), SEEDS)
def test_strided_slice(spec: tuple[Shape, list[int], list[int], list[int], int, int, int], seed: int) -> None:
    shape, begin, end, strides, begin_mask, end_mask, shrink = spec
    result = _sliced_shape(spec)
    assume(0 not in result)
    b = ModelBuilder()
    x = b.input(shape, SCALE, 0)
    y = b.like(x, result)
    vectors = [b.constant(vector) for vector in (begin, end, strides)]
    op_options = options("StridedSliceOptions", beginMask=begin_mask, endMask=end_mask, shrinkAxisMask=shrink)
    b.output(b.op("STRIDED_SLICE", [x, *vectors], [y], op_options))
    assert_same_bits(b, [int8(seed, shape)])


def test_a_reshape_may_follow_a_shape_computed_at_run_time() -> None:
    """What Keras' Flatten converts to: shape, first dimension, packed with −1."""
    b = ModelBuilder()
    x = b.input((1, 2, 3, 4), SCALE, 0)
    shape = b.op("SHAPE", [x], [b.tensor((4,), "int32")], options("ShapeOptions", outType=TensorType.INT32))
    vectors = [b.constant([value]) for value in (0, 1, 1)]
    batch = b.op(
        "STRIDED_SLICE",
        [shape, *vectors],
        [b.tensor((), "int32")],
        options("StridedSliceOptions", shrinkAxisMask=1),
    )
    rest = b.constant(np.array(-1, dtype=np.int32))
    target = b.op("PACK", [batch, rest], [b.tensor((2,), "int32")], options("PackOptions", valuesCount=2))
    b.output(b.op("RESHAPE", [x, target], [b.like(x, (1, 24))], options("ReshapeOptions")))
    value = int8(1, (1, 2, 3, 4))
    assert Interpreter(read_graph(b.build())).run([value])[0].tolist() == [value.reshape(-1).tolist()]
    assert_same_bits(b, [value])
