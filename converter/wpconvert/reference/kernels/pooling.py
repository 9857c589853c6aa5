"""MAX_POOL_2D and AVERAGE_POOL_2D on int8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.arithmetic import activation_range
from wpconvert.graph.attributes import Pool2DOptions
from wpconvert.graph.types import INT8, Values
from wpconvert.reference.registry import OpContext, expect_rank, expect_shape, expect_type, expect_work, register
from wpconvert.reference.window import Pads, pad_image, window_geometry

_SCALE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class PoolPlan:
    """Geometry and clamp of a pool."""

    window: tuple[int, int]
    strides: tuple[int, int]
    size: tuple[int, int]
    pads: Pads
    activation: tuple[int, int]


def _plan(context: OpContext) -> PoolPlan:
    options = context.told(Pool2DOptions)
    context.arity(1)
    x, y = context.tensor(0), context.output()
    for info in (x, y):
        expect_type(info, INT8)
        expect_rank(info, 4)
    window, strides = options.window, options.stride
    expect_work(y.size * sum(max(side, 0) for side in window))
    size, pads = window_geometry((x.shape[1], x.shape[2]), window, strides, options.padding)
    expect_shape(y, (x.shape[0], *size, x.shape[3]))
    (input_scale, input_zero_point), (output_scale, output_zero_point) = x.per_tensor(), y.per_tensor()
    if abs(input_scale - output_scale) > _SCALE_TOLERANCE or input_zero_point != output_zero_point:
        raise UnsupportedError(f"{x} and {y} differ in scale or zero point, which pooling operators cannot convert")
    clamp = activation_range(options.fused_activation_function, output_scale, output_zero_point, np.dtype(np.int8))
    return PoolPlan(window, strides, size, pads, clamp)


def _along(x: Values, plan: PoolPlan, axis: int, combine: Callable[..., Values]) -> Values:
    """Combine the elements of each window of padded x along axis 1 (height) or 2 (width)."""
    window, stride, size = plan.window[axis - 1], plan.strides[axis - 1], plan.size[axis - 1]

    def taps(offset: int) -> Values:
        """The elements of all windows that are that far inside."""
        index: list[slice] = [slice(None)] * x.ndim
        index[axis] = slice(offset, offset + (size - 1) * stride + 1, stride)
        return x[tuple(index)]

    result = taps(0).copy()
    for offset in range(1, window):
        result = combine(result, taps(offset), out=result)
    return result


def _pool(padded: Values, plan: PoolPlan, combine: Callable[..., Values]) -> Values:
    rows = _along(padded, plan, 1, combine)
    return _along(rows, plan, 2, combine)


@register("MAX_POOL_2D", check=_plan)
def max_pool_2d(context: OpContext) -> list[Values]:
    """Maximum over the part of the window inside the image."""
    plan = context.cached(_plan)
    padded = pad_image(context.value(0), plan.pads, -128)
    return [np.clip(_pool(padded, plan, np.maximum), *plan.activation).astype(np.int8)]


def _counts(context: OpContext) -> NDArray[np.int32]:
    """Number of window elements inside the image, int32 [1, out_height, out_width, 1]."""
    plan = context.cached(_plan)
    _, height, width, _ = context.tensor(0).shape
    ones = pad_image(np.ones((1, height, width, 1), dtype=np.int32), plan.pads)
    counts = _pool(ones, plan, np.add)
    if not counts.all():
        raise ModelError("a window lies outside the image")
    return counts


@register("AVERAGE_POOL_2D", check=_counts)
def average_pool_2d(context: OpContext) -> list[Values]:
    """Mean over the part of the window inside the image, rounded half away from zero."""
    plan, counts = context.cached(_plan), context.cached(_counts)
    sums = _pool(pad_image(context.value(0).astype(np.int32), plan.pads), plan, np.add)
    means = np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)
    return [np.clip(means, *plan.activation).astype(np.int8)]
