"""Weight pools: weights in vectors of 8 along the innermost dimension, each one of at most 256 pool vectors.

A pooled weight is its pool vector times a scale of its output channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP = 8
"""Elements of a vector."""
MAX_SIZE = 256
"""Vectors of the largest pool."""
LUT_BITS = (16, 8, 4)
"""Bits that an entry of a look-up table can have."""

# Entries of 4 bits are rounded sums of elements 2^4 times as fine.
_SHIFT_OF_4_BITS = 4
# Vectors compared with the pool at once.
_CHUNK = 1 << 14
# Directions that agree to so many decimals are one.
_DECIMALS = 6
# A channel's least scale, in ratios of the norms of its weights and of its pooled weights.
_LEAST_SCALE = 2.0**-10


def cut(weights: NDArray[Any]) -> NDArray[Any]:
    """The weights [..., depth] as vectors [n, 8] in memory order, the last of each depth filled up with zeros."""
    depth = weights.shape[-1]
    rows = weights.reshape(-1, depth)
    padded = np.zeros((len(rows), -(-depth // GROUP) * GROUP), weights.dtype)
    padded[:, :depth] = rows
    return padded.reshape(-1, GROUP)


def join(vectors: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The weights of this shape that `cut` makes these vectors of; lanes beyond the depth are dropped."""
    depth = shape[-1]
    rows = vectors.reshape(-1, -(-depth // GROUP) * GROUP)
    return np.ascontiguousarray(rows[:, :depth]).reshape(shape)


def lanes(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Lanes within the depth, 1 to 8, of each vector that `cut` makes of weights of this shape: int64[n]."""
    depth = shape[-1]
    groups = -(-depth // GROUP)
    one = np.full(groups, GROUP)
    one[-1] = depth - (groups - 1) * GROUP
    return np.tile(one, int(np.prod(shape[:-1])))


def cluster(vectors: NDArray[np.floating], size: int, seed: int) -> NDArray[np.float64]:
    """A pool, float64[at most `size`, 8], for the vectors, float[n, 8], by k-means on their directions.

    A pool vector is the mean of its members as they are, not of their directions. Vectors of zeros are left to a pool
    vector of zeros, which there is exactly where they are. The same for the same vectors and seed.
    """
    values = np.asarray(vectors, np.float64)
    norms = np.linalg.norm(values, axis=1)
    members = values[norms > 0]
    zeros = np.zeros((int(len(members) < len(values)), GROUP))
    size -= len(zeros)
    if size < 1 or not len(members):
        return zeros if len(zeros) else np.zeros((1, GROUP))
    directions = members / norms[norms > 0, None]
    distinct, labels = np.unique(directions.round(_DECIMALS), axis=0, return_inverse=True)
    labels = labels.reshape(-1)
    if len(distinct) > size:
        labels = _k_means(directions, size, seed).labels_
    count = int(labels.max()) + 1
    sums = np.stack([np.bincount(labels, members[:, lane], count) for lane in range(GROUP)], axis=1)
    return np.concatenate([zeros, sums / np.maximum(np.bincount(labels, minlength=count), 1)[:, None]])


def cluster_integers(vectors: NDArray[np.integer], size: int, seed: int) -> NDArray[Any]:
    """A pool, [at most `size`, 8] of the same type, for integers [n, 8], by k-means on their values.

    For weights without scales of their own: length counts as much as direction. The same for the same vectors and seed.
    """
    distinct, counts = np.unique(vectors, axis=0, return_counts=True)
    if len(distinct) <= size:
        return np.asarray(distinct)
    centres = _k_means(distinct, size, seed, counts).cluster_centers_
    return np.asarray(np.rint(centres).astype(vectors.dtype))


def _k_means(vectors: NDArray[Any], size: int, seed: int, counts: NDArray[np.int64] | None = None) -> Any:
    """scikit-learn's k-means of vectors [n, 8], of which there are so many each; imported when first needed."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - takes longer than most conversions
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    # Threads would add up in any order.
    with threadpool_limits(1):
        return KMeans(size, n_init=1, random_state=seed).fit(vectors, sample_weight=counts)


def closest(vectors: NDArray[Any], pool: NDArray[Any], within: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index of the pool vector with the least distance, int64[n], for vectors [n, 8] and pool [K, 8].

    Among equals the first. within: what `lanes` says of the vectors; lanes beyond do not count.
    """

    def nearest(values: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.asarray(np.argmin(np.square(part).sum(axis=1) - 2 * (values @ part.T), axis=1))

    return _chosen(vectors, pool, within, nearest)


def assign(vectors: NDArray[Any], pool: NDArray[Any], within: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """The index of the pool vector with the highest cosine, int64[n], for vectors [n, 8] and pool [K, 8].

    Among equals the first. A vector of zeros gets the shortest pool vector. within: what `lanes` says of the vectors;
    lanes beyond do not count. Without it all lanes count.
    """

    def aligned(values: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.int64]:
        norms = np.linalg.norm(part, axis=1)
        directions = np.divide(part, norms[:, None], where=norms[:, None] > 0, out=np.zeros_like(part))
        return np.where(values.any(axis=1), np.argmax(values @ directions.T, axis=1), np.argmin(norms))

    return _chosen(vectors, pool, np.full(len(vectors), GROUP) if within is None else within, aligned)


def _chosen(
    vectors: NDArray[Any],
    pool: NDArray[Any],
    within: NDArray[np.int64],
    choose: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.int64]],
) -> NDArray[np.int64]:
    """What `choose` takes of the pool, int64[n]: it is given some vectors and the pool, of the lanes that count."""
    result = np.zeros(len(vectors), np.int64)
    for count in np.unique(within):
        at, part = np.flatnonzero(within == count), np.asarray(pool, np.float64)[:, :count]
        for begin in range(0, len(at), _CHUNK):
            some = at[begin : begin + _CHUNK]
            result[some] = choose(np.asarray(vectors[some, :count], np.float64), part)
    return result


def channel_scales(weights: NDArray[Any], pooled: NDArray[Any]) -> NDArray[np.float64]:
    """The factors t > 0, float64[rows], for which t · pooled is nearest to the weights, both [rows, …], row by row.

    1 where the pooled row is zero: nothing depends on it. Where the best factor would not be positive, or next to
    nothing, a small one.
    """
    w = np.asarray(weights, np.float64).reshape(len(weights), -1)
    p = np.asarray(pooled, np.float64).reshape(len(pooled), -1)
    energy = (p * p).sum(axis=1)
    safe = np.where(energy > 0, energy, 1.0)
    norms = np.linalg.norm(w, axis=1)
    # A row of zeros has no norm of its own to be small against.
    norms = np.where(norms > 0, norms, 1.0)
    scales = np.maximum((w * p).sum(axis=1) / safe, _LEAST_SCALE * norms / np.sqrt(safe))
    return np.where(energy > 0, scales, 1.0)


def exact(vectors: NDArray[Any], within: NDArray[np.int64] | None = None) -> NDArray[Any] | None:
    """The distinct vectors of integers [n, 8], [K, 8] of the same type, if they are at most 256, else None.

    within: what `lanes` says of the vectors; one whose lanes within the depth are those of another needs no vector of
    its own.
    """
    within = np.full(len(vectors), GROUP) if within is None else within
    pool = np.zeros((0, GROUP), vectors.dtype)
    for count in np.unique(within)[::-1]:
        new = np.unique(vectors[within == count, :count], axis=0)
        if len(new) > MAX_SIZE:
            return None
        known = {vector.tobytes() for vector in pool[:, :count]}
        added = np.zeros((len(new), GROUP), vectors.dtype)
        added[:, :count] = new
        pool = np.concatenate([pool, added[[vector.tobytes() not in known for vector in new]]])
    return pool if len(pool) <= MAX_SIZE else None


def indices_of(
    vectors: NDArray[Any], pool: NDArray[Any], within: NDArray[np.int64] | None = None
) -> NDArray[np.int64] | None:
    """Where each vector, [n, 8], stands in the pool, [K, 8], integers of one type: int64[n]; None if one does not."""
    within = np.full(len(vectors), GROUP) if within is None else within
    result = np.zeros(len(vectors), np.int64)
    for count in np.unique(within):
        at = np.flatnonzero(within == count)
        places = {vector.tobytes(): index for index, vector in reversed(list(enumerate(pool[:, :count])))}
        new, inverse = np.unique(vectors[at, :count], axis=0, return_inverse=True)
        found = np.array([places.get(vector.tobytes(), -1) for vector in new], np.int64)
        if (found < 0).any():
            return None
        result[at] = found[inverse.reshape(-1)]
    return result


def sum_limits(lut_bits: int, lut_shift: int = 0) -> tuple[int, int]:
    """What the negative elements of a vector may add up to at least, and the positive ones at most.

    Within these every entry of a look-up table, (sum + half) >> lut_shift, fits its bits.
    """
    half = (1 << lut_shift) >> 1
    return (-(1 << lut_bits - 1) << lut_shift) - half, ((1 << lut_bits - 1) << lut_shift) - half - 1


def fits(pool: NDArray[np.int8], lut_bits: int, lut_shift: int = 0) -> NDArray[np.bool_]:
    """Whether the entries of each pool vector, int8[K, 8], fit a look-up table of such bits: bool[K]."""
    lower, upper = sum_limits(lut_bits, lut_shift)
    wide = pool.astype(np.int64)
    return np.asarray((np.minimum(wide, 0).sum(axis=1) >= lower) & (np.maximum(wide, 0).sum(axis=1) <= upper))


def shift_for(lut_bits: int) -> int:
    """How far the entries of a table of so many bits are shifted when the pool may be chosen for it."""
    return _SHIFT_OF_4_BITS if lut_bits == 4 else 0


def quantise(pool: NDArray[np.floating], lut_bits: int) -> tuple[NDArray[np.int8], int]:
    """The pool, float[K, 8], as int8[K, 8] of one common step, and the shift of its look-up table's entries.

    Entries fit `lut_bits`. The step is the one with the least squared error: the vectors that are too long for it are
    shortened. The step itself is lost; the scales of the channels absorb it.
    """
    shift = shift_for(lut_bits)
    values = np.asarray(pool, np.float64)
    needed = _lengths(values, lut_bits, shift)
    if not needed.any():
        return np.zeros(values.shape, np.int8), shift
    best, least = np.zeros(values.shape, np.int8), np.inf
    for step in np.unique(needed[needed > 0]):
        scaled = values / np.maximum(step, needed)[:, None]
        found = _rounded(scaled, lut_bits, shift)
        error = float(((values - found * step) ** 2).sum())
        if error < least:
            best, least = found, error
    return best, shift


def _lengths(values: NDArray[np.float64], lut_bits: int, shift: int) -> NDArray[np.float64]:
    """The step at which each vector just fits, float64[K]."""
    lower, upper = sum_limits(lut_bits, shift)
    sums = np.maximum(np.maximum(values, 0).sum(axis=1) / upper, np.minimum(values, 0).sum(axis=1) / lower)
    return np.asarray(np.maximum(sums, np.abs(values).max(axis=1) / 127))


def _rounded(scaled: NDArray[np.float64], lut_bits: int, shift: int) -> NDArray[np.int8]:
    """To the nearest integers; where their sums are then too large, as many of them towards zero as it takes."""
    lower, upper = sum_limits(lut_bits, shift)
    result = np.rint(scaled).astype(np.int64)
    for sign, limit in ((1, upper), (-1, -lower)):
        part = np.maximum(sign * result, 0)
        for row in np.flatnonzero(part.sum(axis=1) > limit):
            # Those that were rounded up most lose least.
            gain = np.where(part[row] > 0, sign * (result[row] - scaled[row]), -np.inf)
            excess = int(part[row].sum()) - limit
            result[row, np.argsort(-gain, kind="stable")[:excess]] -= sign
    return result.astype(np.int8)
