"""PAD, PADV2 and STRIDED_SLICE."""

from __future__ import annotations

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import StridedSliceOptions
from wpconvert.graph.types import INT8, INT32, Values
from wpconvert.reference.registry import (
    OpContext,
    expect_copy,
    expect_rank_at_most,
    expect_same_type,
    expect_shape,
    expect_type,
    register,
)

_MAX_RANK = 4


def _paddings(context: OpContext) -> list[tuple[int, int]]:
    x, y = context.tensor(0), context.output()
    expect_copy(x, y)
    expect_type(context.tensor(1), INT32)
    expect_rank_at_most(x, _MAX_RANK)
    table = context.constant(1, "the padding")
    if table.shape != (len(x.shape), 2):
        raise ModelError(f"padding of shape {list(table.shape)}, expected [{len(x.shape)}, 2]")
    if (table < 0).any():
        raise ModelError("negative padding")
    pads = [(int(before), int(after)) for before, after in table]
    expect_shape(y, tuple(dim + sum(pad) for dim, pad in zip(x.shape, pads, strict=True)))
    return pads


def _pad_plan(context: OpContext) -> tuple[list[tuple[int, int]], int]:
    """Paddings and fill value of PAD."""
    context.arity(2)
    y = context.output()
    return _paddings(context), y.per_tensor()[1] if y.dtype is INT8 else 0


@register("PAD", check=_pad_plan)
def pad(context: OpContext) -> list[Values]:
    """Surround with zero, which for int8 is the output's zero point."""
    pads, fill = context.cached(_pad_plan)
    return [np.pad(context.value(0), pads, constant_values=fill)]


def _padv2_plan(context: OpContext) -> list[tuple[int, int]]:
    context.arity(3)
    fill, y = context.tensor(2), context.output()
    expect_same_type(fill, y)
    if fill.size != 1:
        raise ModelError(f"{fill} has {fill.size} elements, expected one")
    if y.dtype is INT8 and fill.per_tensor() != y.per_tensor():
        raise UnsupportedError(f"{fill} and {y} differ in scale or zero point")
    return _paddings(context)


@register("PADV2", check=_padv2_plan)
def padv2(context: OpContext) -> list[Values]:
    """Surround with a given value."""
    fill = context.value(2).reshape(-1)[0]
    return [np.pad(context.value(0), context.cached(_padv2_plan), constant_values=fill)]


def _bounds(dim: int, begin: int | None, end: int | None, stride: int) -> tuple[int, int]:
    """(first index, end index) along an axis; the end index is −1 for a descending slice down to index 0."""
    low, high = (0, dim) if stride > 0 else (-1, dim - 1)
    first, last = (low, high) if stride > 0 else (high, low)

    def place(value: int | None, missing: int) -> int:
        if value is None:
            return missing
        return min(max(value + dim if value < 0 else value, low), high)

    return place(begin, first), place(end, last)


def _slices(context: OpContext) -> tuple[slice | int, ...]:
    options = context.told(StridedSliceOptions)
    context.arity(4)
    x, y = context.tensor(0), context.output()
    expect_copy(x, y)
    if options.ellipsis_mask or options.new_axis_mask or options.offset:
        raise UnsupportedError("ellipsis, new-axis and offset slices")
    expect_rank_at_most(x, _MAX_RANK)
    vectors = []
    for position, what in ((1, "begin"), (2, "end"), (3, "the strides")):
        expect_type(context.tensor(position), INT32)
        vector = context.constant(position, what)
        if vector.shape != (len(x.shape),):
            raise ModelError(f"{what}: shape {list(vector.shape)}, expected [{len(x.shape)}]")
        vectors.append([int(value) for value in vector])
    index: list[slice | int] = []
    shape = []
    for axis, (dim, begin, end, stride) in enumerate(zip(x.shape, *vectors, strict=True)):
        if stride == 0:
            raise ModelError(f"stride 0 along axis {axis}")
        bit = 1 << axis
        start = None if options.begin_mask & bit else begin
        first, last = _bounds(dim, start, None if options.end_mask & bit else end, stride)
        if options.shrink_axis_mask & bit:
            if stride != 1 or not 0 <= first < dim:
                raise ModelError(f"axis {axis} of {dim} elements cannot shrink to element {begin} by stride {stride}")
            index.append(first)
            continue
        shape.append(len(range(first, last, stride)))
        index.append(slice(first, None if last < 0 else last, stride))
    expect_shape(y, tuple(shape))
    return tuple(index)


@register("STRIDED_SLICE", check=_slices)
def strided_slice(context: OpContext) -> list[Values]:
    """A slice with a begin, an end and a stride per axis."""
    return [np.asarray(context.value(0)[context.cached(_slices)])]
