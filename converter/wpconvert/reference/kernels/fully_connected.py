"""FULLY_CONNECTED for int8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.arithmetic import Int32Array, requantise_float
from wpconvert.graph.attributes import FullyConnectedOptions
from wpconvert.graph.types import INT8, Values
from wpconvert.reference.kernels.convolution import (
    Rescaling,
    channel_scales,
    check_bias,
    exact_dtype,
    to_int32,
    weights_of,
    with_bias,
)
from wpconvert.reference.registry import OpContext, expect_rank, expect_type, expect_work, register

_DEFAULT_WEIGHTS_FORMAT = 0

_BIAS_SCALE_TOLERANCE = 0.02
"""Largest difference between the two scales, in steps of the output."""


def prepare_fc_weights(weights: NDArray[np.int8]) -> Values:
    """int8 weights [units, depth] as a float matrix [depth, units]."""
    largest = int(np.abs(weights.astype(np.int16)).sum(axis=1, dtype=np.int64).max())
    return weights.T.astype(exact_dtype(largest * 255), order="C")


def fully_connected_accumulate(x: NDArray[np.int8], matrix: Values, input_zero_point: int) -> Int32Array:
    """Σ w · (x − input_zero_point), without bias.

    x int8 of any shape whose size is a multiple of depth; matrix float [depth, units]. Returns int32 [batch, units].
    """
    rows = x.reshape(-1, matrix.shape[0]).astype(matrix.dtype)
    rows -= matrix.dtype.type(input_zero_point)
    return to_int32(rows @ matrix)


@dataclass(frozen=True)
class FcPlan:
    """What a fully connected layer needs besides its input; ratio: of its scales, for LiteRT's rounding."""

    rescaling: Rescaling
    ratio: NDArray[np.float64]


def _plan(context: OpContext) -> FcPlan:
    options = context.told(FullyConnectedOptions)
    context.arity((2, 3))
    x, weights, y = context.tensor(0), context.tensor(1), context.output()
    for info in (x, weights, y):
        expect_type(info, INT8)
    if options.weights_format != _DEFAULT_WEIGHTS_FORMAT:
        raise UnsupportedError(f"{weights}: the shuffled weights format is not supported")
    expect_rank(weights, 2)
    units, depth = weights.shape
    check_bias(context.optional(2), units)
    if x.size % depth or not y.shape or y.shape[-1] != units or y.size != x.size // depth * units:
        raise ModelError(
            f"input {list(x.shape)}, weights {list(weights.shape)} and output {list(y.shape)} do not match"
        )
    input_scale, output_scale = x.per_tensor()[0], y.per_tensor()[0]
    expect_work(y.size * depth)
    scales = channel_scales(weights, 0)
    _check_bias_scale(context, input_scale, scales, output_scale)
    ratio = float(input_scale) * scales.astype(np.float64) / float(output_scale)
    return FcPlan(Rescaling.between(x, scales, y, options.fused_activation_function), ratio)


def _check_bias_scale(
    context: OpContext, input_scale: np.float32, scales: NDArray[np.float32], output_scale: np.float32
) -> None:
    """Both runtimes refuse a bias whose own scale is not input scale · filter scale, when there is one filter scale."""
    bias = context.optional(2)
    if bias is None or len(scales) != 1:
        return
    own = 0.0 if bias.quantization is None else float(bias.quantization.scales[0])
    if not abs(float(input_scale) * float(scales[0]) - own) / float(output_scale) <= _BIAS_SCALE_TOLERANCE:
        raise UnsupportedError(f"{bias}: scale {own:.9g}, expected {float(input_scale) * float(scales[0]):.9g}")


def _weights(context: OpContext) -> Values:
    return prepare_fc_weights(context.value(1))


@register("FULLY_CONNECTED", check=_plan)
def fully_connected(context: OpContext) -> list[Values]:
    """int8 matrix product; the leading dimensions of the declared output are the batch."""
    plan = context.cached(_plan)
    rescaling = plan.rescaling
    sums = fully_connected_accumulate(context.value(0), weights_of(context, _weights), rescaling.input_zero_point)
    biased = with_bias(context, sums)
    if context.rounding == "litert":
        result = requantise_float(biased, plan.ratio, rescaling.output_zero_point, rescaling.activation)
    else:
        result = rescaling.finish(biased)
    return [result.reshape(context.output().shape)]
