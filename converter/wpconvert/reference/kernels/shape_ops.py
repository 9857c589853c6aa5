"""Operators that move values without changing them.

Like the device they copy bits and do not look at quantisation, except CONCATENATION (which TFLM refuses to
rescale) and PAD (which fills with the output's zero point).
"""

from __future__ import annotations

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import NONE, ConcatenationOptions, PackOptions, SplitOptions, SqueezeOptions
from wpconvert.graph.types import INT32, Values, element_count
from wpconvert.reference.registry import (
    OpContext,
    expect_copy,
    expect_rank_at_most,
    expect_same_quantization,
    expect_shape,
    expect_type,
    register,
)


def _positive_axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ModelError(f"axis {axis} is outside {rank} dimensions")
    return axis % rank


def resolve_shape(wanted: list[int], size: int) -> tuple[int, ...]:
    """A target shape of RESHAPE with its −1 (at most one) replaced; ModelError when the sizes differ."""
    known = element_count(tuple(dim for dim in wanted if dim != -1))
    if wanted.count(-1) > 1 or known <= 0 or size % known or (-1 not in wanted and known != size):
        raise ModelError(f"shape {wanted} does not match {size} elements")
    return tuple(size // known if dim == -1 else dim for dim in wanted)


def _check_reshape(context: OpContext) -> None:
    context.arity((1, 2))
    x, y = context.tensor(0), context.output()
    expect_copy(x, y)
    if x.size != y.size:
        raise ModelError(f"{x} has {x.size} elements but {y} has {y.size}")
    shape = context.optional(1)
    if shape is not None and shape.is_constant:
        expect_shape(y, resolve_shape(context.integers(1, "the shape"), x.size))


@register("RESHAPE", check=_check_reshape)
def reshape(context: OpContext) -> list[Values]:
    """The same values in the declared shape, which a shape computed at run time must equal."""
    x, y, shape = context.value(0), context.output(), context.optional(1)
    if shape is not None and not shape.is_constant:
        expect_shape(y, resolve_shape([int(dim) for dim in context.value(1).reshape(-1)], x.size))
    return [x.reshape(y.shape)]


def _check_shape(context: OpContext) -> None:
    context.arity(1)
    expect_type(context.output(), INT32)
    expect_shape(context.output(), (len(context.tensor(0).shape),))


@register("SHAPE", check=_check_shape)
def shape(context: OpContext) -> list[Values]:
    """The shape of the input as int32."""
    return [np.array(context.tensor(0).shape, dtype=np.int32)]


def _check_squeeze(context: OpContext) -> None:
    context.arity(1)
    x = context.tensor(0)
    expect_copy(x, context.output())
    attributes = context.operator.attributes
    listed = attributes.squeeze_dims if isinstance(attributes, SqueezeOptions) else ()
    axes = {_positive_axis(axis, len(x.shape)) for axis in listed}
    if not axes:
        axes = {i for i, dim in enumerate(x.shape) if dim == 1}
    if any(x.shape[axis] != 1 for axis in axes):
        raise ModelError(f"{x} of shape {list(x.shape)} cannot drop the dimensions {sorted(axes)}")
    expect_shape(context.output(), tuple(dim for i, dim in enumerate(x.shape) if i not in axes))


def _check_expand_dims(context: OpContext) -> None:
    context.arity(2)
    x = context.tensor(0)
    expect_copy(x, context.output())
    axes = context.integers(1, "the axis")
    if len(axes) != 1:
        raise ModelError(f"{len(axes)} axes, expected one")
    axis = _positive_axis(axes[0], len(x.shape) + 1)
    expect_shape(context.output(), (*x.shape[:axis], 1, *x.shape[axis:]))


@register("SQUEEZE", check=_check_squeeze)
@register("EXPAND_DIMS", check=_check_expand_dims)
def same_elements(context: OpContext) -> list[Values]:
    """Drop or insert dimensions of size 1."""
    return [context.value(0).reshape(context.output().shape)]


_MAX_TRANSPOSE_RANK = 5


def _permutation(context: OpContext) -> tuple[int, ...]:
    context.arity(2)
    x = context.tensor(0)
    expect_copy(x, context.output())
    expect_rank_at_most(x, _MAX_TRANSPOSE_RANK)
    order = tuple(context.integers(1, "the permutation"))
    if sorted(order) != list(range(len(x.shape))):
        raise ModelError(f"{list(order)} is not a permutation of the {len(x.shape)} dimensions of {x}")
    expect_shape(context.output(), tuple(x.shape[axis] for axis in order))
    return order


@register("TRANSPOSE", check=_permutation)
def transpose(context: OpContext) -> list[Values]:
    """Permute the dimensions."""
    return [context.value(0).transpose(context.cached(_permutation))]


def _concatenation_axis(context: OpContext) -> int:
    options = context.told(ConcatenationOptions)
    y = context.output()
    if not context.operator.inputs or len(context.operator.outputs) != 1:
        raise ModelError("expected at least one input and one output")
    if options.fused_activation_function != NONE:
        raise UnsupportedError("a fused activation")
    first = context.tensor(0)
    axis = _positive_axis(options.axis, len(first.shape))
    length = 0
    for position in range(len(context.operator.inputs)):
        x = context.tensor(position)
        expect_copy(x, y)
        expect_same_quantization(x, y)
        if len(x.shape) != len(first.shape):
            raise ModelError(f"{x} has {len(x.shape)} dimensions, {first} has {len(first.shape)}")
        expect_shape(x, (*first.shape[:axis], x.shape[axis], *first.shape[axis + 1 :]))
        length += x.shape[axis]
    expect_shape(y, (*first.shape[:axis], length, *first.shape[axis + 1 :]))
    return axis


@register("CONCATENATION", check=_concatenation_axis)
def concatenation(context: OpContext) -> list[Values]:
    """Join tensors of one scale along an axis."""
    values = [context.value(position) for position in range(len(context.operator.inputs))]
    return [np.concatenate(values, axis=context.cached(_concatenation_axis))]


def _split_axis(context: OpContext) -> int:
    parts = len(context.operator.outputs)
    context.arity(2, parts)
    x = context.tensor(1)
    axes = context.integers(0, "the axis")
    if len(axes) != 1 or parts == 0 or context.told(SplitOptions).num_splits != parts:
        raise ModelError(f"{len(axes)} axes and {parts} outputs, expected one axis and the number of splits")
    axis = _positive_axis(axes[0], len(x.shape))
    if x.shape[axis] % parts:
        raise ModelError(f"{x} has {x.shape[axis]} elements along axis {axis}, not divisible by {parts}")
    for y in context.operator.outputs:
        expect_copy(x, y)
        expect_shape(y, (*x.shape[:axis], x.shape[axis] // parts, *x.shape[axis + 1 :]))
    return axis


@register("SPLIT", check=_split_axis)
def split(context: OpContext) -> list[Values]:
    """Equal parts along an axis."""
    return np.split(context.value(1), len(context.operator.outputs), axis=context.cached(_split_axis))


def _pack_axis(context: OpContext) -> int:
    options = context.told(PackOptions)
    count = len(context.operator.inputs)
    if count == 0 or options.values_count != count:
        raise ModelError(f"{count} inputs, the options say {options.values_count}")
    context.arity(count)
    first = context.tensor(0)
    axis = _positive_axis(options.axis, len(first.shape) + 1)
    for position in range(count):
        x = context.tensor(position)
        expect_copy(x, context.output())
        expect_shape(x, first.shape)
    expect_shape(context.output(), (*first.shape[:axis], count, *first.shape[axis:]))
    return axis


@register("PACK", check=_pack_axis)
def pack(context: OpContext) -> list[Values]:
    """Stack tensors of one shape along a new axis."""
    values = [context.value(position) for position in range(len(context.operator.inputs))]
    return [np.stack(values, axis=context.cached(_pack_axis))]
