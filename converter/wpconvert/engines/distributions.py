"""Random values of several kinds: what saturates one network leaves another one silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_Values = NDArray[np.float64]
_Kind = Callable[[np.random.Generator, Sequence[int]], _Values]
_ZEROS = 0.95
"""Share of zeros in sparse values."""
_OCTAVES = 1.5


def _noise(generator: np.random.Generator, shape: Sequence[int]) -> _Values:
    return generator.standard_normal(shape)


def _smooth(generator: np.random.Generator, shape: Sequence[int]) -> _Values:
    """Noise whose neighbours are alike along all axes but the first and short ones."""
    values = generator.standard_normal(shape)
    for axis in range(1, len(shape)):
        window = shape[axis] // 4
        if window > 1:
            # The mean of a window as the difference of two sums; a root more, so that the variance stays.
            sums = np.cumsum(np.concatenate([values, values.take(range(window), axis)], axis), axis)
            upper = sums.take(range(window, window + shape[axis]), axis)
            values = (upper - sums.take(range(shape[axis]), axis)) / np.sqrt(window)
    return values


def _sparse(generator: np.random.Generator, shape: Sequence[int]) -> _Values:
    values = generator.uniform(-1, 1, shape)
    values[generator.random(shape) < _ZEROS] = 0
    return values


def _constant(generator: np.random.Generator, shape: Sequence[int]) -> _Values:
    return np.full(shape, generator.uniform(-1, 1))


_KINDS: tuple[tuple[_Kind, float], ...] = (
    (_noise, 1 / 8),
    (_smooth, 1 / 2),
    (_constant, 1.0),
    (_sparse, 1.0),
    (_noise, 1 / 2),
    (_noise, 1 / 32),
    (_smooth, 1 / 8),
    (_constant, 1 / 4),
    (_sparse, 1 / 8),
    (_noise, 1 / 128),
    (_smooth, 1 / 32),
    (_sparse, 1 / 64),
)
"""Kinds and their amplitudes, in parts of half the span: likely ones first."""


def drawn(
    number: int, generator: np.random.Generator, shape: Sequence[int], low: float, high: float, centre: float
) -> _Values:
    """Values between `low` and `high`: uniform ones as number 0, then around `centre`, another kind each number."""
    if number == 0:
        return generator.uniform(low, high, shape)
    kind, amplitude = _KINDS[(number - 1) % len(_KINDS)]
    if number > len(_KINDS):
        # Between those of the first round.
        amplitude = min(1.0, amplitude * 2 ** generator.uniform(-_OCTAVES, _OCTAVES))
    values: _Values = centre + (high - low) / 2 * amplitude * kind(generator, shape)
    return np.clip(values, low, high)
