"""Fitting a pool to layers: vectors and channel scales improved in turn, from the clusters on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.transforms.pool import GROUP, assign, channel_scales, cluster, cut, join, lanes, quantise

_FIT_ROUNDS = 20
_ROUNDS = 10
# Distances to pool vectors that are held at once.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Part:
    """A layer's weights as vectors, float64[rows, n, 8]; within: what `lanes` says of those of a row, int64[n].

    importance: what a squared error in each row counts, float64[rows].
    """

    vectors: NDArray[np.float64]
    within: NDArray[np.int64]
    importance: NDArray[np.float64]

    @classmethod
    def from_weights(cls, weights: NDArray[np.int8], scales: NDArray[np.floating]) -> Part:
        """Of int8[rows, …, depth] and the scales of the rows, float[rows] or [1]: layers count alike, a layer's rows by
        what they are in real numbers.
        """
        vectors = cut(weights).reshape(len(weights), -1, GROUP).astype(np.float64)
        squares = np.broadcast_to(np.square(np.asarray(scales, np.float64)), len(weights))
        energy = float(squares @ np.square(vectors).sum(axis=(1, 2)))
        importance = np.asarray(squares / energy) if energy > 0 else np.ones(len(weights))
        return cls(vectors, lanes(weights.shape[1:]), importance)


def fit(parts: Sequence[Part], size: int, lut_bits: int, seed: int) -> tuple[NDArray[np.int8], int]:
    """A pool, int8[at most `size`, 8], for these layers, and the shift of its look-up table's entries."""
    weighted = [(part.vectors * np.sqrt(part.importance)[:, None, None]).reshape(-1, GROUP) for part in parts]
    pool = cluster(np.concatenate(weighted), size, seed)
    scales = [_scales(p.vectors, p.within, pool, _directions(p.vectors, p.within, pool)) for p in parts]
    for _ in range(_FIT_ROUNDS):
        sums, counts = np.zeros(pool.shape), np.zeros(pool.shape)
        for index, part in enumerate(parts):
            chosen = _closest(part.vectors, part.within, pool, scales[index])
            scales[index] = _scales(part.vectors, part.within, pool, chosen)
            _add(part, chosen, scales[index], sums, counts)
        # A vector that nothing chose stays unchanged, and so does one of zeros: rows of nothing else rely on it.
        pool = np.divide(sums, counts, out=pool.copy(), where=(counts > 0) & (pool != 0).any(axis=1, keepdims=True))
    return quantise(pool, lut_bits)


def nearest(weights: NDArray[np.int8], pool: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """The weights int8[rows, …, depth] in vectors of the pool, and the factors of the rows, float64[rows].

    Factor times vectors is near to the weights, row by row: from the highest cosines on, vectors and factors are
    improved in turn.
    """
    vectors = cut(weights).reshape(len(weights), -1, GROUP).astype(np.float64)
    within, real = lanes(weights.shape[1:]), pool.astype(np.float64)
    chosen = _directions(vectors, within, real)
    for _ in range(_ROUNDS):
        closer = _closest(vectors, within, real, _scales(vectors, within, real, chosen))
        if np.array_equal(closer, chosen):
            break
        chosen = closer
    pooled = join(pool[chosen].reshape(-1, GROUP), weights.shape)
    return pooled, channel_scales(weights, pooled)


def _directions(
    vectors: NDArray[np.float64], within: NDArray[np.int64], pool: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The pool vectors with the highest cosines, int64[rows, n]."""
    rows, count, _ = vectors.shape
    return assign(vectors.reshape(-1, GROUP), pool, np.tile(within, rows)).reshape(rows, count)


def _inside(within: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The lanes that count, bool[n, 8]."""
    return np.asarray(np.arange(GROUP)[None] < np.reshape(within, (-1, 1)))


def _scales(
    vectors: NDArray[np.float64], within: NDArray[np.int64], pool: NDArray[np.float64], chosen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The factors of the rows, float64[rows], of the chosen pool vectors."""
    return channel_scales(vectors, pool[chosen] * _inside(within))


def _closest(
    vectors: NDArray[np.float64], within: NDArray[np.int64], pool: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The pool vectors that, times the rows' scales, are closest, int64[rows, n]."""
    norms = np.square(pool) @ _inside(within).T
    rows, count, _ = vectors.shape
    result = np.zeros((rows, count), np.int64)
    step = max(1, _CHUNK // (count * len(pool)))
    for begin in range(0, rows, step):
        some = slice(begin, begin + step)
        t = scales[some, None, None]
        result[some] = np.argmin(t * t * norms.T - 2 * t * (vectors[some] @ pool.T), axis=2)
    return result


def _add(
    part: Part,
    chosen: NDArray[np.int64],
    scales: NDArray[np.float64],
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> None:
    """Add what the members of each vector ask for, and what that is to be divided by, to float64[K, 8] each."""
    labels = chosen.reshape(-1)
    inside = _inside(part.within)
    for lane in range(GROUP):
        pull = (part.importance * scales)[:, None] * part.vectors[:, :, lane]
        weight = (part.importance * scales * scales)[:, None] * inside[:, lane]
        sums[:, lane] += np.bincount(labels, pull.reshape(-1), len(sums))
        counts[:, lane] += np.bincount(labels, weight.reshape(-1), len(sums))
