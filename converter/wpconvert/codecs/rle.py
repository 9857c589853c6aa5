"""RLE ("relative indexing"): 4-bit column differences and the non-zero values (docs/FORMAT.md, "Codec 1: RLE").

Source: the baseline of Trommer et al., "dCSR", arXiv 2111.12345; after Han et al., "Deep Compression".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import blob as container
from wpconvert.codecs.blob import Blob, Layout
from wpconvert.codecs.rows import (
    SPARSE_FLAGS,
    IntArray,
    chunks,
    pack_counts,
    pack_index,
    ranges,
    starts,
    unpack_counts,
    unpack_index,
)
from wpconvert.errors import ModelError

CODEC_ID = 1
FILLER = 15


def encode(matrix: NDArray[np.int8], layout: Layout, block_log2: int) -> NDArray[np.uint8]:
    """Encode int8[rows, cols] to a blob, uint8[nbytes]."""
    rows, cols = matrix.shape
    values: list[NDArray[np.int8]] = []
    packed: list[NDArray[np.uint8]] = []
    counts = np.zeros(rows, np.int64)
    carry = np.zeros(0, np.uint8)
    for first, last in chunks(rows, cols):
        chunk = matrix[first:last]
        flat = np.flatnonzero(chunk)
        nnz = np.count_nonzero(chunk, axis=1)
        row_start = starts(nnz)
        column = flat - np.repeat(np.arange(last - first) * cols, nnz)
        step = np.diff(column, prepend=0)
        nonempty = row_start[nnz > 0]
        step[nonempty] = column[nonempty]
        fillers, rest = np.divmod(step, FILLER)
        ends = np.cumsum(fillers + 1)
        total = int(ends[-1]) if len(ends) else 0
        gaps = np.full(total, FILLER, np.uint8)
        stored = np.zeros(total, np.int8)
        gaps[ends - 1] = rest
        stored[ends - 1] = chunk.reshape(-1)[flat]
        boundaries = np.concatenate(([0], ends))
        counts[first:last] = np.diff(boundaries[np.concatenate((row_start, [len(flat)]))])
        values.append(stored)
        gaps = np.concatenate((carry, gaps))
        carry = gaps[len(gaps) & ~1 :]
        packed.append(_pack(gaps[: len(gaps) & ~1]))
    if len(carry):
        packed.append(_pack(np.append(carry, np.uint8(0))))
    row_counts, count_code = pack_counts(counts)
    index, index_code = pack_index([starts(counts)], block_log2)
    return container.build(
        CODEC_ID, layout, block_log2, count_code | index_code, [[index], [row_counts], values, packed]
    )


def _pack(nibbles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pairs = (nibbles[0::2] << np.uint8(4)) | nibbles[1::2]
    return np.asarray(pairs, np.uint8)


class Decoder:
    """Random access to the rows of an RLE blob; construction checks everything but the column differences."""

    def __init__(self, blob: Blob) -> None:
        blob.expect(sections=4, flags=SPARSE_FLAGS)
        self._blob = blob
        self._values = blob.section(2, "i1")
        total = len(self._values)
        self._gaps = blob.section(3, "u1", (total + 1) // 2)
        self._counts = unpack_counts(blob, 1, total, limit=blob.cols + blob.cols // FILLER + 1)
        self._starts = starts(self._counts)
        unpack_index(blob, 0, [self._starts])

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Decode rows [first, last) into the zeroed int8[last − first, cols] `out`."""
        counts: IntArray = self._counts[first:last]
        begin, cols = int(self._starts[first]), self._blob.cols
        end = begin + int(counts.sum())
        pairs = self._gaps[begin // 2 : (end + 1) // 2]
        nibbles = np.empty(2 * len(pairs), np.uint8)
        nibbles[0::2] = pairs >> 4
        nibbles[1::2] = pairs & 15
        gaps = nibbles[begin & 1 : (begin & 1) + end - begin]
        values = self._values[begin:end]
        reached = np.cumsum(gaps, dtype=np.int64)
        row_start = starts(counts)
        base = np.where(row_start > 0, reached[row_start - 1], 0) if len(reached) else np.zeros(len(counts), np.int64)
        column = reached - np.repeat(base, counts)
        real = gaps != FILLER
        repeated = (gaps == 0) & (ranges(counts) > 0)
        repeated[1:] &= real[:-1]
        if column.size and (int(column.max()) >= cols or repeated[: len(column)].any() or values[~real].any()):
            raise ModelError(
                f"weight blob: RLE columns of rows {first} to {last - 1} are not ascending within 0 to {cols - 1}"
            )
        flat = column + np.repeat(np.arange(last - first) * cols, counts)
        out.reshape(-1)[flat[real]] = values[real]
