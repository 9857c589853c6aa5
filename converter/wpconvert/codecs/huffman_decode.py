"""Decoding of Huffman blobs: what follows each bit position is looked up at once, then the chain of codes walked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import huffman_gaps as gaps
from wpconvert.codecs import prefix_code
from wpconvert.codecs.bits import BitReader, gather, windows
from wpconvert.codecs.blob import Blob
from wpconvert.codecs.huffman import (
    FLAG_LIVE_COLUMNS,
    FLAG_RUNS,
    FLAG_WIDE_INDEX,
    FLAGS,
    MAX_NBYTES,
    PERIOD_NBITS,
    TAIL_NBYTES,
    ZERO,
    chunks,
)
from wpconvert.errors import ModelError

IntArray = NDArray[np.int64]
_Lookup = tuple[NDArray[np.uint8], NDArray[np.uint8]]

_LEAP_LOG2 = 3


@dataclass(frozen=True)
class _Gaps:
    """The codes of gaps: their lookup, and of each symbol the smallest gap and the number of extra bits."""

    lookup: _Lookup
    base: IntArray
    extra: IntArray


class Decoder:
    """Random access to the rows of a Huffman blob; construction checks everything but the codes themselves."""

    def __init__(self, blob: Blob) -> None:
        blob.expect(sections=1, flags=FLAGS)
        self._blob = blob
        section = blob.sections[0]
        blocks = -(-blob.rows >> blob.block_log2)
        width = 4 if blob.flags & FLAG_WIDE_INDEX else 2
        index_nbytes = (blocks - 1) * width
        if not index_nbytes + TAIL_NBYTES <= len(section) <= MAX_NBYTES:
            raise ModelError(f"weight blob: section 0 has {len(section)} bytes, its row index needs {index_nbytes}")
        end = len(section) - TAIL_NBYTES
        if section[end:].any():
            raise ModelError(f"weight blob: the last {TAIL_NBYTES} bytes of section 0 are not 0")
        self._data = section[index_nbytes:end]
        reader = BitReader(self._data)
        self._read_description(reader)
        self._cols = blob.cols if self._live is None else blob.cols // len(self._live) * int(self._live.sum())
        starts = section[:index_nbytes].view("<u2" if width == 2 else "<u4").astype(np.int64)
        # Positions count from the first code; here, from the start of the data.
        self._starts = np.concatenate(([0], starts)) + reader.position
        self._nbits = 8 * len(self._data)
        if (np.diff(self._starts) <= 0).any() or self._starts[-1] >= self._nbits:
            raise ModelError("weight blob: the row index is not ascending or points past the codes")

    def _read_description(self, reader: BitReader) -> None:
        """What stands before the first code."""
        blob = self._blob
        reader.get(8)
        runs, some = bool(blob.flags & FLAG_RUNS), bool(blob.flags & FLAG_LIVE_COLUMNS)
        self._direct_log2 = direct_log2 = reader.get(3) if runs else gaps.MIN_DIRECT_LOG2
        if not gaps.MIN_DIRECT_LOG2 <= direct_log2 <= gaps.MAX_DIRECT_LOG2:
            raise ModelError(f"weight blob: direct symbols for gaps below 2^{direct_log2}, expected 2^2 to 2^6")
        heads = [prefix_code.read_head(reader) for _ in range(1 + runs)]
        period = reader.get(PERIOD_NBITS) + 1 if some else blob.cols
        if blob.cols % period:
            raise ModelError(
                f"weight blob: rows of {blob.cols} columns are not a multiple of the period {period} of omitted columns"
            )
        lengths = [prefix_code.read_lengths(reader, head).of_symbols() for head in heads]
        self._tokens = sum(head.groups for head in heads)
        self._values = prefix_code.lookup(lengths[0])
        self._gaps = _gaps_of(lengths[1], direct_log2) if runs else None
        live = np.array([reader.get(1) for _ in range(period)], np.bool_) if some else None
        if live is not None and not live.any():
            raise ModelError("weight blob: all columns are omitted")
        self._live = live

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Decode rows [first, last) into the zeroed int8[last − first, cols] `out`."""
        log2 = self._blob.block_log2
        begin, end = first >> log2, ((last - 1) >> log2) + 1
        top, bottom = begin << log2, min(end << log2, self._blob.rows)
        decoded = np.zeros((bottom - top, self._cols), np.int8)
        whole = decoded.reshape(-1)
        sizes = np.full(end - begin, self._cols << log2)
        sizes[-1] = len(whole) - sizes[:-1].sum()
        stop = (
            self._plain(begin, end, sizes, whole)
            if self._gaps is None
            else self._runs(self._gaps, begin, end, sizes, whole)
        )
        if end < len(self._starts):
            if stop != self._starts[end]:
                raise _misplaced(end - 1)
        elif stop > self._nbits or self._nbits - stop >= 8 or self._rest(stop):
            raise ModelError("weight blob: the codes do not end at the end of section 0")
        chosen = decoded[first - top : last - top]
        if self._live is None:
            out[...] = chosen
        else:
            out.reshape(-1, len(self._live))[:, self._live] = chosen.reshape(-1, int(self._live.sum()))

    def work(self, matrix: NDArray[np.int8]) -> dict[str, int]:
        """What decoding takes; `matrix`: the weights."""
        values, gap_counts = np.zeros(prefix_code.SYMBOLS, np.int64), np.zeros(prefix_code.SYMBOLS, np.int64)
        runs, block_rows = self._gaps is not None, 1 << self._blob.block_log2
        for chunk in chunks(matrix, self._live, block_rows):
            stored = chunk.reshape(-1)
            if self._gaps is not None:
                symbol, _ = gaps.symbols(gaps.runs_of(chunk, block_rows).gap, self._direct_log2)
                gap_counts += np.bincount(symbol, minlength=len(gap_counts))
                stored = stored[stored != 0]
            values += np.bincount(stored.view(np.uint8) ^ np.uint8(ZERO), minlength=len(values))
        lengths = _lengths_of(self._values)
        escapes = int((1 << prefix_code.MAX_NBITS - lengths[lengths > VALUE_NBITS]).sum()) >> (
            prefix_code.MAX_NBITS - VALUE_NBITS
        )
        pairs = (1 << VALUE_NBITS) + 8 * escapes + (0 if self._live is None else len(self._live))
        found = {
            "runs": int(runs),
            "mapped": int(self._live is not None),
            "mapped columns": 0 if self._live is None else len(self._live),
            "odd": self._cols % 2 if self._live is None else int(self._live.sum()) % 2,
            "periods": 1 if self._live is None else self._blob.cols // len(self._live),
            "stored": int(values.sum()),
            # A device plans with the density that the blob's description has.
            "planned": matrix.size * (255 * int(np.count_nonzero(matrix)) // matrix.size + 1) >> 8,
            "long values": int(values[lengths > VALUE_NBITS].sum()),
            "blocks": len(self._starts),
            "tokens": self._tokens,
            "symbols": int(np.count_nonzero(lengths)),
            "long symbols": int(np.count_nonzero(lengths > VALUE_NBITS)),
        }
        if self._gaps is not None:
            lengths = _lengths_of(self._gaps.lookup)
            found["long gaps"] = int(gap_counts[(lengths > GAP_NBITS) | (self._gaps.extra > 0)].sum())
            found["gap symbols"] = int(np.count_nonzero(lengths))
            pairs += (1 << GAP_NBITS) + int(np.count_nonzero(lengths)) // 2
        found["table bytes"] = _TABLES_NBYTES + 2 * pairs
        return found

    def _rest(self, position: int) -> int:
        """The bits after the last code."""
        return int(self._data[-1]) >> (position & 7) if position & 7 else 0

    def _region(self, begin: int, end: int) -> tuple[int, int]:
        """Bit positions that blocks [begin, end) lie between."""
        return int(self._starts[begin]), int(self._starts[end]) if end < len(self._starts) else self._nbits

    def _plain(self, begin: int, end: int, sizes: IntArray, out: NDArray[np.int8]) -> int:
        """Decode blocks of a code a weight; returns where the codes end."""
        low, high = self._region(begin, end)
        window = windows(self._data, low, high)
        symbols, lengths = self._values
        nbits = lengths[window]
        position = _walk(_positions(window) + nbits)[: len(out)]
        block_first = np.cumsum(sizes) - sizes
        if len(position) < len(out) or (position[block_first] + low != self._starts[begin:end]).any():
            raise _misplaced(begin)
        out[:] = (symbols[window[position]] ^ np.uint8(ZERO)).view(np.int8)
        return low + int(position[-1]) + int(nbits[position[-1]])

    def _runs(self, gaps: _Gaps, begin: int, end: int, sizes: IntArray, out: NDArray[np.int8]) -> int:
        """Decode blocks of gaps and values; returns where the codes end."""
        low, high = self._region(begin, end)
        window = windows(self._data, low, high)
        gap_symbols, gap_lengths = gaps.lookup
        value_symbols, value_lengths = self._values
        gap_nbits = gap_lengths[window]
        behind_gap = _positions(window) + gap_nbits + gaps.extra[gap_symbols[window]]
        inside = np.minimum(behind_gap, len(window) - 1)
        ends_block = np.zeros(len(window), np.bool_)
        ends_block[self._starts[begin + 1 : end] - low] = True
        is_last = (behind_gap < len(window)) & ends_block[inside]
        position = _walk(np.where(is_last, behind_gap, behind_gap + value_lengths[window[inside]]))
        symbol = gap_symbols[window[position]]
        extra = gaps.extra[symbol]
        low_bits = gather(self._data, low + position + gap_nbits[position], extra)
        gap = gaps.base[symbol] + low_bits
        # Where in its block each item lies: the distance after the block's first item's start.
        item_block = np.cumsum(is_last[position]) - is_last[position]
        reached = np.cumsum(gap + 1) - 1
        firsts = np.concatenate(([0], np.flatnonzero(is_last[position]) + 1))
        if (
            len(firsts) != end - begin
            or (low + position[firsts[firsts < len(position)]] != self._starts[begin:end]).any()
        ):
            raise _misplaced(begin)
        reached -= np.concatenate(([-1], reached))[firsts][item_block] + 1
        # After the last gap of the last block lies something else.
        over = np.flatnonzero((item_block == len(sizes) - 1) & (reached >= sizes[-1]))
        if not len(over):
            raise _misplaced(end - 1)
        count = int(over[0]) + 1
        reached, item_block, position = reached[:count], item_block[:count], position[:count]
        last = is_last[position]
        last[-1] = True
        if (np.where(last, reached != sizes[item_block], reached >= sizes[item_block])).any():
            raise _misplaced(begin)
        stored = np.flatnonzero(~last)
        at = behind_gap[position[stored]]
        if len(at) and int(at.max()) >= len(window):
            raise _misplaced(end - 1)
        where = (np.cumsum(sizes) - sizes)[item_block[stored]] + reached[stored]
        out[where] = (value_symbols[window[at]] ^ np.uint8(ZERO)).view(np.int8)
        return low + int(behind_gap[position[-1]])


VALUE_NBITS = 9
GAP_NBITS = 8
"""Bits of a value's and of a gap's code that a device looks up at once."""
_TABLES_NBYTES = 192


def work(blob: Blob, matrix: NDArray[np.int8]) -> dict[str, int]:
    """How elements are stored, how many codes are too long to be looked up at once, and what tables are made of."""
    return Decoder(blob).work(matrix)


def _lengths_of(lookup: _Lookup) -> IntArray:
    """The code length of every symbol, int64[256]."""
    lengths = np.zeros(prefix_code.SYMBOLS, np.int64)
    lengths[lookup[0]] = lookup[1]
    return lengths


def _gaps_of(lengths: IntArray, direct_log2: int) -> _Gaps:
    """The codes of gaps, of these lengths, int64[256]; ModelError for a symbol that is none."""
    known = gaps.bases(direct_log2)
    if lengths[len(known) :].any():
        raise ModelError(f"weight blob: a gap symbol above {len(known) - 1}")
    missing = (0, len(lengths) - len(known))
    base = np.pad(known, missing)
    return _Gaps(prefix_code.lookup(lengths), base, np.pad(gaps.symbols(known, direct_log2)[1], missing))


def _positions(window: NDArray[np.uint16]) -> NDArray[Any]:
    """0 … len(window) − 1, in the narrower type that holds a position one code further."""
    return np.arange(len(window), dtype=np.int32 if len(window) < 1 << 30 else np.int64)


def _walk(following: NDArray[Any]) -> IntArray:
    """Positions 0, following[0], following[following[0]], … that are below len(following)."""
    end = len(following)
    leaps = [np.append(np.minimum(following, end), end)]
    for _ in range(_LEAP_LOG2):
        leaps.append(leaps[-1][leaps[-1]])
    far = memoryview(leaps.pop().data)
    position = 0
    reached = []
    while position < end:
        reached.append(position)
        position = far[position]
    positions = np.array(reached, np.int64)
    for leap in reversed(leaps):
        positions = np.stack((positions, leap[positions]), axis=1).reshape(-1)
    return positions[positions < end]


def _misplaced(block: int) -> ModelError:
    return ModelError(f"weight blob: the codes of row block {block} or a later one do not decode to its rows")
