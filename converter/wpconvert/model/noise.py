"""How much of a signal is left beside noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-300
"""So that the ratio of nothing to nothing is a number."""


def snr_db(signal: float, noise: float) -> float:
    """The signal-to-noise ratio in decibels of two energies, sums of squares."""
    return float(10 * np.log10(max(signal, _LEAST) / max(noise, _LEAST)))


def snr_of(values: NDArray[Any], changed: NDArray[Any]) -> float:
    """The signal-to-noise ratio in decibels of numbers that were changed, two arrays of one shape."""
    wide = values.astype(np.float64)
    return snr_db(float(np.square(wide).sum()), float(np.square(wide - changed.astype(np.float64)).sum()))
