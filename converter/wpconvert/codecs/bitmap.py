"""Bitmap: one bit a weight and the non-zero values (docs/FORMAT.md, "Codec 3: bitmap")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import blob as container
from wpconvert.codecs.blob import Blob, Layout
from wpconvert.codecs.codes import row_nbytes
from wpconvert.codecs.rows import WIDE_INDEX, chunks, pack_index, starts, unpack_index
from wpconvert.errors import ModelError

CODEC_ID = 3


def minimum_nbytes(layout: Layout, nnz: int) -> int:
    """The blob's size before header and row index: a byte a non-zero, a bit a weight."""
    return nnz + layout.rows * row_nbytes(layout.cols, 1)


def encode(matrix: NDArray[np.int8], layout: Layout, block_log2: int) -> NDArray[np.uint8]:
    """Encode int8[rows, cols] to a blob, uint8[nbytes]."""
    rows, cols = matrix.shape
    counts = np.zeros(rows, np.int64)
    bits: list[NDArray[np.uint8]] = []
    values: list[NDArray[np.int8]] = []
    for first, last in chunks(rows, cols):
        chunk = matrix[first:last]
        stored = chunk != 0
        counts[first:last] = np.count_nonzero(stored, axis=1)
        bits.append(np.packbits(stored, axis=1, bitorder="little"))
        values.append(chunk[stored])
    index, flags = pack_index([starts(counts)], block_log2)
    return container.build(CODEC_ID, layout, block_log2, flags, [[index], bits, values])


class Decoder:
    """Random access to the rows of a bitmap blob; construction checks all of it."""

    def __init__(self, blob: Blob) -> None:
        blob.expect(sections=3, flags=WIDE_INDEX)
        self._cols = blob.cols
        nbytes = row_nbytes(blob.cols, 1)
        self._bits = blob.section(1, "u1", blob.rows * nbytes).reshape(blob.rows, nbytes)
        self._values = blob.section(2, "i1")
        if blob.cols % 8 and (self._bits[:, -1] >> blob.cols % 8).any():
            raise ModelError(f"weight blob: the bitmap has bits set beyond its {blob.cols} columns")
        counts = np.zeros(blob.rows, np.int64)
        for first, last in chunks(blob.rows, blob.cols):
            counts[first:last] = np.bitwise_count(self._bits[first:last]).sum(axis=1, dtype=np.int64)
        total = int(counts.sum())
        if total != len(self._values):
            raise ModelError(f"weight blob: {len(self._values)} values, the bitmap has {total} bits set")
        self._starts = np.append(starts(counts), total)
        unpack_index(blob, 0, [self._starts[:-1]])

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Decode rows [first, last) into the zeroed int8[last − first, cols] `out`."""
        stored = np.unpackbits(self._bits[first:last], axis=1, count=self._cols, bitorder="little").view(np.bool_)
        out[stored] = self._values[self._starts[first] : self._starts[last]]
