"""Reduced arithmetic of operators: activations of fewer bits, and sums that were rounded (docs/FORMAT.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.pool_table import LANES, rounded
from wpconvert.graph.arithmetic import Int32Array, Int64Array, rounding_shift_right
from wpconvert.graph.types import Values

ACT_BITS = 8
"""Bits of an activation where nothing is dropped."""


def levels(x: NDArray[np.int8], act_bits: int, zero_point: int) -> NDArray[np.int8]:
    """Activations, int8 of any shape, as signed numbers of `act_bits` bits, 1 to 8; the zero point rounds to itself."""
    dropped = ACT_BITS - act_bits
    centre = 1 << dropped >> 1
    offset = (centre - (zero_point + 128)) % (1 << dropped)
    steps = (x.astype(np.int16) + np.int16(128 + offset)) >> dropped
    half = 1 << act_bits - 1
    return np.asarray(np.minimum(steps, 2 * half - 1) - half, np.int8)


def level_of(zero_point: int, act_bits: int) -> int:
    """The level of the input zero point itself."""
    return int(levels(np.array(zero_point, np.int8), act_bits, zero_point))


def unit_log2(act_bits: int, shift: int) -> int:
    """Accumulators of such an operator count multiples of 2^this of what those of the dense operator count."""
    return ACT_BITS - act_bits + shift


def vectors_of(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights [rows, …, depth] cut into vectors of eight, the last of a tap filled up with zeros.

    Returns int8[rows, taps, groups, 8].
    """
    depth = weights.shape[-1]
    groups = -(-depth // LANES)
    padded = np.zeros((*weights.shape[:-1], LANES * groups), np.int8)
    padded[..., :depth] = weights
    return padded.reshape(len(weights), -1, groups, LANES)


def zero_sums(weights: NDArray[np.int8], zero_point: int, act_bits: int, shift: int) -> Int64Array:
    """What the accumulators of such an operator hold where all activations are the zero point, int64[rows].

    weights: int8[rows, …, depth]. shift: sums of eight are divided by 2^this.
    """
    # Every plane of such levels has all lanes set or none, so that only whole sums are looked up.
    sums = vectors_of(weights).sum(axis=3, dtype=np.int64)
    return np.asarray(level_of(zero_point, act_bits) * rounded(sums, shift).sum(axis=(1, 2)))


def fold_bias(bias: Values, sums: Int64Array, unit: int) -> Int32Array:
    """The table's bias, int32[channels], of the dense operator's bias, `zero_sums` and `unit_log2`."""
    folded = rounding_shift_right(bias.astype(np.int64), unit) - sums
    return folded.astype(np.int32)


def unfold_bias(bias: Values, sums: Int64Array, unit: int) -> Int32Array:
    """A dense operator's bias, int32[channels], that `fold_bias` turns into this one."""
    unfolded = (bias.astype(np.int64) + sums).astype(np.int32).astype(np.int64)
    limits = np.iinfo(np.int32)
    return np.asarray(np.clip(unfolded << unit, limits.min, limits.max), np.int32)
