"""WP_CONV_2D, WP_DEPTHWISE_CONV_2D and WP_FULLY_CONNECTED: the arithmetic of rewritten operators (docs/FORMAT.md).

All numbers come from blob, table, side data and options; scales of the tensors are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.graph.arithmetic import Int32Array, requantise
from wpconvert.graph.attributes import VALID
from wpconvert.graph.custom.compressed import Compressed, decode_compressed
from wpconvert.graph.custom.levels import ACT_BITS, level_of, levels
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.graph.types import INT8, UINT8, Values
from wpconvert.reference.kernels.convolution import (
    ConvWeights,
    add_bias,
    conv2d_accumulate,
    depthwise_accumulate,
    prepare_conv_weights,
    prepare_depthwise_weights,
)
from wpconvert.reference.kernels.fully_connected import fully_connected_accumulate, prepare_fc_weights
from wpconvert.reference.lookup import LookupWeights, lookup_accumulate, prepare_lookup_weights
from wpconvert.reference.registry import OpContext, expect_rank, expect_shape, expect_type, register
from wpconvert.reference.window import window_geometry

_CONSTANTS = ("the weight blob", "the requantisation table", "the side data")
W = TypeVar("W")


@dataclass(frozen=True)
class _Plan(Generic[W]):
    """A rewritten operator ready to run: decoded weights in the form its kernel wants, and the bias that fits it."""

    parts: Compressed
    weights: W
    bias: NDArray[np.int32]

    @property
    def zero_level(self) -> int:
        """The level of an activation that is the zero point."""
        return level_of(self.parts.table.input_zero_point, self.parts.options.act_bits)

    def levels(self, x: NDArray[np.int8]) -> NDArray[np.int8]:
        """The activations that the kernel multiplies with."""
        bits = self.parts.options.act_bits
        return x if bits == ACT_BITS else levels(x, bits, self.parts.table.input_zero_point)

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
    context.arity((3, 4))
    expect_type(context.tensor(0), INT8)
    expect_type(context.output(), INT8)
    constants = []
    for position, what in enumerate(_CONSTANTS[: len(context.operator.inputs) - 1], 1):
        constants.append(context.constant(position, what).reshape(-1))
        expect_type(context.tensor(position), UINT8)
    parts = decode_compressed(BUILTIN_NAMES[context.operator.kind], context.operator.options.tobytes(), *constants)
    for info, stored in (
        (context.tensor(0), parts.table.input_zero_point),
        (context.output(), parts.table.output_zero_point),
    ):
        if info.per_tensor()[1] != stored:
            raise ModelError(f"{info} has a zero point that differs from the table's {stored}")
    return parts


def _expect_window(context: OpContext, parts: Compressed, channels: int) -> None:
    x, y = context.tensor(0), context.output()
    options = parts.options
    kernel = (parts.weights.shape[1], parts.weights.shape[2])
    size, _ = window_geometry((x.shape[1], x.shape[2]), kernel, options.stride, options.padding, options.dilation)
    expect_shape(y, (x.shape[0], *size, channels))


def _conv_plan(context: OpContext) -> _Plan[ConvWeights | LookupWeights]:
    parts = _decode(context)
    expect_rank(context.tensor(0), 4)
    if parts.weights.ndim != 4:
        raise ModelError(f"filters of shape {list(parts.weights.shape)}, expected 4 dimensions")
    _expect_window(context, parts, parts.weights.shape[0])
    channels = context.tensor(0).shape[3]
    if parts.side is not None and parts.weights.shape[3] != channels:
        raise ModelError(f"{parts.codec} filters of {parts.weights.shape[3]} channels, the input has {channels}")
    if parts.shift:
        return _Plan(parts, prepare_lookup_weights(parts.weights, parts.shift), parts.table.bias)
    return _Plan(parts, prepare_conv_weights(parts.weights, channels), _unfolded(parts))


def _unfolded(parts: Compressed) -> NDArray[np.int32]:
    """The bias for kernels that subtract the zero point themselves, int32[channels]."""
    return (parts.table.bias + parts.zero_sums()).astype(np.int32)


def _depthwise_plan(context: OpContext) -> _Plan[Values]:
    parts = _decode(context)
    expect_rank(context.tensor(0), 4)
    channels = parts.weights.shape[3]
    if channels != context.tensor(0).shape[3] * parts.options.depth_multiplier:
        raise ModelError(
            f"{channels} filters, expected {context.tensor(0).shape[3]} · "
            f"depth multiplier {parts.options.depth_multiplier}"
        )
    _expect_window(context, parts, channels)
    return _Plan(parts, prepare_depthwise_weights(parts.weights), _unfolded(parts))


def _fully_connected_plan(context: OpContext) -> _Plan[Values | LookupWeights]:
    parts = _decode(context)
    x, y = context.tensor(0), context.output()
    if parts.weights.ndim != 2:
        raise ModelError(f"weights of shape {list(parts.weights.shape)}, expected 2 dimensions")
    units, depth = parts.weights.shape
    if x.size % depth or not y.shape or y.shape[-1] != units or y.size != x.size // depth * units:
        raise ModelError(f"input {list(x.shape)}, weights {[units, depth]} and output {list(y.shape)} do not match")
    if parts.shift:
        filters = parts.weights.reshape(units, 1, 1, depth)
        return _Plan(parts, prepare_lookup_weights(filters, parts.shift), parts.table.bias)
    return _Plan(parts, prepare_fc_weights(parts.weights), _unfolded(parts))


def _windowed(
    context: OpContext,
    plan: _Plan[W],
    accumulate: Callable[..., Int32Array],
) -> list[Values]:
    options = plan.parts.options
    window = (options.stride, options.padding, options.dilation)
    x = plan.levels(context.value(0))
    if isinstance(plan.weights, LookupWeights):
        return [plan.finish(lookup_accumulate(x, plan.weights, plan.zero_level, options.act_bits, *window))]
    return [plan.finish(accumulate(x, plan.weights, plan.zero_level, *window))]


@register("WP_CONV_2D", check=_conv_plan)
def wp_conv_2d(context: OpContext) -> list[Values]:
    """int8 convolution with stored weights."""
    return _windowed(context, context.cached(_conv_plan), conv2d_accumulate)


@register("WP_DEPTHWISE_CONV_2D", check=_depthwise_plan)
def wp_depthwise_conv_2d(context: OpContext) -> list[Values]:
    """int8 depthwise convolution with stored weights."""
    return _windowed(context, context.cached(_depthwise_plan), depthwise_accumulate)


@register("WP_FULLY_CONNECTED", check=_fully_connected_plan)
def wp_fully_connected(context: OpContext) -> list[Values]:
    """int8 matrix product with stored weights."""
    plan = context.cached(_fully_connected_plan)
    x = plan.levels(context.value(0))
    if isinstance(plan.weights, LookupWeights):
        pixels = x.reshape(-1, 1, 1, plan.parts.weights.shape[1])
        bits = plan.parts.options.act_bits
        sums = lookup_accumulate(pixels, plan.weights, plan.zero_level, bits, (1, 1), VALID)
    else:
        sums = fully_connected_accumulate(x, plan.weights, plan.zero_level)
    result = plan.finish(sums)
    return [result.reshape(context.output().shape)]
