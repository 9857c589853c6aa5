"""QUANTIZE and DEQUANTIZE."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpconvert.graph.arithmetic import multiply_double_rounding, quantise_multiplier, wrap_int32
from wpconvert.graph.types import FLOAT32, INT8, Values
from wpconvert.reference.kernels.activations import Table, look_up
from wpconvert.reference.registry import OpContext, register


def _check_quantize(context: OpContext) -> tuple[np.float32, int]:
    x, y = context.unary((FLOAT32, INT8))
    if x.dtype is INT8:
        _requantise_table(context)
    return y.per_tensor()


def _requantise_table(context: OpContext) -> Table:
    input_scale, input_zero_point = context.tensor(0).per_tensor()
    output_scale, output_zero_point = context.output().per_tensor()
    multiplier, shift = quantise_multiplier(float(input_scale) / float(output_scale))
    x = np.arange(-128, 128, dtype=np.int64) - input_zero_point
    scaled = wrap_int32(multiply_double_rounding(x, multiplier, shift) + output_zero_point)
    return np.clip(scaled, -128, 127).astype(np.int8)


def quantise_float(x: NDArray[np.float32], scale: np.float32, zero_point: int) -> NDArray[np.int8]:
    """x / scale in float32, rounded half away from zero, saturated.

    Values beyond int32 saturate and NaN becomes the zero point, as a Cortex-M converts; C leaves them
    undefined.
    """
    steps = (x / scale).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps)
    saturated: NDArray[np.int8] = np.clip(np.nan_to_num(rounded) + zero_point, -128, 127).astype(np.int8)
    return saturated


@register("QUANTIZE", check=_check_quantize)
def quantize(context: OpContext) -> list[Values]:
    """float32 to int8, or int8 to int8 at another scale."""
    scale, zero_point = context.cached(_check_quantize)
    x = context.value(0)
    if x.dtype == np.int8:
        return [look_up(context.cached(_requantise_table), x)]
    return [quantise_float(x, scale, zero_point)]


def _dequantise_table(context: OpContext) -> NDArray[np.float32]:
    """The float32 value of every int8; the product is rounded once, from double."""
    x, _ = context.unary(gives=FLOAT32)
    scale, zero_point = x.per_tensor()
    return (float(scale) * (np.arange(-128, 128) - zero_point)).astype(np.float32)


@register("DEQUANTIZE", check=_dequantise_table)
def dequantize(context: OpContext) -> list[Values]:
    """int8 to float32."""
    return [context.cached(_dequantise_table)[context.value(0).astype(np.int16) + 128]]
