"""Transcendental functions in 32-bit fixed point, as the device computes them.

Qm numbers have m integer bits and 31 − m fractional bits in an int32; here they are int64 arrays holding
int32 values. The polynomials, constants and iteration counts are those of gemmlowp's fixed-point library,
which TFLM builds on.
"""

from __future__ import annotations

import numpy as np

from wpconvert.graph.arithmetic import Int64Array, rounding_doubling_high_multiply, rounding_shift_right

ONE_Q0 = (1 << 31) - 1
"""1 in Q0, which cannot represent it exactly."""

_ONE_Q2 = 1 << 29
_EXP_MINUS_EIGHTH = 1895147668
_ONE_THIRD = 715827883
_FORTY_EIGHT_17THS_Q2 = 1515870810
_MINUS_THIRTY_TWO_17THS_Q2 = -1010580540

_EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(−2^k) in Q0 for k = −2 … 4."""

_mul = rounding_doubling_high_multiply


def saturating_shift_left(x: Int64Array, exponent: int, bits: int = 32) -> Int64Array:
    """x · 2^exponent, saturated to a signed integer of `bits` bits."""
    limit = 1 << (bits - 1)
    # Beyond this many bits every value but 0 saturates; the cap keeps the product inside int64.
    shifted: Int64Array = np.clip(x << min(exponent, bits - 1), -limit, limit - 1)
    return shifted


def _exp_on_last_quarter(a: Int64Array) -> Int64Array:
    """exp(a) for a in [−1/4, 0), both Q0: a Taylor polynomial of degree 4 around −1/8."""
    x = a + (1 << 28)
    x2 = _mul(x, x)
    x3 = _mul(x2, x)
    x4_over_4 = rounding_shift_right(_mul(x2, x2), 2)
    tail = rounding_shift_right(_mul(x4_over_4 + x3, _ONE_THIRD) + x2, 1)
    return _EXP_MINUS_EIGHTH + _mul(x + tail, _EXP_MINUS_EIGHTH)


def exp_on_negative_values(a: Int64Array, integer_bits: int) -> Int64Array:
    """exp(a) in Q0 for a ≤ 0 with `integer_bits` integer bits (at most 5)."""
    fractional_bits = 31 - integer_bits
    quarter = 1 << (fractional_bits - 2)
    within = (a & (quarter - 1)) - quarter
    result = _exp_on_last_quarter(within << integer_bits)
    remainder = within - a
    for position, factor in enumerate(_EXP_FACTORS):
        exponent = position - 2
        if integer_bits > exponent:
            bit = 1 << (fractional_bits + exponent)
            result = np.where(remainder & bit, _mul(result, factor), result)
    return np.where(a == 0, ONE_Q0, result)


def _reciprocal_of_half_sum(a: Int64Array) -> Int64Array:
    """2 / (1 + a) in Q2 for a in [0, 1) in Q0: three Newton-Raphson steps."""
    # gemmlowp halves the sum rounding away from zero; it is never negative here.
    half_denominator = (a + ONE_Q0 + 1) >> 1
    x = _FORTY_EIGHT_17THS_Q2 + _mul(half_denominator, _MINUS_THIRTY_TWO_17THS_Q2)
    for _ in range(3):
        error = _ONE_Q2 - _mul(half_denominator, x)
        x = x + saturating_shift_left(_mul(x, error), 2)
    return x


def one_over_one_plus(a: Int64Array) -> Int64Array:
    """1 / (1 + a) in Q0 for a in [0, 1) in Q0."""
    return saturating_shift_left(_reciprocal_of_half_sum(a), 1)


def logistic(a: Int64Array, integer_bits: int) -> Int64Array:
    """1 / (1 + exp(−a)) in Q0 for a with `integer_bits` integer bits."""
    positive = one_over_one_plus(exp_on_negative_values(-np.abs(a), integer_bits))
    signed = np.where(a > 0, positive, ONE_Q0 - positive)
    return np.where(a == 0, 1 << 30, signed)


def tanh(a: Int64Array, integer_bits: int) -> Int64Array:
    """tanh(a) in Q0 for a with `integer_bits` integer bits (at most 4)."""
    # Doubling the argument is reading the same bits with one more integer bit.
    decay = exp_on_negative_values(-np.abs(a), integer_bits + 1)
    magnitude = saturating_shift_left(_reciprocal_of_half_sum(decay) - _ONE_Q2, 2)
    return np.where(a == 0, 0, np.sign(a) * magnitude)
