"""Method `msd`: weights become sums of few signed powers of two (MSD, FCCM 2023)."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.model.changed import Values
from wpconvert.transforms.base import Field, Option, PerWeight

DEFAULT_DIGITS = 2
MOST_DIGITS = 4
"""As many make up every int8."""
_RANGE = 128
_SHARES = np.arange(95, 150) / 100


@cache
def recoded(digits: int) -> NDArray[np.int16]:
    """What 0…127 are rounded to as sums of so many signed powers of two, int16[128]; negative numbers likewise.

    Each digit is the power of two that is nearest to what is left, the smaller one of two, with its sign. No sum of at
    most as many digits is nearer. One digit makes 128 of the largest numbers, which int8 does not have.
    """
    left = np.arange(_RANGE)
    total = np.zeros(_RANGE, np.int64)
    powers = 1 << np.arange(8)
    for _ in range(digits):
        # The first of equal distances is that of the smaller power.
        nearest = powers[np.abs(np.abs(left)[:, None] - powers).argmin(axis=1)]
        digit = np.where(left == 0, 0, np.sign(left) * nearest)
        total += digit
        left = left - digit
    return total.astype(np.int16)


@cache
def levels(digits: int) -> NDArray[np.int64]:
    """The numbers of int8 that are sums of so many signed powers of two, rising, but for −128."""
    positive = np.unique(recoded(digits))
    positive = positive[positive < _RANGE].astype(np.int64)
    return np.concatenate([-positive[:0:-1], positive])


def rounded(values: NDArray[np.int8], digits: int) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Rows of int8[rows, …] as sums of so many signed powers of two, and what to multiply their scales with, [rows].

    Each row keeps its scale, or gets one of the published ones, 0.95 to 1.49 of its largest number for the largest sum,
    whichever has the least squared error. Source: MSD, FCCM 2023, which searches the scales of real weights.
    """
    rows = values.reshape(len(values), -1).astype(np.int64) + _RANGE
    number = np.arange(-_RANGE, _RANGE)
    steps = (len(rows), len(number))
    counts = np.bincount((np.arange(len(rows))[:, None] * steps[1] + rows).ravel(), minlength=steps[0] * steps[1])
    counts = counts.reshape(steps)
    own = np.sign(number) * np.append(recoded(digits), _RANGE)[np.abs(number)]
    best, factors = np.broadcast_to(own, steps).copy(), np.ones(len(rows))
    # What int8 does not have is no candidate.
    least = np.where((counts[:, own == _RANGE] > 0).any(axis=1), np.inf, counts @ np.square(number - own))
    sums = levels(digits)
    between = (sums[1:] + sums[:-1]) / 2
    largest = np.abs(np.where(counts > 0, number, 0)).max(axis=1)
    for share in _SHARES:
        # A row of zeros keeps its scale.
        scale = np.where(largest > 0, share * largest / sums[-1], 1.0)
        made = sums[np.searchsorted(between, number / scale[:, None], side="right")]
        error = (counts * np.square(number - made * scale[:, None])).sum(axis=1)
        better = error < least
        best[better], factors[better], least[better] = made[better], scale[better], error[better]
    changed = np.take_along_axis(best, rows, axis=1)
    return changed.astype(np.int8).reshape(values.shape), factors


class MsdTransform(PerWeight):
    """Weights of few signed digits, for accelerators that add shifted activations."""

    name = "msd"
    summary = "sums of few signed powers of two, for FPGA accelerators that add shifted activations"
    codec = None
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "effective_bits",
            "N",
            f"Signed digits of a weight, 1 to {MOST_DIGITS} ({DEFAULT_DIGITS} by default); {MOST_DIGITS} are exact.",
            low=1,
            high=MOST_DIGITS,
            of_rules=True,
        ),
    )
    fields = (Field("effective_bits", "digits"),)

    def values_of(self, values: NDArray[np.int8], options: Values) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Sums of the digits that are asked for."""
        return rounded(values, int(options.get("effective_bits", DEFAULT_DIGITS)))
