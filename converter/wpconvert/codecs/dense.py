"""Dense: the weights as they are, in memory order (docs/FORMAT.md, "Codec 0: dense")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import blob as container
from wpconvert.codecs.blob import Blob, Layout

CODEC_ID = 0


def minimum_nbytes(layout: Layout, nnz: int) -> int:  # noqa: ARG001 - one signature for all codecs
    """The blob's size before its header: one byte a weight."""
    return layout.rows * layout.cols


def encode(matrix: NDArray[np.int8], layout: Layout, block_log2: int) -> NDArray[np.uint8]:
    """Encode int8[rows, cols] to a blob, uint8[nbytes]."""
    return container.build(CODEC_ID, layout, block_log2, 0, [[np.ascontiguousarray(matrix)]])


class Decoder:
    """Random access to the rows of a dense blob."""

    def __init__(self, blob: Blob) -> None:
        blob.expect(sections=1, flags=0)
        self._matrix = blob.section(0, "i1", blob.rows * blob.cols).reshape(blob.rows, blob.cols)

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Copy rows [first, last) into int8[last − first, cols] `out`."""
        out[...] = self._matrix[first:last]
