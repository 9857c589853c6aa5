"""Parts of images lie inside them, whatever their shape."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from wptrain.data.crops import DRAWS, central, random

SIDES = st.integers(1, 5000)
UNIT = st.floats(0, 1, exclude_max=True)


@given(SIDES, SIDES, st.floats(0.01, 1), arrays(np.float64, DRAWS, elements=UNIT))
def test_random_parts_are_inside_and_not_empty(
    width: int, height: int, area: float, draws: NDArray[np.float64]
) -> None:
    left, upper, right, lower = random((width, height), area, draws)
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height
    # Sides of 3:4 to 4:3.
    assert 0.74 < (right - left) / (lower - upper) < 1.34


@given(SIDES, SIDES, st.floats(0.05, 2))
def test_the_middle_is_a_square_inside(width: int, height: int, share: float) -> None:
    left, upper, right, lower = central((width, height), share)
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height
    assert abs((right - left) - (lower - upper)) < 1e-6
    assert abs(left - (width - right)) < 1e-6


def test_shares_of_the_area_are_what_was_asked_for() -> None:
    areas = []
    for seed in range(500):
        left, upper, right, lower = random((300, 300), 0.25, np.random.default_rng(seed).random(DRAWS))
        areas.append((right - left) * (lower - upper) / 300**2)
    assert 0.25 <= min(areas) < 0.3
    assert max(areas) > 0.9
