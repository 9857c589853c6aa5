"""Fixed-point arithmetic of TFLite's integer kernels.

A real multiplier m is stored as (q, shift) with m ≈ q · 2^(shift − 31), q in [2^30, 2^31). Two rounding rules
exist for x · m, see `multiply_double_rounding` and `multiply_single_rounding`.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import NONE, RELU, RELU6, RELU_N1_TO_1, ActivationName
from wpconvert.graph.types import Values

Rounding = Literal["tflm", "litert"]
"""Whose arithmetic is reproduced where the two runtimes differ."""

_MAX_SHIFT = 30
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]


def round_half_away(value: float) -> float:
    """C's `round`: to nearest, halves away from zero."""
    return math.copysign(math.floor(abs(value) + 0.5), value)


def quantise_multiplier(real: float) -> tuple[int, int]:
    """The pair (int32 multiplier, shift) with real ≈ multiplier · 2^(shift − 31).

    Multipliers below 2^-32 become (0, 0). Raises ModelError for NaN, infinity and shifts above 30, which no
    kernel can apply to an int32.
    """
    if not math.isfinite(real):
        raise ModelError(f"the ratio of the scales is {real}, expected a finite number")
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    fixed = int(round_half_away(fraction * (1 << 31)))
    if fixed == 1 << 31:
        fixed //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > _MAX_SHIFT:
        raise ModelError(f"the ratio of the scales is {real:g}, expected less than 2^30")
    return fixed, shift


def _quantise_all(reals: NDArray[np.float64]) -> tuple[Int32Array, Int32Array]:
    """`quantise_multiplier` of each number, none of which is negative."""
    fractions, shifts = np.frexp(reals)
    fixed = np.floor(fractions * (1 << 31) + 0.5)
    whole = fixed == 1 << 31
    fixed, shifts = np.where(whole, fixed / 2, fixed), shifts + whole
    bad = ~np.isfinite(reals) | (shifts > _MAX_SHIFT)
    if bad.any():
        quantise_multiplier(float(reals[bad][0]))
    none = (reals == 0) | (shifts < -31)
    return np.where(none, 0, fixed).astype(np.int32), np.where(none, 0, shifts).astype(np.int32)


def output_multipliers(
    input_scale: np.float32 | float, filter_scales: ArrayLike, output_scale: np.float32 | float
) -> tuple[Int32Array, Int32Array]:
    """Multipliers and shifts of a convolution or fully connected layer, int32[n] each, for n filter scales.

    The product and the quotient of the float32 scales are taken in double precision.
    """
    scales = np.atleast_1d(np.asarray(filter_scales, dtype=np.float32)).astype(np.float64)
    return _quantise_all(float(np.float32(input_scale)) * scales / float(np.float32(output_scale)))


def rounding_shift_right(x: Int64Array, exponent: ArrayLike) -> Int64Array:
    """x / 2^exponent to nearest, halves away from zero, for exponent ≥ 0 (gemmlowp's RoundingDivideByPOT)."""
    e = np.asarray(exponent, dtype=np.int64)
    half = (np.int64(1) << e) >> 1
    # The sign only matters where something is shifted out.
    sign = (x >> 63) & -(half > 0).astype(np.int64)
    shifted: Int64Array = (x + half + sign) >> e
    return shifted


def rounding_doubling_high_multiply(x: Int64Array, multiplier: ArrayLike) -> Int64Array:
    """The high 32 bits of 2 · x · multiplier, rounded (gemmlowp's SaturatingRoundingDoublingHighMul).

    gemmlowp nudges by the sign and divides truncating; that equals a floor shift after adding 2^30. The one
    saturating case, both factors −2^31, saturates here too.
    """
    product = x * np.asarray(multiplier, dtype=np.int64)
    high: Int64Array = np.minimum((product + (1 << 30)) >> 31, (1 << 31) - 1)
    return high


def wrap_int32(x: Int64Array) -> Int64Array:
    """x modulo 2^32 in the range of int32, still int64."""
    return x.astype(np.int32).astype(np.int64)


def multiply_double_rounding(x: Values, multiplier: ArrayLike, shift: ArrayLike) -> Int64Array:
    """x · multiplier · 2^(shift − 31), rounded by the high multiply and again by the right shift.

    `x` holds int32 values; multiplier and shift broadcast against it.
    """
    shifts = np.asarray(shift, dtype=np.int64)
    wide = x.astype(np.int64)
    if (shifts > 0).any():
        wide = wrap_int32(wide << np.maximum(shifts, 0))
    high = rounding_doubling_high_multiply(wide, multiplier)
    if (shifts < 0).any():
        return rounding_shift_right(high, np.maximum(-shifts, 0))
    return high


def requantise(
    accumulators: Int32Array,
    multiplier: ArrayLike,
    shift: ArrayLike,
    output_zero_point: int,
    activation_min: int,
    activation_max: int,
) -> NDArray[np.int8]:
    """int8 outputs from int32 accumulators [..., channels] (bias included).

    `multiplier` and `shift` are int32[channels] or int32[1].
    """
    scaled = multiply_double_rounding(accumulators, multiplier, shift)
    # The kernels add the zero point in 32 bits: an extreme ratio of scales wraps there before the clamp.
    scaled = wrap_int32(scaled + output_zero_point)
    return np.clip(scaled, activation_min, activation_max).astype(np.int8)


def requantise_float(
    accumulators: Int32Array, ratio: NDArray[np.float64], output_zero_point: int, activation: tuple[int, int]
) -> NDArray[np.int8]:
    """int8 outputs from int32 accumulators [..., channels] (bias included) by LiteRT's floating-point rule.

    `ratio` is input scale · filter scale / output scale in double precision, float64[channels] or [1]; the
    product is rounded half away from zero. Products beyond int32, which C leaves undefined, saturate.
    """
    product = accumulators.astype(np.float64) * ratio
    rounded = np.copysign(np.floor(np.abs(product) + 0.5), product)
    saturated: NDArray[np.int8] = np.clip(rounded + output_zero_point, *activation).astype(np.int8)
    return saturated


def quantise_scalar(value: float, scale: np.float32, zero_point: int) -> int:
    """zero_point + round(value / scale) with the division in float32, as activation bounds are computed."""
    with np.errstate(over="ignore"):
        steps = float(np.float32(value) / np.float32(scale))
    if not abs(steps) < 2**31:
        raise ModelError(f"the activation bound {value:g} does not fit int32 at scale {float(scale):g}")
    return zero_point + int(round_half_away(steps))


_BOUNDS: dict[ActivationName, tuple[float | None, float | None]] = {
    NONE: (None, None),
    RELU: (0.0, None),
    RELU6: (0.0, 6.0),
    RELU_N1_TO_1: (-1.0, 1.0),
}
"""Real bounds of the fused activations that are a clamp."""


def activation_bounds(activation: ActivationName) -> tuple[float | None, float | None]:
    """Real (lower, upper) bound of a fused activation; UnsupportedError for those that are not a clamp."""
    if activation not in _BOUNDS:
        raise UnsupportedError(f"fused activation {activation} is not supported")
    return _BOUNDS[activation]


def activation_range(
    activation: ActivationName, output_scale: np.float32, output_zero_point: int, dtype: np.dtype[np.signedinteger]
) -> tuple[int, int]:
    """The clamp (min, max) of a fused activation in the quantised domain of the integer type `dtype`."""
    info = np.iinfo(dtype)
    lower, upper = activation_bounds(activation)
    low, high = int(info.min), int(info.max)
    if lower is not None:
        low = max(low, quantise_scalar(lower, output_scale, output_zero_point))
    if upper is not None:
        high = min(high, quantise_scalar(upper, output_scale, output_zero_point))
    return low, high
