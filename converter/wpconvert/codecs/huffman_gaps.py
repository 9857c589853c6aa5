"""Distances between non-zero weights as symbols with extra bits (docs/FORMAT.md, "Codec 5: Huffman")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

MIN_DIRECT_LOG2 = 2
MAX_DIRECT_LOG2 = 6
_MAX_GAP_LOG2 = 31


@dataclass(frozen=True)
class Runs:
    """Gaps of some whole row blocks, int64[items], and the values between them, int8[items].

    `last` tells the items that are the last gap of their block, which no value follows.
    """

    gap: IntArray
    value: NDArray[np.int8]
    last: NDArray[np.bool_]


def runs_of(rows: NDArray[np.int8], block_rows: int) -> Runs:
    """Whole row blocks, int8[rows, cols], as gaps and values."""
    flat = rows.reshape(-1)
    stored = np.flatnonzero(flat)
    size = block_rows * rows.shape[1]
    ends = np.minimum(np.arange(size, len(flat) + size, size), len(flat))
    where = np.searchsorted(stored, ends)
    position = np.insert(stored, where, ends)
    last = np.zeros(len(position), np.bool_)
    last[where + np.arange(len(ends))] = True
    value = np.zeros(len(position), np.int8)
    value[~last] = flat[stored]
    gap = np.diff(position, prepend=0)
    gap[1:] -= ~last[:-1]
    return Runs(gap, value, last)


def symbols(gap: NDArray[Any], direct_log2: int) -> tuple[IntArray, IntArray]:
    """Symbol and number of extra bits of each gap, two int64[n]; the extra bits are the lowest ones of the gap."""
    log2 = np.frexp(np.maximum(gap, 1))[1].astype(np.int64) - 1
    direct = gap < 1 << direct_log2
    nbits = np.where(direct, 0, log2 - 2)
    classes = (1 << direct_log2) + 4 * (log2 - direct_log2) + ((gap >> nbits) & 3)
    return np.where(direct, gap, classes), nbits


def bases(direct_log2: int) -> IntArray:
    """The smallest gap of every symbol, int64[symbols]."""
    octave = np.arange(direct_log2, _MAX_GAP_LOG2)[:, None]
    classes = (4 + np.arange(4)) << (octave - 2)
    return np.concatenate((np.arange(1 << direct_log2), classes.reshape(-1)))


def coarser(histogram: IntArray, direct_log2: int) -> tuple[IntArray, int]:
    """A histogram of symbols of MAX_DIRECT_LOG2 as one of those of `direct_log2`, int64[256], and all extra bits."""
    base = bases(MAX_DIRECT_LOG2)
    symbol, nbits = symbols(base, direct_log2)
    counts = np.zeros(256, np.int64)
    np.add.at(counts, symbol, histogram[: len(base)])
    return counts, int((histogram[: len(base)] * nbits).sum())
