"""dCSR: delta-compressed sparse rows in groups of 16 SIMD lanes (docs/FORMAT.md, "Codec 2: dCSR").

Source: Trommer et al., "dCSR: A Memory-Efficient Sparse Matrix Representation for Parallel Neural Network
Inference", arXiv 2111.12345. In each group of 16 columns the line slope · lane and the group's minimum are subtracted.
What is left, the delta, has 4 bits that are always stored and up to 4 bit planes stored only where a lane of the group
needs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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

CODEC_ID = 2
LANES = 16
PLANES = 4
_MAX_OFFSET = 255
_PADDING = np.iinfo(np.int64).max // 2
_LANE = np.arange(LANES)[:, None]
_POPCOUNT4 = np.array([bin(i).count("1") for i in range(16)], np.int64)


def slopes_of(counts: IntArray, cols: int) -> IntArray:
    """Columns per element, rounded half up; 0 for an empty row. Encoder and decoder must agree, hence integers."""
    return np.where(counts > 0, (cols + counts // 2) // np.maximum(counts, 1), 0)


@dataclass(frozen=True)
class _Groups:
    """The groups of some rows, lane-major: `delta` is [16, groups], 0 in padding lanes."""

    per_row: IntArray
    delta: IntArray
    minimum: IntArray
    fits: NDArray[np.bool_]


def _group(columns: IntArray, counts: IntArray, cols: int) -> _Groups:
    """Cut rows into groups, subtract line and minimum. `fits` tells per group whether its numbers fit their fields."""
    per_row = (counts + LANES - 1) // LANES
    total = int(per_row.sum())
    slope = np.repeat(slopes_of(counts, cols), per_row)
    position = np.arange(len(columns)) + np.repeat(LANES * starts(per_row) - starts(counts), counts)
    grid = np.full((total, LANES), _PADDING, np.int64)
    grid.reshape(-1)[position] = columns
    grid = np.ascontiguousarray(grid.T)
    real = grid != _PADDING
    grid -= slope * _LANE
    base = grid.min(axis=0) if total else np.zeros(0, np.int64)
    grid -= base
    grid *= real
    first_group = np.zeros(total, bool)
    first_group[starts(per_row)[per_row > 0]] = True
    minimum = np.diff(base, prepend=0) - LANES * slope
    minimum[first_group] = base[first_group]
    reach = ((grid + slope * _LANE) * real).max(axis=0) if total else base
    fits = (reach <= _MAX_OFFSET) & (minimum >= -128) & (minimum <= 127)
    return _Groups(per_row, grid, minimum, fits)


def _columns(stored: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Columns of the stored elements, row by row, and their number per row."""
    flat = np.flatnonzero(stored)
    counts = np.count_nonzero(stored, axis=1)
    return flat - np.repeat(np.arange(stored.shape[0]) * stored.shape[1], counts), counts


def _split_gaps(stored: NDArray[np.bool_]) -> None:
    """Mark an explicit zero in the middle of the largest gaps of every row; each row has an element.

    At least one a row, a sixteenth of its elements, or as many as the row certainly lacks: a group reaches 256 columns,
    so n elements reach about 16 n. A full row always fits, so repeating this ends.
    """
    rows, cols = stored.shape
    columns, counts = _columns(stored)
    # Gaps of a row: before its first element, between elements, after its last.
    ends = np.insert(columns, np.cumsum(counts), cols)
    row = np.repeat(np.arange(rows), counts + 1)
    begins = np.empty_like(ends)
    begins[1:] = ends[:-1] + 1
    begins[starts(counts + 1)] = 0
    length = ends - begins
    # Stable, so that ties fall alike on every machine and however the rows are cut into chunks.
    order = np.argsort(row * (cols + 1) + (cols - length), kind="stable")
    lacking = (columns[np.cumsum(counts) - 1] - _MAX_OFFSET - 128) // (LANES + 1) - counts
    wanted = np.maximum(np.maximum(1, counts // LANES), lacking)
    chosen = order[ranges(counts + 1) < np.repeat(wanted, counts + 1)]
    chosen = chosen[length[chosen] > 0]
    stored[row[chosen], (begins + length // 2)[chosen]] = True


def _stored_elements(chunk: NDArray[np.int8]) -> tuple[NDArray[np.bool_], IntArray, IntArray, _Groups]:
    """Which elements of int8[rows, cols] are stored: the non-zeros, and explicit zeros where a row would not fit."""
    cols = chunk.shape[1]
    stored = chunk != 0
    columns, counts = _columns(stored)
    groups = _group(columns, counts, cols)
    failing = np.flatnonzero(np.bincount(np.repeat(np.arange(len(counts)), groups.per_row)[~groups.fits]))
    if not len(failing):
        return stored, columns, counts, groups
    while len(failing):
        subset = stored[failing]
        _split_gaps(subset)
        stored[failing] = subset
        columns, counts = _columns(subset)
        groups = _group(columns, counts, cols)
        row = np.repeat(np.arange(len(counts)), groups.per_row)
        failing = failing[np.unique(row[~groups.fits])]
    columns, counts = _columns(stored)
    return stored, columns, counts, _group(columns, counts, cols)


def encode(matrix: NDArray[np.int8], layout: Layout, block_log2: int) -> NDArray[np.uint8]:
    """Encode int8[rows, cols] to a blob, uint8[nbytes]."""
    rows, cols = matrix.shape
    counts = np.zeros(rows, np.int64)
    masks_of_row = np.zeros(rows, np.int64)
    values: list[NDArray[Any]] = []
    minima: list[NDArray[Any]] = []
    nibbles: list[NDArray[Any]] = []
    planes: list[NDArray[Any]] = []
    masks: list[NDArray[Any]] = []
    carry = np.zeros((0, LANES), np.uint8)
    for first, last in chunks(rows, cols):
        chunk = matrix[first:last]
        stored, _, row_counts, groups = _stored_elements(chunk)
        counts[first:last] = row_counts
        values.append(chunk[stored])
        minima.append(groups.minimum.astype(np.int8))
        present, chunk_masks = _bit_planes(groups.delta)
        planes.append(present)
        masks.append(chunk_masks)
        edges = np.concatenate(([0], np.cumsum(_POPCOUNT4[present])))
        group_start = starts(groups.per_row)
        masks_of_row[first:last] = edges[group_start + groups.per_row] - edges[group_start]
        low = np.concatenate((carry, np.ascontiguousarray((groups.delta & 15).astype(np.uint8).T)))
        carry = low[len(low) & ~1 :]
        low = low[: len(low) & ~1]
        nibbles.append((low[0::2] << 4) | low[1::2])
    if len(carry):
        nibbles.append(carry << 4)
    all_planes = np.concatenate(planes)
    all_planes = np.append(all_planes, np.zeros(len(all_planes) & 1, np.uint8))
    row_counts, count_code = pack_counts(counts)
    cursors = [starts(counts), starts((counts + LANES - 1) // LANES), starts(masks_of_row)]
    index, index_code = pack_index(cursors, block_log2)
    packed_planes = (all_planes[0::2] << 4) | all_planes[1::2]
    sections = [[index], [row_counts], values, minima, nibbles, [packed_planes], masks]
    return container.build(CODEC_ID, layout, block_log2, count_code | index_code, sections)


def _bit_planes(delta: IntArray) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Extension planes of deltas [16, groups].

    Returns the present planes of each group (bit p for delta bit 4 + p) and their uint16 lane masks, in order.
    """
    present = np.zeros(delta.shape[1], np.uint8)
    wide = np.flatnonzero(delta.max(axis=0) > 15) if delta.size else np.zeros(0, np.int64)
    high = delta[:, wide] >> 4
    lane_masks = np.stack([(((high >> p) & 1) << _LANE).sum(axis=0) for p in range(PLANES)], axis=1)
    used = lane_masks != 0
    present[wide] = used @ np.array([1, 2, 4, 8], np.uint8)
    return present, lane_masks[used].astype("<u2")


def work(blob: Blob, matrix: NDArray[np.int8]) -> dict[str, int]:  # noqa: ARG001 - one signature for all codecs
    """Stored elements, groups of them, and bit planes of deltas that four bits do not hold."""
    return {"stored": len(blob.sections[2]), "groups": len(blob.sections[3]), "planes": len(blob.sections[6]) // 2}


class Decoder:
    """Random access to the rows of a dCSR blob; construction checks everything but the columns themselves."""

    def __init__(self, blob: Blob) -> None:
        blob.expect(sections=7, flags=SPARSE_FLAGS)
        self._blob = blob
        self._values = blob.section(2, "i1")
        self._minima = blob.section(3, "i1")
        groups = len(self._minima)
        self._nibbles = blob.section(4, "u1", (groups + 1) // 2 * LANES).reshape(-1, LANES)
        packed = blob.section(5, "u1", (groups + 1) // 2)
        self._planes = np.stack((packed >> 4, packed & 15), axis=1).reshape(-1)[:groups]
        self._counts = unpack_counts(blob, 1, len(self._values), limit=blob.cols)
        self._groups = (self._counts + LANES - 1) // LANES
        if int(self._groups.sum()) != groups:
            raise ModelError(f"weight blob: {groups} dCSR groups, the row counts give {int(self._groups.sum())}")
        mask_edges = np.concatenate(([0], np.cumsum(_POPCOUNT4[self._planes])))
        self._masks = blob.section(6, "<u2", int(mask_edges[-1]))
        self._group_start = starts(self._groups)
        self._mask_edges = mask_edges
        self._starts = starts(self._counts)
        unpack_index(blob, 0, [self._starts, self._group_start, mask_edges[self._group_start]])

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Decode rows [first, last) into the zeroed int8[last − first, cols] `out`."""
        cols = self._blob.cols
        counts, per_row = self._counts[first:last], self._groups[first:last]
        begin, g0 = int(self._starts[first]), int(self._group_start[first])
        total = int(per_row.sum())
        g1 = g0 + total
        row_group = starts(per_row)
        slope = np.repeat(slopes_of(counts, cols), per_row)
        # The sum of relative minima since the row's first group, plus the line: the base of each group.
        reached = np.cumsum(self._minima[g0:g1], dtype=np.int64)
        before = np.concatenate(([0], reached))[row_group]
        base = reached - np.repeat(before, per_row) + LANES * slope * ranges(per_row)
        offset = slope[:, None] * np.arange(LANES) + self._deltas(g0, g1)
        lane = ranges(counts)
        used = lane + np.repeat(LANES * row_group, counts)
        # Padding lanes may pass the limit; they are looked away from only when some lane does.
        if total and int(offset.max()) > _MAX_OFFSET and int(offset.reshape(-1)[used].max()) > _MAX_OFFSET:
            raise ModelError(
                f"weight blob: a dCSR group of rows {first} to {last - 1} spans more than {_MAX_OFFSET} columns"
            )
        column = (base[:, None] + offset).reshape(-1)[used]
        if len(column):
            ordered = np.diff(column) > 0
            ordered |= lane[1:] == 0
            if int(column.min()) < 0 or int(column.max()) >= cols or not ordered.all():
                raise ModelError(
                    f"weight blob: dCSR columns of rows {first} to {last - 1} are not ascending within 0 to {cols - 1}"
                )
        flat = column + np.repeat(np.arange(last - first) * cols, counts)
        out.reshape(-1)[flat] = self._values[begin : begin + len(column)]

    def _deltas(self, g0: int, g1: int) -> NDArray[np.uint8]:
        """Deltas of groups [g0, g1), uint8[g1 − g0, 16]."""
        pairs = self._nibbles[g0 // 2 : (g1 + 1) // 2]
        both = np.stack((pairs >> 4, pairs & 15), axis=1).reshape(-1, LANES)
        delta = both[g0 & 1 : (g0 & 1) + g1 - g0]
        planes = self._planes[g0:g1]
        wide = np.flatnonzero(planes)
        if len(wide):
            used = (planes[wide, None] >> np.arange(PLANES)) & 1 == 1
            masks = np.zeros((len(wide), PLANES), "<u2")
            masks[used] = self._masks[self._mask_edges[g0] : self._mask_edges[g1]]
            bits = np.unpackbits(masks.view(np.uint8), bitorder="little").reshape(len(wide), PLANES, LANES)
            weights = np.array([16, 32, 64, 128], np.uint8)[:, None]
            delta[wide] += (bits * weights).sum(axis=1, dtype=np.uint8)
        return delta
