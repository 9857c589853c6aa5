"""Weights and biases as TFLite's int8 kernels take them: symmetric int8 weights, int32 biases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import UnsupportedError
from wpconvert.graph.structure import Tensor
from wpconvert.lowering.clamp import clamp_bounds
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.network import Constant, Node, Quant

_MEAN_WEIGHT = 64
"""What stands for 1 in the kernel of a mean: sums of a few bits would suffer from the kernels' two roundings."""

_BIAS_SCALE_TOLERANCE = 1e-5
"""Largest relative difference between a bias's own scale and the one the kernels use that changes no value."""

_LARGEST_BIAS_LOSS = 0.5
"""Most steps of the output that rounding a bias of real numbers may cost."""


def symmetric_int8(node: Node, weights: Constant) -> NDArray[np.int8]:
    """Integers without zero point; UnsupportedError where int8 cannot hold them."""
    if weights.scales is None:
        raise _unquantised(node, weights)
    centred = weights.centred()
    if centred.size and (int(centred.min()) < -128 or int(centred.max()) > 127):
        raise UnsupportedError(
            f"{node}: its weights {weights.name!r} are asymmetric ({weights.values.dtype.name} with a zero point that "
            "int8 cannot absorb); quantise them symmetrically with weight_type=QuantType.QInt8"
        )
    return centred.astype(np.int8)


def _unquantised(node: Node, weights: Constant) -> UnsupportedError:
    return UnsupportedError(f"{node}: its weights {weights.name!r} are {weights.values.dtype.name}; quantise them too")


def channel_scales(node: Node, weights: Constant, axis: int) -> NDArray[np.float32]:
    """The scales, float32[1] or one per slice of `axis`, the axis of the output channels."""
    if weights.scales is None:
        raise _unquantised(node, weights)
    if weights.scales.size > 1 and weights.axis != axis:
        raise UnsupportedError(
            f"{node}: its weights {weights.name!r} are quantised along axis {weights.axis}; supported: axis {axis}"
        )
    return weights.scales


def int32_bias(node: Node, bias: Constant, scales: NDArray[np.float32], channels: int) -> NDArray[np.int32]:
    """A bias in steps of `scales` (input scale · weight scale), int32[channels]."""
    if bias.values.size not in (1, channels) or bias.values.size != math.prod(bias.shape[-1:]):
        raise UnsupportedError(f"{node}: a bias of shape {list(bias.shape)} does not match {channels} channels")
    steps: NDArray[Any]
    if bias.scales is None and bias.values.dtype.kind != "f":
        steps = bias.values.astype(np.float64)
    elif bias.scales is not None and _same(bias.scales, scales):
        steps = bias.centred().astype(np.float64)
    else:
        steps = bias.real().reshape(-1) / scales.astype(np.float64)
        _check_steps(node, bias, steps, scales)
    steps = np.rint(np.broadcast_to(steps.reshape(-1), (channels,)) - rounding_excess(node, scales))
    limits = np.iinfo(np.int32)
    if not ((steps >= limits.min) & (steps <= limits.max)).all():
        raise UnsupportedError(
            f"{node}: its bias {bias.name!r} is not finite, or overflows int32 at the scales of the weights"
        )
    return steps.astype(np.int32)


def _check_steps(node: Node, bias: Constant, steps: NDArray[np.float64], scales: NDArray[np.float32]) -> None:
    """UnsupportedError where rounding a bias to whole steps of `scales` would change it by half an output step."""
    lost = np.abs(steps - np.rint(steps)) * scales / float(node.output.quant.scale)
    if (lost > _LARGEST_BIAS_LOSS).any():
        raise UnsupportedError(
            f"{node}: its bias {bias.name!r} at the input's scale times the weights' would be off by "
            f"{lost.max():.3g} output steps; quantise it too (int32) or quantise the output with a larger scale"
        )


def no_bias(node: Node, scales: NDArray[np.float32], channels: int) -> NDArray[np.int32]:
    """What `int32_bias` makes of zeros."""
    return int32_bias(node, Constant("", np.zeros(channels, np.int32)), scales, channels)


def rounding_excess(node: Node, scales: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much the first of the kernels' two roundings raises results above zero, in steps of a bias of these scales.

    Sums are multiplied with a number from 1/2 to 1 and rounded, then shifted and rounded again: together that is as if
    half a unit had been added to the product, and rounded once. 0 where nothing is shifted, and where the output may be
    negative: as much is taken from results below zero.
    """
    quant = node.output.quant
    factor, shift = np.frexp(scales.astype(np.float64) / float(quant.scale))
    raised = (shift < 0) & (clamp_bounds(node, quant)[0] >= quant.zero_point)
    return np.where(raised, 0.5 / factor, 0.0)


def _same(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    return first.size in (1, second.size) and np.allclose(first, second, rtol=_BIAS_SCALE_TOLERANCE, atol=0)


def bias_scales(source: Quant, scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scales of a bias."""
    product: NDArray[np.float32] = (np.float32(source.scale) * scales).astype(np.float32)
    return product


def mean_kernel(emitter: Emitter, node: Node, size: tuple[int, int], divisor: int) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a depthwise convolution: sums of windows [height, width] of an image, divided."""
    x, name = node.activation(0), node.output.name
    scales = np.array([1 / (_MEAN_WEIGHT * divisor)], np.float32)
    values = np.full((1, *size, x.shape[1]), _MEAN_WEIGHT, np.int8)
    kernel = emitter.constant(f"{name}/kernel", values, scales, axis=3)
    steps = bias_scales(x.quant, scales)
    return kernel, emitter.constant(f"{name}/bias", no_bias(node, steps, x.shape[1]), steps)
