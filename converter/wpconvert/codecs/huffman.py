"""Huffman: prefix codes of all weights, or of the non-zero ones and the gaps between them (docs/FORMAT.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import blob as container
from wpconvert.codecs import huffman_gaps as gaps
from wpconvert.codecs import prefix_code, rows
from wpconvert.codecs.bits import BitWriter
from wpconvert.codecs.blob import Layout
from wpconvert.codecs.prefix_code import Description
from wpconvert.errors import ModelError

IntArray = NDArray[np.int64]
Matrix = NDArray[np.int8]

CODEC_ID = 5
FLAG_RUNS = 1
FLAG_WIDE_INDEX = 2
FLAG_LIVE_COLUMNS = 4
FLAGS = FLAG_RUNS | FLAG_WIDE_INDEX | FLAG_LIVE_COLUMNS
PERIOD_NBITS = 12
TAIL_NBYTES = 3
"""Zero bytes after the codes, so that a reader may load four bytes wherever a code starts."""
ZERO = 128
"""The symbol of a weight is the weight + 128."""

MAX_NBYTES = (1 << 29) - 1
"""Of the section: positions in bits have 32 bits."""

_MAX_BLOCK_LOG2 = 6
_BLOCK_ELEMENTS = 1 << 16
_WORTH = 0.001
_HEADER_NBYTES = 48


def minimum_nbytes(layout: Layout, nnz: int) -> int:  # noqa: ARG001 - one signature for all codecs
    """A lower bound of the blob's size: its header, and a bit a non-zero."""
    return _HEADER_NBYTES + nnz // 8


def block_log2_of(layout: Layout) -> int:
    """Row blocks of at most 64 rows that are quick to decode: large ones, since each entry of the row index costs."""
    log2 = _MAX_BLOCK_LOG2
    while log2 > 0 and layout.cols << log2 > _BLOCK_ELEMENTS:
        log2 -= 1
    return log2


@dataclass(frozen=True)
class _Form:
    """One way to store a matrix: all weights, or gaps and non-zero weights; of all columns or of the live ones."""

    nbits: int
    live: NDArray[np.bool_] | None
    codes: list[Description]
    direct_log2: int = 0

    @property
    def flags(self) -> int:
        return FLAG_RUNS * (len(self.codes) == 2) | FLAG_LIVE_COLUMNS * (self.live is not None)


def chunks(matrix: Matrix, live: NDArray[np.bool_] | None, block_rows: int) -> Iterator[Matrix]:
    """The rows in pieces of whole blocks, without the columns that are not live."""
    step = max(1, rows.CHUNK_ELEMENTS // (matrix.shape[1] * block_rows)) * block_rows
    for first in range(0, len(matrix), step):
        chunk = matrix[first : first + step]
        if live is not None:
            chunk = chunk.reshape(-1, len(live))[:, live].reshape(len(chunk), -1)
        yield chunk


def _forms(matrix: Matrix, live: NDArray[np.bool_] | None, block_rows: int) -> Iterator[_Form]:
    """Both forms for these columns, with the bits they take."""
    values = np.zeros(prefix_code.SYMBOLS, np.int64)
    fine = np.zeros(prefix_code.SYMBOLS, np.int64)
    for chunk in chunks(matrix, live, block_rows):
        values += np.bincount(chunk.reshape(-1).view(np.uint8) ^ np.uint8(ZERO), minlength=len(values))
        symbol, _ = gaps.symbols(gaps.runs_of(chunk, block_rows).gap, gaps.MAX_DIRECT_LOG2)
        fine += np.bincount(symbol, minlength=len(fine))
    extra = 0 if live is None else len(live) + PERIOD_NBITS
    all_values = prefix_code.fit(values)
    yield _Form(all_values.cost(values) + extra, live, [all_values])
    values[ZERO] = 0
    codes = [prefix_code.fit(values)]
    options = []
    for direct_log2 in range(gaps.MIN_DIRECT_LOG2, gaps.MAX_DIRECT_LOG2 + 1):
        counts, nbits = gaps.coarser(fine, direct_log2)
        options.append((prefix_code.estimate(counts) + nbits, direct_log2, counts, nbits))
    # Gaps with extra bits are slow to decode: as few of them as cost next to nothing.
    limit = (1 + _WORTH) * min(options)[0] + _WORTH * codes[0].cost(values)
    _, direct_log2, counts, nbits = [option for option in options if option[0] <= limit][-1]
    codes.append(prefix_code.fit(counts))
    yield _Form(codes[0].cost(values) + codes[1].cost(counts) + nbits + extra, live, codes, direct_log2)


def _live_columns(matrix: Matrix) -> NDArray[np.bool_] | None:
    """Which columns of a period of the row are stored: those with a non-zero in any row and period.

    The period, a divisor of the row's length, is the one that leaves most out, taking a bit for each zero and for each
    column of the period. None when there is nothing to leave out.
    """
    rows_live = np.any(matrix, axis=0)
    cols, best, most = len(rows_live), None, 0
    for period in range(1, min(cols, 1 << PERIOD_NBITS) + 1):
        if cols % period == 0:
            live = np.any(rows_live.reshape(-1, period), axis=0)
            saved = int(np.count_nonzero(~live)) * (matrix.size // period) - period
            if saved > most and live.any():
                best, most = live, saved
    return best


def encode(matrix: Matrix, layout: Layout, block_log2: int) -> NDArray[np.uint8]:
    """Encode int8[rows, cols] to a blob, uint8[nbytes]. Raises ModelError for more than MAX_NBYTES of codes."""
    block_rows = 1 << block_log2
    forms = list(_forms(matrix, None, block_rows))
    live = _live_columns(matrix)
    if live is not None:
        forms += _forms(matrix, live, block_rows)
    form = min(forms, key=lambda form: form.nbits)
    writer = BitWriter()
    writer.put(*_description(matrix, form))
    pieces = chunks(matrix, form.live, block_rows)
    if form.flags & FLAG_RUNS:
        nbits = [_write_runs(writer, chunk, form, block_rows) for chunk in pieces]
    else:
        nbits = [_write_plain(writer, chunk, form.codes[0], block_rows) for chunk in pieces]
    starts = np.cumsum(np.concatenate(nbits))[:-1]
    wide = len(starts) > 0 and int(starts[-1]) > 0xFFFF
    index = starts.astype("<u4" if wide else "<u2")
    section = [index, writer.to_bytes(), np.zeros(TAIL_NBYTES, np.uint8)]
    if sum(part.nbytes for part in section) > MAX_NBYTES:
        raise ModelError(f"weight blob: the codes exceed {MAX_NBYTES} bytes")
    return container.build(CODEC_ID, layout, block_log2, form.flags | FLAG_WIDE_INDEX * wide, [section])


def _description(matrix: Matrix, form: _Form) -> Iterator[tuple[int, int]]:
    """What stands before the first code: numbers and their bits."""
    yield 255 * int(np.count_nonzero(matrix)) // matrix.size, 8
    if form.flags & FLAG_RUNS:
        yield form.direct_log2, 3
    for code in form.codes:
        yield from code.head()
    if form.live is not None:
        yield len(form.live) - 1, PERIOD_NBITS
    for code in form.codes:
        yield from code.tokens()
    if form.live is not None:
        for is_live in form.live.tolist():
            yield int(is_live), 1


def _write_plain(writer: BitWriter, chunk: Matrix, code: Description, block_rows: int) -> IntArray:
    """A code for each weight. Returns the bits of each block."""
    lengths = code.of_symbols()
    symbol = chunk.reshape(-1).view(np.uint8) ^ np.uint8(ZERO)
    items, nbits = prefix_code.codes(lengths)[symbol], lengths[symbol]
    blocks: IntArray = np.add.reduceat(nbits, np.arange(0, len(nbits), block_rows * chunk.shape[1]))
    for _ in range(2):
        # Four codes to an item.
        if len(items) % 2:
            items, nbits = np.append(items, np.uint64(0)), np.append(nbits, 0)
        items = items[0::2] | items[1::2] << nbits[0::2].astype(np.uint64)
        nbits = nbits[0::2] + nbits[1::2]
    writer.append(items, nbits)
    return blocks


def _write_runs(writer: BitWriter, chunk: Matrix, form: _Form, block_rows: int) -> IntArray:
    """Gaps and values in turn. Returns the bits of each block."""
    runs = gaps.runs_of(chunk, block_rows)
    value_lengths, gap_lengths = (code.of_symbols() for code in form.codes)
    symbol, extra = gaps.symbols(runs.gap, form.direct_log2)
    items, nbits = prefix_code.codes(gap_lengths)[symbol], gap_lengths[symbol]
    low = (runs.gap & ((np.int64(1) << extra) - 1)).astype(np.uint64)
    items |= low << nbits.astype(np.uint64)
    nbits = nbits + extra
    value = runs.value.view(np.uint8) ^ np.uint8(ZERO)
    items |= np.where(runs.last, np.uint64(0), prefix_code.codes(value_lengths)[value]) << nbits.astype(np.uint64)
    nbits += np.where(runs.last, 0, value_lengths[value])
    writer.append(items, nbits)
    ends = np.flatnonzero(runs.last) + 1
    total = np.cumsum(nbits)[ends - 1]
    return np.diff(total, prepend=0)
