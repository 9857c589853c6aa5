"""The fixed-point helpers against their definitions in exact integer arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.arithmetic import (
    activation_range,
    multiply_double_rounding,
    output_multipliers,
    quantise_multiplier,
    requantise,
    rounding_doubling_high_multiply,
    rounding_shift_right,
)

INT32 = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([-(2**31), -1, 0, 1, 2**31 - 1]))
MULTIPLIERS = st.integers(2**30, 2**31 - 1)


def truncating(numerator: int, denominator: int) -> int:
    """C's integer division."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def half_away(value: Fraction) -> int:
    """To nearest, halves away from zero."""
    nearest = math.floor(abs(value) + Fraction(1, 2))
    return nearest if value >= 0 else -nearest


def as_array(x: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([x], dtype=np.int64)


@given(INT32, INT32)
def test_high_multiply_is_gemmlowps(x: int, y: int) -> None:
    if x == y == -(2**31):
        expected = 2**31 - 1
    else:
        nudge = 2**30 if x * y >= 0 else 1 - 2**30
        expected = truncating(x * y + nudge, 2**31)
    assert rounding_doubling_high_multiply(as_array(x), y)[0] == expected


@given(INT32, st.integers(0, 31))
def test_shift_right_rounds_half_away(x: int, exponent: int) -> None:
    assert rounding_shift_right(as_array(x), exponent)[0] == half_away(Fraction(x, 2**exponent))


@given(st.integers(-(2**20), 2**20), MULTIPLIERS, st.integers(-31, 8))
def test_requantisation_rounds_twice(x: int, multiplier: int, shift: int) -> None:
    high = math.floor(Fraction(x * 2 ** max(shift, 0) * multiplier, 2**31) + Fraction(1, 2))
    expected = half_away(Fraction(high) / 2 ** max(-shift, 0))
    assert multiply_double_rounding(as_array(x), multiplier, shift)[0] == expected


@given(st.floats(2.0**-31, 2.0**29))
def test_multipliers_hold_31_bits(real: float) -> None:
    multiplier, shift = quantise_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) / Fraction(real) - 1) <= Fraction(1, 2**31)


def test_multipliers_at_the_edges() -> None:
    assert quantise_multiplier(0.0) == (0, 0)
    assert quantise_multiplier(2.0**-40) == (0, 0)
    assert quantise_multiplier(1.0 - 2.0**-40) == (1 << 30, 1)
    for bad in (math.nan, math.inf, 2.0**40):
        with pytest.raises(ModelError):
            quantise_multiplier(bad)


def test_the_product_of_the_scales_is_taken_in_double_precision() -> None:
    """A scale whose square differs from its float32 rounding: the multiplier is that of the exact square."""
    scale = np.float32(1 + 2**-12)
    exact = quantise_multiplier(float(scale) * float(scale))
    assert exact != quantise_multiplier(float(scale * scale))
    assert [int(v[0]) for v in output_multipliers(scale, [scale], 1.0)] == list(exact)


def test_requantise_clamps_after_adding_the_zero_point() -> None:
    half = quantise_multiplier(0.5)
    sums = np.array([[-300, -3, 3, 300]], dtype=np.int32)
    assert requantise(sums, [half[0]], [half[1]], 10, -128, 127).tolist() == [[-128, 9, 12, 127]]
    assert requantise(sums, [half[0]], [half[1]], 10, 10, 50).tolist() == [[10, 10, 12, 50]]


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("NONE", (-128, 127)), ("RELU", (-28, 127)), ("RELU6", (-28, 32)), ("RELU_N1_TO_1", (-38, -18))],
)
def test_activation_ranges(activation: str, expected: tuple[int, int]) -> None:
    assert activation_range(activation, np.float32(0.1), -28, np.dtype(np.int8)) == expected


def test_activations_that_are_no_clamp_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="TANH"):
        activation_range("TANH", np.float32(0.1), 0, np.dtype(np.int8))
