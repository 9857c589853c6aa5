"""Pool: each group of eight input channels the index of a vector of a pool (docs/FORMAT.md, "Codec 6: pool")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import blob as container
from wpconvert.codecs.blob import Blob, Layout, Side
from wpconvert.codecs.codes import bits_for, pack, row_nbytes, unpack
from wpconvert.codecs.pool_table import LANES, Pool
from wpconvert.codecs.rows import chunks
from wpconvert.errors import ModelError

CODEC_ID = 6
MAX_BITS = 8
_FLAGS = 0b1111
_NDIMS = (2, 4)


def minimum_nbytes(layout: Layout, nnz: int) -> int:  # noqa: ARG001 - one signature for all codecs
    """The indices, if one bit is enough."""
    return layout.rows * row_nbytes(indices_of_row(layout), 1)


def groups_of(layout: Layout) -> int:
    """Groups of eight channels at a tap, the last one perhaps not full."""
    return -(-layout.shape[-1] // LANES)


def indices_of_row(layout: Layout) -> int:
    """Indices that make a row: one for each tap and group of channels."""
    return layout.cols // layout.shape[-1] * groups_of(layout)


def _expect(layout: Layout, pool: Side | None) -> Pool:
    """The pool; ModelError where there is none, or weights of such a layout are not made of pool vectors."""
    if len(layout.shape) not in _NDIMS or layout.row_dims != 1:
        raise ModelError(
            f"weights of shape {list(layout.shape)} with {layout.row_dims} row dimensions; codec pool supports "
            "CONV_2D and FULLY_CONNECTED weights: 2 or 4 dimensions, one of them a row dimension"
        )
    if not isinstance(pool, Pool):
        raise ModelError("codec pool needs a weight pool, and there is none")
    return pool


def _keys(vectors: NDArray[np.int8]) -> NDArray[np.uint64]:
    """int8[…, 8] vectors as numbers, uint64[…]."""
    return np.ascontiguousarray(vectors).view("<u8")[..., 0]


class _Finder:
    """Finds vectors in a pool by their first `lanes` elements; the first of equal ones."""

    def __init__(self, pool: Pool, lanes: int) -> None:
        known = pool.vectors.copy()
        known[:, lanes:] = 0
        self._known, self._index = np.unique(_keys(known), return_index=True)

    def find(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The index of each key, of vectors that are zero after those lanes, and whether it is in the pool."""
        position = np.minimum(np.searchsorted(self._known, keys), len(self._known) - 1)
        return self._index[position].astype(np.uint8), self._known[position] == keys


def _indices(matrix: NDArray[np.int8], layout: Layout, pool: Pool, first: int) -> NDArray[np.uint8]:
    """The indices of rows from `first` on, int8[rows, cols], as uint8[rows, indices]; ModelError for other vectors."""
    depth, groups = layout.shape[-1], groups_of(layout)
    lanes = depth - LANES * (groups - 1)
    taps = layout.cols // depth
    padded = np.zeros((len(matrix), taps, LANES * groups), np.int8)
    padded[:, :, :depth] = matrix.reshape(-1, taps, depth)
    keys = _keys(padded.reshape(len(matrix), taps, groups, LANES))
    index, found = _Finder(pool, LANES).find(keys)
    index[..., -1], found[..., -1] = _Finder(pool, lanes).find(keys[..., -1])
    if not found.all():
        row, tap, group = (int(at[0]) for at in np.nonzero(~found))
        raise ModelError(
            f"row {first + row}, tap {tap}, channels from {LANES * group}: "
            f"{padded[row, tap, LANES * group : LANES * group + LANES].tolist()} "
            f"is not one of the {pool.size} vectors of the pool"
        )
    return index.reshape(len(matrix), -1)


def encode(matrix: NDArray[np.int8], layout: Layout, block_log2: int, side: Side | None) -> NDArray[np.uint8]:
    """Encode int8[rows, cols] to a blob, uint8[nbytes]; ModelError when it is not made of vectors of the pool."""
    pool = _expect(layout, side)
    bits = bits_for(pool.size)
    packed = [
        pack(_indices(matrix[first:last], layout, pool, first), bits)
        for first, last in chunks(layout.rows, layout.cols)
    ]
    return container.build(CODEC_ID, layout, block_log2, bits, [packed])


class Decoder:
    """Random access to the rows of a pool blob; construction checks all of it."""

    def __init__(self, blob: Blob) -> None:
        blob.expect(sections=1, flags=_FLAGS)
        self._pool, self._layout, self._bits = _expect(blob.layout, blob.side), blob.layout, blob.flags
        if not 1 <= self._bits <= MAX_BITS:
            raise ModelError(f"weight blob: indices of {self._bits} bits, expected 1 to {MAX_BITS}")
        nbytes = row_nbytes(indices_of_row(blob.layout), self._bits)
        self._packed = blob.section(0, "u1", blob.rows * nbytes).reshape(blob.rows, nbytes)
        largest = max(int(self.indices(*chunk).max()) for chunk in chunks(blob.rows, blob.cols))
        if largest >= self._pool.size:
            raise ModelError(f"weight blob: index {largest}, but the pool has {self._pool.size} vectors")

    def indices(self, first: int, last: int) -> NDArray[np.uint8]:
        """Of rows [first, last): uint8[last − first, taps · groups], groups of a tap side by side."""
        return unpack(self._packed[first:last], self._bits, indices_of_row(self._layout))

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Decode rows [first, last) into int8[last − first, cols] `out`."""
        depth = self._layout.shape[-1]
        vectors = self._pool.vectors[self.indices(first, last)]
        lanes = vectors.reshape(last - first, -1, LANES * groups_of(self._layout))
        out[...] = lanes[:, :, :depth].reshape(out.shape)
