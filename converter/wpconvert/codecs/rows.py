"""What the sparse codecs share: chunked walks over the rows, stored row counts, and the row index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.blob import Blob, Layout
from wpconvert.errors import ModelError

IntArray = NDArray[np.int64]

# Rows are processed in chunks whose temporaries stay in a core's second-level cache.
CHUNK_ELEMENTS = 1 << 18
DEFAULT_BLOCK_LOG2 = 4

# Bits 0–1 of a sparse blob's flags: width of the row counts; bit 2: width of the row index.
WIDE_INDEX = 0b100
SPARSE_FLAGS = 0b011 | WIDE_INDEX

_COUNT_TYPES = ("<i1", "<i2", "<i4")
_CURSOR_TYPES = ("<u2", "<u4")


def default_block_log2(layout: Layout) -> int:  # noqa: ARG001 - one signature for all codecs
    """The row block size of codecs whose row index costs little."""
    return DEFAULT_BLOCK_LOG2


def nibbles_nbytes(layout: Layout, nnz: int) -> int:
    """A lower bound of a sparse blob's size: a value and a nibble a non-zero, a count a row."""
    return nnz + nnz // 2 + layout.rows


def stored_elements(blob: Blob, matrix: NDArray[np.int8]) -> dict[str, int]:  # noqa: ARG001 - one signature for all codecs
    """What decoding takes of a blob whose section 2 holds the stored elements, fillers too."""
    return {"stored": len(blob.sections[2])}


def chunks(rows: int, cols: int) -> Iterator[tuple[int, int]]:
    """Half-open row ranges [first, last) of about CHUNK_ELEMENTS elements that cover all rows."""
    step = max(1, CHUNK_ELEMENTS // cols)
    for first in range(0, rows, step):
        yield first, min(rows, first + step)


def starts(counts: IntArray) -> IntArray:
    """Exclusive prefix sum: where each row's part of a stream starts."""
    return np.cumsum(counts) - counts


def ranges(counts: IntArray) -> IntArray:
    """0 … counts[0]−1, 0 … counts[1]−1, …: the index of every element within its own row."""
    return np.arange(int(counts.sum())) - np.repeat(starts(counts), counts)


def pack_counts(counts: IntArray) -> tuple[NDArray[Any], int]:
    """Row counts relative to their mean, in the narrowest type that holds them.

    counts: int64[rows]. Returns the array and the width code of the blob's flags. Raises ModelError past int32.
    """
    relative = counts - int(counts.sum()) // len(counts)
    for code, dtype in enumerate(_COUNT_TYPES):
        info = np.iinfo(dtype)
        if info.min <= relative.min() and relative.max() <= info.max:
            return relative.astype(dtype), code
    raise ModelError("the row counts do not fit 32 bits")


def unpack_counts(blob: Blob, section: int, total: int, limit: int) -> IntArray:
    """Row counts of a blob, int64[rows]; ModelError unless each is in 0 … limit and they add up to `total`."""
    code = blob.flags & 3
    if code >= len(_COUNT_TYPES):
        raise ModelError(f"weight blob: row count width code {code}, expected 0 to {len(_COUNT_TYPES) - 1}")
    relative = blob.section(section, _COUNT_TYPES[code], blob.rows).astype(np.int64)
    counts: IntArray = relative + total // blob.rows
    if int(counts.min()) < 0 or int(counts.max()) > limit or int(counts.sum()) != total:
        raise ModelError(f"weight blob: row counts do not add up to {total} elements with at most {limit} per row")
    return counts


def pack_index(cursors: list[IntArray], block_log2: int) -> tuple[NDArray[Any], int]:
    """The row index: for the first row of each block, the position of each stream.

    cursors: one int64[rows] of stream positions per stream. Returns [blocks, streams] and the width code for the flags.
    """
    table = np.stack([cursor[:: 1 << block_log2] for cursor in cursors], axis=1)
    code = 0 if int(table.max()) <= 0xFFFF else 1
    return table.astype(_CURSOR_TYPES[code]), code << 2


def unpack_index(blob: Blob, section: int, cursors: list[IntArray]) -> None:
    """Check the stored row index against stream positions derived from the row counts; ModelError if they differ."""
    code = blob.flags >> 2 & 1
    expected = np.stack([cursor[:: 1 << blob.block_log2] for cursor in cursors], axis=1)
    stored = blob.section(section, _CURSOR_TYPES[code], expected.size).reshape(expected.shape)
    if not np.array_equal(stored, expected):
        block = int(np.flatnonzero((stored != expected).any(axis=1))[0])
        raise ModelError(
            f"weight blob: row index of block {block} is {stored[block]}, its rows start at {expected[block]}"
        )
