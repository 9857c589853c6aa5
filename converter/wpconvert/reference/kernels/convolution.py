"""CONV_2D and DEPTHWISE_CONV_2D for int8.

The accumulators are computed in floating point: all partial sums are integers whose size is bounded by
Σ|w| · max|x − zero point|, so float32 is exact below 2^24 and float64 below 2^53.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.arithmetic import Int32Array, activation_range, output_multipliers, requantise
from wpconvert.graph.attributes import Conv2DOptions, Convolution, DepthwiseConv2DOptions
from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import INT8, INT32, Values, element_count
from wpconvert.reference.registry import OpContext, expect_rank, expect_shape, expect_type, expect_work, register
from wpconvert.reference.window import expect_scratch, pad_image, padded_shape, window_geometry

Pair = tuple[int, int]
W = TypeVar("W")

_MAX_OFFSET_INPUT = 255
"""Largest |x − zero point| for int8 x and zero point."""

_FLOAT64_BYTES = 8

_CHUNK_BYTES = 1 << 25
"""Size of one block of unfolded input rows."""


def exact_dtype(magnitude: int) -> np.dtype[np.floating]:
    """The smallest float type in which integer sums up to `magnitude` are exact."""
    return np.dtype(np.float32 if magnitude < 1 << 24 else np.float64)


def to_int32(sums: Values) -> Int32Array:
    """Exact float sums as int32; sums outside int32 wrap as on the device."""
    if sums.dtype == np.float32:
        return sums.astype(np.int32)
    return sums.astype(np.int64).astype(np.int32)


@dataclass(frozen=True)
class ConvWeights:
    """Filters of a convolution, unfolded for a matrix product.

    `matrices` is float [groups, kernel_h · kernel_w · group_channels, out_channels / groups].
    """

    matrices: Values
    kernel: Pair
    group_channels: int
    out_channels: int


def prepare_conv_weights(weights: NDArray[np.int8], in_channels: int) -> ConvWeights:
    """Unfold int8 filters [out_channels, kernel_h, kernel_w, group_channels].

    `group_channels` divides `in_channels`; the quotient is the number of groups.
    """
    out_channels, kernel_h, kernel_w, group_channels = weights.shape
    if in_channels % group_channels or out_channels % (in_channels // group_channels):
        raise ModelError(
            f"filters of shape {list(weights.shape)} do not divide {in_channels} input channels into groups"
        )
    groups = in_channels // group_channels
    flat = weights.reshape(groups, out_channels // groups, kernel_h * kernel_w * group_channels)
    largest = int(np.abs(flat.astype(np.int16)).sum(axis=2, dtype=np.int64).max())
    dtype = exact_dtype(largest * _MAX_OFFSET_INPUT)
    matrices = flat.transpose(0, 2, 1).astype(dtype, order="C")
    return ConvWeights(matrices, (kernel_h, kernel_w), group_channels, out_channels)


def _offset_input(x: NDArray[np.int8], zero_point: int, dtype: np.dtype[np.floating]) -> Values:
    shifted = x.astype(dtype)
    shifted -= dtype.type(zero_point)
    return shifted


def _unfolded(windows: Values, rows: slice) -> Values:
    """Windows [b, oh, ow, kh, kw, c] of some output rows as a matrix [b · rows · ow, kh · kw · c]."""
    block = windows[:, rows]
    return block.reshape(block.shape[0] * block.shape[1] * block.shape[2], -1)


def _windows(x: Values, kernel: Pair, strides: Pair, dilation: Pair) -> Values:
    """A view of padded x [b, h, w, c] as windows [b, oh, ow, kh, kw, c]."""
    extent = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    views = np.lib.stride_tricks.sliding_window_view(x, extent, axis=(1, 2))
    views = views[:, :: strides[0], :: strides[1], :, :: dilation[0], :: dilation[1]]
    return views.transpose(0, 1, 2, 4, 5, 3)


def conv2d_accumulate(
    x: NDArray[np.int8],
    filters: ConvWeights,
    input_zero_point: int,
    strides: Pair,
    padding: str,
    dilation: Pair = (1, 1),
) -> Int32Array:
    """Σ w · (x − input_zero_point) over the taps inside the image, without bias.

    x int8 [batch, height, width, in_channels]; strides and dilation are (height, width); padding is SAME or
    VALID. Returns int32 [batch, out_height, out_width, out_channels].
    """
    (height, width), pads = window_geometry(x.shape[1:3], filters.kernel, strides, padding, dilation)
    padded = pad_image(_offset_input(x, input_zero_point, filters.matrices.dtype), pads)
    groups, taps, group_outputs = filters.matrices.shape
    batch = x.shape[0]
    if filters.kernel == (1, 1) and groups == 1:
        pixels = padded[:, :: strides[0], :: strides[1]].reshape(-1, taps)
        return to_int32(pixels @ filters.matrices[0]).reshape(batch, height, width, group_outputs)
    row_bytes = batch * width * taps * padded.itemsize
    expect_scratch("one row of unfolded input", row_bytes)
    windows = _windows(padded, filters.kernel, strides, dilation)
    sums = np.empty((batch, height, width, groups, group_outputs), dtype=np.int32)
    step = max(1, _CHUNK_BYTES // row_bytes)
    for group in range(groups):
        channels = windows[..., group * filters.group_channels : (group + 1) * filters.group_channels]
        for row in range(0, height, step):
            rows = slice(row, min(row + step, height))
            block = to_int32(_unfolded(channels, rows) @ filters.matrices[group])
            sums[:, rows, :, group] = block.reshape(batch, -1, width, group_outputs)
    return sums.reshape(batch, height, width, filters.out_channels)


def prepare_depthwise_weights(weights: NDArray[np.int8]) -> Values:
    """int8 filters [1, kernel_h, kernel_w, out_channels] as float [kernel_h, kernel_w, out_channels]."""
    if weights.shape[0] != 1:
        raise ModelError(f"filters of shape {list(weights.shape)}, expected a first dimension of 1")
    largest = int(np.abs(weights.astype(np.int64)).sum(axis=(0, 1, 2)).max())
    taps: Values = weights[0].astype(exact_dtype(largest * _MAX_OFFSET_INPUT))
    return taps


def depthwise_accumulate(
    x: NDArray[np.int8],
    taps: Values,
    input_zero_point: int,
    strides: Pair,
    padding: str,
    dilation: Pair = (1, 1),
) -> Int32Array:
    """Σ w · (x − input_zero_point) over the taps inside the image, without bias.

    x int8 [batch, height, width, in_channels]; taps as prepared, [kernel_h, kernel_w, out_channels] with
    out_channels a multiple of in_channels: output channel i reads input channel i // depth_multiplier.
    Returns int32 [batch, out_height, out_width, out_channels].
    """
    kernel_h, kernel_w, out_channels = taps.shape
    if out_channels % x.shape[3]:
        raise ModelError(f"{out_channels} filters are not a multiple of {x.shape[3]} input channels")
    (height, width), pads = window_geometry(x.shape[1:3], (kernel_h, kernel_w), strides, padding, dilation)
    padded = pad_image(_offset_input(x, input_zero_point, taps.dtype), pads)
    if out_channels != x.shape[3]:
        padded = np.repeat(padded, out_channels // x.shape[3], axis=3)
    sums = np.zeros((x.shape[0], height, width, out_channels), dtype=taps.dtype)
    product = np.empty_like(sums)
    for row in range(kernel_h):
        top = row * dilation[0]
        lines = padded[:, top : top + (height - 1) * strides[0] + 1 : strides[0]]
        for column in range(kernel_w):
            left = column * dilation[1]
            pixels = lines[:, :, left : left + (width - 1) * strides[1] + 1 : strides[1]]
            np.multiply(pixels, taps[row, column], out=product)
            sums += product
    return to_int32(sums)


def channel_scales(weights: Tensor, channel_axis: int) -> NDArray[np.float32]:
    """Scales of a filter tensor: one, or one per output channel along `channel_axis`.

    Raises ModelError when the counts or the axis do not fit, UnsupportedError for zero points other than 0:
    the int8 kernels take weights as symmetric.
    """
    params = weights.parameters()
    if params.zero_points.any():
        raise UnsupportedError(f"{weights}: the zero point of weights must be 0")
    count = len(params.scales)
    if count > 1 and (params.axis != channel_axis or count != weights.shape[channel_axis]):
        raise ModelError(
            f"{weights}: {count} scales along axis {params.axis}, "
            f"expected {weights.shape[channel_axis]} along axis {channel_axis}"
        )
    return params.scales


def check_bias(bias: Tensor | None, channels: int) -> None:
    """A bias is int32 with one value per output channel."""
    if bias is None:
        return
    expect_type(bias, INT32)
    if bias.size != channels:
        raise ModelError(f"{bias} has {bias.size} values for {channels} output channels")


def add_bias(accumulators: Int32Array, bias: Values) -> Int32Array:
    """accumulators [..., channels] + bias [channels], wrapping in int32."""
    biased: Int32Array = accumulators + bias.reshape(-1)
    return biased


@dataclass(frozen=True)
class Rescaling:
    """How a layer with weights comes from its sums to int8; multiplier and shift have one value, or one per channel."""

    input_zero_point: int
    output_zero_point: int
    activation: tuple[int, int]
    multiplier: Int32Array
    shift: Int32Array

    @classmethod
    def between(cls, x: Tensor, scales: NDArray[np.float32], y: Tensor, activation: str) -> Rescaling:
        """From input to output of a layer whose weights have these scales."""
        (input_scale, input_zero_point), (output_scale, output_zero_point) = x.per_tensor(), y.per_tensor()
        clamp = activation_range(activation, output_scale, output_zero_point, np.dtype(np.int8))
        return cls(input_zero_point, output_zero_point, clamp, *output_multipliers(input_scale, scales, output_scale))

    def finish(self, sums: Int32Array) -> NDArray[np.int8]:
        """The outputs for sums [..., channels], with bias."""
        return requantise(sums, self.multiplier, self.shift, self.output_zero_point, *self.activation)


@dataclass(frozen=True)
class ConvPlan:
    """What a convolution needs besides its input: geometry (strides, padding, dilation) and requantisation."""

    geometry: tuple[Pair, str, Pair]
    rescaling: Rescaling


def _plan(context: OpContext, options: Convolution, channel_axis: int) -> ConvPlan:
    context.arity((2, 3))
    x, weights, y = context.tensor(0), context.tensor(1), context.output()
    for info in (x, weights, y):
        expect_type(info, INT8)
        expect_rank(info, 4)
    channels = weights.shape[channel_axis]
    check_bias(context.optional(2), channels)
    scales = channel_scales(weights, channel_axis)
    rescaling = Rescaling.between(x, scales, y, options.fused_activation_function)
    geometry = (options.stride, options.padding, options.dilation)
    size, pads = window_geometry(_spatial(x), _spatial(weights), *geometry)
    expect_shape(y, (x.shape[0], *size, channels))
    taps = weights.size // channels
    expect_work(y.size * taps)
    # A depthwise convolution repeats its input for every output channel of an input channel.
    copies = channels if channel_axis == 3 else x.shape[3]
    padded = element_count((*padded_shape(x.shape, pads)[:3], copies))
    expect_scratch("padding the input", padded * _FLOAT64_BYTES)
    if channel_axis == 0:
        expect_scratch("one row of unfolded input", x.shape[0] * size[1] * taps * _FLOAT64_BYTES)
    return ConvPlan(geometry, rescaling)


def _spatial(info: Tensor) -> Pair:
    return info.shape[1], info.shape[2]


def _conv_plan(context: OpContext) -> ConvPlan:
    plan = _plan(context, context.told(Conv2DOptions), channel_axis=0)
    in_channels, (outputs, _, _, depth) = context.tensor(0).shape[3], context.tensor(1).shape
    if in_channels % depth or outputs % (in_channels // depth):
        raise ModelError(f"{context.tensor(1)}: {outputs} filters of depth {depth} for {in_channels} input channels")
    return plan


def _depthwise_plan(context: OpContext) -> ConvPlan:
    options = context.told(DepthwiseConv2DOptions)
    plan = _plan(context, options, channel_axis=3)
    in_channels, weights = context.tensor(0).shape[3], context.tensor(1)
    if weights.shape[0] != 1 or weights.shape[3] != in_channels * options.depth_multiplier:
        raise ModelError(
            f"{weights} has shape {list(weights.shape)}, expected [1, h, w, {in_channels} · "
            f"depth multiplier {options.depth_multiplier}]"
        )
    return plan


def weights_of(context: OpContext, prepare: Callable[[OpContext], W]) -> W:
    """The weights of a layer in the form its kernel wants, prepared once where they are constant."""
    return context.cached(prepare) if context.tensor(1).is_constant else prepare(context)


def with_bias(context: OpContext, sums: Int32Array) -> Int32Array:
    """Sums [..., channels] and the bias of a layer, if it has one."""
    return add_bias(sums, context.value(2)) if context.optional(2) else sums


def _conv_weights(context: OpContext) -> ConvWeights:
    return prepare_conv_weights(context.value(1), context.tensor(0).shape[3])


def _depthwise_weights(context: OpContext) -> Values:
    return prepare_depthwise_weights(context.value(1))


@register("CONV_2D", check=_conv_plan)
def conv_2d(context: OpContext) -> list[Values]:
    """int8 convolution; both runtimes round twice."""
    plan, filters = context.cached(_conv_plan), weights_of(context, _conv_weights)
    sums = conv2d_accumulate(context.value(0), filters, plan.rescaling.input_zero_point, *plan.geometry)
    return [plan.rescaling.finish(with_bias(context, sums))]


@register("DEPTHWISE_CONV_2D", check=_depthwise_plan)
def depthwise_conv_2d(context: OpContext) -> list[Values]:
    """int8 depthwise convolution; both runtimes round twice."""
    plan, taps = context.cached(_depthwise_plan), weights_of(context, _depthwise_weights)
    sums = depthwise_accumulate(context.value(0), taps, plan.rescaling.input_zero_point, *plan.geometry)
    return [plan.rescaling.finish(with_bias(context, sums))]
