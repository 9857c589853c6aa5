"""Unary activations on int8: each is a table of 256 entries, computed once per operator."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.arithmetic import (
    Int64Array,
    multiply_double_rounding,
    quantise_multiplier,
    quantise_scalar,
    round_half_away,
    rounding_shift_right,
)
from wpconvert.graph.attributes import LeakyReluOptions
from wpconvert.graph.types import Values
from wpconvert.reference import fixed_point
from wpconvert.reference.registry import OpContext, expect_scale, register

Table = NDArray[np.int8]

_INT8_VALUES = np.arange(-128, 128, dtype=np.int64)


def look_up(table: Table, x: NDArray[np.int8]) -> NDArray[np.int8]:
    """table[x + 128] for int8 x of any shape; the table is ordered by input from −128 to 127."""
    return table[x.astype(np.int16) + 128]


def _to_table(values: Int64Array, low: int = -128, high: int = 127) -> Table:
    return np.clip(values, low, high).astype(np.int8)


def _quantisation(context: OpContext) -> tuple[np.float32, int, np.float32, int]:
    """Check a unary int8 operator; (input scale, input zero point, output scale, output zero point)."""
    x, y = context.unary()
    return (*x.per_tensor(), *y.per_tensor())


def _rescaled(multiplier: float, x: Int64Array, zero_point: int) -> Int64Array:
    return zero_point + multiply_double_rounding(x, *quantise_multiplier(multiplier))


def _relu_table(context: OpContext) -> Table:
    """RELU: rescale, then clamp at the output's zero point."""
    input_scale, input_zero_point, output_scale, output_zero_point = _quantisation(context)
    scaled = _rescaled(float(input_scale / output_scale), _INT8_VALUES - input_zero_point, output_zero_point)
    return _to_table(scaled, low=output_zero_point)


def _relu6_table(context: OpContext) -> Table:
    """RELU6: LiteRT rescales; TFLM only clamps, at the bounds of the input's quantisation."""
    input_scale, input_zero_point, output_scale, output_zero_point = _quantisation(context)
    if context.rounding == "tflm":
        six = quantise_scalar(6.0, input_scale, input_zero_point)
        # TFLM stores the bound in an int8 after saturating it.
        return _to_table(_INT8_VALUES, low=input_zero_point, high=min(six, 127))
    scaled = _rescaled(float(input_scale / output_scale), _INT8_VALUES - input_zero_point, output_zero_point)
    six = quantise_scalar(6.0, output_scale, output_zero_point)
    return _to_table(scaled, low=output_zero_point, high=min(six, 127))


def _leaky_relu_table(context: OpContext) -> Table:
    """LEAKY_RELU: separate multipliers for the two half-lines; LiteRT takes the negative one's ratio in float32."""
    input_scale, input_zero_point, output_scale, output_zero_point = _quantisation(context)
    alpha = np.float32(context.told(LeakyReluOptions).alpha)
    x = _INT8_VALUES - input_zero_point
    slope = float(input_scale) * float(alpha) / float(output_scale)
    if context.rounding == "litert":
        slope = float(input_scale * alpha / output_scale)
    positive = _rescaled(float(input_scale / output_scale), x, output_zero_point)
    negative = multiply_double_rounding(x, *quantise_multiplier(abs(slope)))
    sign = -1 if slope < 0 else 1
    return _to_table(np.where(x >= 0, positive, output_zero_point + sign * negative))


def _int16_multiplier(real: float) -> tuple[int, int]:
    """A multiplier with 15 instead of 31 fractional bits, and its shift."""
    multiplier, shift = quantise_multiplier(real)
    if shift < -15:
        raise UnsupportedError(f"the ratio of the scales, {real:g}, is too small for 16-bit arithmetic")
    rounding = 1 << 15
    if multiplier >= (1 << 31) - 1 - rounding:
        return (1 << 15) - 1, shift
    return (multiplier + rounding) >> 16, shift


def _hard_swish_table(context: OpContext) -> Table:
    """HARD_SWISH in 16-bit fixed point: x · relu6(x + 3) / 6."""
    input_scale, input_zero_point, output_scale, output_zero_point = _quantisation(context)
    fine_scale = np.float32(1 / 128) * input_scale
    output_multiplier, output_shift = _int16_multiplier(float(fine_scale / output_scale))
    if output_shift > 0:
        raise UnsupportedError("the input scale is more than 128 times the output scale")
    relu_scale = np.float32(3.0) / np.float32(32768.0)
    relu_multiplier, relu_shift = _int16_multiplier(float(fine_scale / relu_scale))

    fine = (_INT8_VALUES - input_zero_point) << 7
    before_shift = (fine * output_multiplier + (1 << 14)) >> 15
    relu = fine
    if relu_shift > 0:
        relu = fixed_point.saturating_shift_left(relu, relu_shift - 1, bits=16)
    relu = (relu * relu_multiplier + (1 << 14)) >> 15
    if relu_shift > 0:
        relu = fixed_point.saturating_shift_left(relu, 1, bits=16)
    if relu_shift < 0:
        relu = rounding_shift_right(relu, -relu_shift)
    relu = (relu + (1 << 15)) >> 1
    # This product alone truncates towards zero, which cancels the bias of the roundings before it.
    product = relu * before_shift
    truncated = np.sign(product) * (np.abs(product) >> 15)
    return _to_table(rounding_shift_right(truncated, -output_shift) + output_zero_point)


_INTEGER_BITS = 4
"""Integer bits of the arguments of logistic and tanh."""


def _q4_input(context: OpContext) -> tuple[Int64Array, int]:
    """(all 256 inputs in Q4, the distance from the zero point where the function saturates)."""
    input_scale, _, _, _ = _quantisation(context)
    input_zero_point = context.tensor(0).per_tensor()[1]
    real = float(input_scale) * (1 << (31 - _INTEGER_BITS))
    fraction, shift = math.frexp(real)
    multiplier = int(round_half_away(fraction * (1 << 31)))
    if not 0 <= shift <= 30:
        raise UnsupportedError(f"input scale {float(input_scale):g} is out of range for the kernel")
    if multiplier == 1 << 31:
        raise ModelError(f"input scale {float(input_scale):g} rounds to a multiplier of 2^31")
    radius = (((1 << _INTEGER_BITS) - 1) << (31 - _INTEGER_BITS)) >> shift
    x = _INT8_VALUES - input_zero_point
    # Outside the radius the product may overflow; those entries are replaced by the caller.
    inside = np.clip(x, -radius, radius)
    return multiply_double_rounding(inside, multiplier, shift), radius


def _saturate(context: OpContext, values: Int64Array, radius: int) -> Table:
    x = _INT8_VALUES - context.tensor(0).per_tensor()[1]
    return _to_table(np.where(x <= -radius, -128, np.where(x >= radius, 127, values)))


def _float_table(context: OpContext, function: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Table:
    """LiteRT's table of a function: float32 arithmetic on dequantised inputs, rounded half away from zero."""
    input_scale, input_zero_point, output_scale, output_zero_point = _quantisation(context)
    real = input_scale * (_INT8_VALUES - input_zero_point).astype(np.float32)
    steps = (function(real) * (np.float32(1) / output_scale)).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps).astype(np.int64)
    return _to_table(rounded + output_zero_point)


def _float_logistic(x: NDArray[np.float32]) -> NDArray[np.float32]:
    # C's expf is a double computation rounded to float; NumPy's float32 exp differs between machines.
    decay = np.exp(-x.astype(np.float64)).astype(np.float32)
    return np.float32(1) / (np.float32(1) + decay)


def _float_tanh(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.tanh(x.astype(np.float64)).astype(np.float32)


def _logistic_table(context: OpContext) -> Table:
    """LOGISTIC: fixed point in TFLM, a float table in LiteRT."""
    argument, radius = _q4_input(context)
    expect_scale(context.output(), 256, -128)
    if context.rounding == "litert":
        return _float_table(context, _float_logistic)
    values = rounding_shift_right(fixed_point.logistic(argument, _INTEGER_BITS), 31 - 8) - 128
    return _saturate(context, values, radius)


def _tanh_table(context: OpContext) -> Table:
    """TANH: fixed point in TFLM, a float table in LiteRT."""
    argument, radius = _q4_input(context)
    expect_scale(context.output(), 128, 0)
    if context.rounding == "litert":
        return _float_table(context, _float_tanh)
    values = rounding_shift_right(fixed_point.tanh(argument, _INTEGER_BITS), 31 - 7)
    return _saturate(context, values, radius)


def _register_table(name: str, build: Callable[[OpContext], Table]) -> None:
    def run(context: OpContext) -> list[Values]:
        return [look_up(context.cached(build), context.value(0))]

    register(name, check=build)(run)


_register_table("RELU", _relu_table)
_register_table("RELU6", _relu6_table)
_register_table("LEAKY_RELU", _leaky_relu_table)
_register_table("HARD_SWISH", _hard_swish_table)
_register_table("LOGISTIC", _logistic_table)
_register_table("TANH", _tanh_table)
