"""MEAN on int8 and REDUCE_MAX on int8 and float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.arithmetic import multiply_double_rounding, quantise_multiplier, wrap_int32
from wpconvert.graph.attributes import ReducerOptions
from wpconvert.graph.types import FLOAT32, INT8, INT32, Values
from wpconvert.reference.registry import (
    OpContext,
    expect_same_quantization,
    expect_same_type,
    expect_shape,
    expect_type,
    register,
)


def _axes(context: OpContext) -> tuple[int, ...]:
    """The axes to reduce, non-negative and without repetition; checks the declared output shape."""
    context.arity(2)
    options = context.told(ReducerOptions)
    x = context.tensor(0)
    expect_type(context.tensor(1), INT32)
    rank = len(x.shape)
    axes = set()
    for axis in context.constant(1, "the axes").reshape(-1):
        if not -rank <= axis < rank:
            raise ModelError(f"axis {axis} of {x}, which has {rank} dimensions")
        axes.add(int(axis) % rank)
    if not axes:
        raise UnsupportedError("no axis to reduce")
    if options.keep_dims:
        shape = tuple(1 if i in axes else dim for i, dim in enumerate(x.shape))
    else:
        shape = tuple(dim for i, dim in enumerate(x.shape) if i not in axes)
    expect_shape(context.output(), shape)
    return tuple(sorted(axes))


@dataclass(frozen=True)
class MeanPlan:
    """Axes and rescaling of MEAN; the multiplier contains the division by the number of elements."""

    axes: tuple[int, ...]
    offset: int
    multiplier: int
    shift: int
    output_zero_point: int


def _mean_plan(context: OpContext) -> MeanPlan:
    axes = _axes(context)
    x, y = context.tensor(0), context.output()
    expect_type(x, INT8)
    expect_type(y, INT8)
    input_scale, input_zero_point = x.per_tensor()
    output_scale, output_zero_point = y.per_tensor()
    multiplier, shift = quantise_multiplier(float(input_scale) / float(output_scale))
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    gained = min(count.bit_length() - 1, 32, 31 + shift)
    return MeanPlan(axes, input_zero_point * count, (multiplier << gained) // count, shift - gained, output_zero_point)


@register("MEAN", check=_mean_plan)
def mean(context: OpContext) -> list[Values]:
    """int8 mean: the sum without zero points, rescaled once."""
    plan = context.cached(_mean_plan)
    sums = context.value(0).sum(axis=plan.axes, dtype=np.int64) - plan.offset
    scaled = multiply_double_rounding(wrap_int32(np.asarray(sums)), plan.multiplier, plan.shift)
    raw = wrap_int32(scaled + plan.output_zero_point)
    return [np.clip(raw, -128, 127).astype(np.int8).reshape(context.output().shape)]


def _max_axes(context: OpContext) -> tuple[int, ...]:
    axes = _axes(context)
    x, y = context.tensor(0), context.output()
    expect_type(x, INT8, FLOAT32)
    expect_same_type(x, y)
    expect_same_quantization(x, y)
    return axes


@register("REDUCE_MAX", check=_max_axes)
def reduce_max(context: OpContext) -> list[Values]:
    """Maximum along axes; a NaN never wins, as in the kernels' comparison."""
    axes, x = context.cached(_max_axes), context.value(0)
    if x.dtype == np.float32:
        x = np.fmax(x, np.finfo(np.float32).min)
    return [np.asarray(x.max(axis=axes)).reshape(context.output().shape)]
