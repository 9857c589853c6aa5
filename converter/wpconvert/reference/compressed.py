"""WP_CONV_2D, WP_DEPTHWISE_CONV_2D and WP_FULLY_CONNECTED: the arithmetic of rewritten operators (docs/FORMAT.md).

All numbers come from blob, table and options; scales of the tensors are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.reference.convolution import (
    ConvWeights,
    DepthwiseWeights,
    add_bias,
    conv2d_accumulate,
    depthwise_accumulate,
    prepare_conv_weights,
    prepare_depthwise_weights,
)
from wpconvert.reference.fully_connected import (
    FcWeights,
    fully_connected_accumulate,
    prepare_fc_weights,
)
from wpconvert.reference.registry import OpContext, expect_rank, expect_shape, expect_type, register
from wpconvert.reference.window import window_geometry
from wpconvert.tflite.arithmetic import Int32Array, requantise
from wpconvert.tflite.compressed import Compressed, decode_compressed
from wpconvert.tflite.operators import BUILTIN_NAMES
from wpconvert.tflite.schema import Padding, TensorType

_PADDING = {"SAME": Padding.SAME, "VALID": Padding.VALID}


@dataclass(frozen=True)
class _Plan:
    """A rewritten operator ready to run: decoded weights in the form its kernel wants, and the unfolded bias."""

    parts: Compressed
    weights: ConvWeights | DepthwiseWeights | FcWeights
    bias: NDArray[np.int32]

    def finish(self, sums: Int32Array) -> NDArray[np.int8]:
        table = self.parts.table
        return requantise(
            add_bias(sums, self.bias),
            table.multiplier,
            table.shift.astype(np.int32),
            table.output_zero_point,
            table.activation_min,
            table.activation_max,
        )


def _decode(context: OpContext) -> Compressed:
    context.arity(3)
    expect_type(context.tensor(0), TensorType.INT8)
    expect_type(context.output(), TensorType.INT8)
    blob, table = context.constant(1, "the weight blob"), context.constant(2, "the requantisation table")
    for info in (context.tensor(1), context.tensor(2)):
        expect_type(info, TensorType.UINT8)
    parts = decode_compressed(BUILTIN_NAMES[context.name], context.custom_options, blob.reshape(-1), table.reshape(-1))
    for info, stored in (
        (context.tensor(0), parts.table.input_zero_point),
        (context.output(), parts.table.output_zero_point),
    ):
        if info.per_tensor()[1] != stored:
            raise ModelError(f"{info} has another zero point than the table's {stored}")
    return parts


def _expect_window(context: OpContext, parts: Compressed, channels: int) -> None:
    x, y = context.tensor(0), context.output()
    options = parts.options
    kernel = (parts.weights.shape[1], parts.weights.shape[2])
    padding = _PADDING[options.padding]
    size, _ = window_geometry((x.shape[1], x.shape[2]), kernel, options.stride, padding, options.dilation)
    expect_shape(y, (x.shape[0], *size, channels))


def _conv_plan(context: OpContext) -> _Plan:
    parts = _decode(context)
    expect_rank(context.tensor(0), 4)
    if parts.weights.ndim != 4:
        raise ModelError(f"filters of shape {list(parts.weights.shape)}, expected 4 dimensions")
    _expect_window(context, parts, parts.weights.shape[0])
    weights = prepare_conv_weights(parts.weights, context.tensor(0).shape[3])
    return _Plan(parts, weights, parts.bias())


def _depthwise_plan(context: OpContext) -> _Plan:
    parts = _decode(context)
    expect_rank(context.tensor(0), 4)
    channels = parts.weights.shape[3]
    if channels != context.tensor(0).shape[3] * parts.options.depth_multiplier:
        raise ModelError(
            f"{channels} filters, expected {context.tensor(0).shape[3]} · "
            f"depth multiplier {parts.options.depth_multiplier}"
        )
    _expect_window(context, parts, channels)
    return _Plan(parts, prepare_depthwise_weights(parts.weights), parts.bias())


def _fully_connected_plan(context: OpContext) -> _Plan:
    parts = _decode(context)
    x, y = context.tensor(0), context.output()
    if parts.weights.ndim != 2:
        raise ModelError(f"weights of shape {list(parts.weights.shape)}, expected 2 dimensions")
    units, depth = parts.weights.shape
    if x.size % depth or not y.shape or y.shape[-1] != units or y.size != x.size // depth * units:
        raise ModelError(
            f"input {list(x.shape)}, weights {[units, depth]} and output {list(y.shape)} do not fit together"
        )
    return _Plan(parts, prepare_fc_weights(parts.weights), parts.bias())


def _windowed(context: OpContext, plan: _Plan, accumulate: Callable[..., Int32Array]) -> list[NDArray[Any]]:
    options = plan.parts.options
    zero_point, padding = plan.parts.table.input_zero_point, _PADDING[options.padding]
    sums = accumulate(context.value(0), plan.weights, zero_point, options.stride, padding, options.dilation)
    return [plan.finish(sums)]


@register("WP_CONV_2D", check=_conv_plan)
def wp_conv_2d(context: OpContext) -> list[NDArray[Any]]:
    """int8 convolution with stored weights."""
    return _windowed(context, context.cached(_conv_plan), conv2d_accumulate)


@register("WP_DEPTHWISE_CONV_2D", check=_depthwise_plan)
def wp_depthwise_conv_2d(context: OpContext) -> list[NDArray[Any]]:
    """int8 depthwise convolution with stored weights."""
    return _windowed(context, context.cached(_depthwise_plan), depthwise_accumulate)


@register("WP_FULLY_CONNECTED", check=_fully_connected_plan)
def wp_fully_connected(context: OpContext) -> list[NDArray[Any]]:
    """int8 matrix product with stored weights."""
    plan = context.cached(_fully_connected_plan)
    assert isinstance(plan.weights, FcWeights)
    sums = fully_connected_accumulate(context.value(0), plan.weights, plan.parts.table.input_zero_point)
    result = plan.finish(sums)
    return [result.reshape(context.output().shape)]
