"""Packed: each weight a code of 1 to 7 bits, an integer or a position in a table (docs/FORMAT.md, "Codec 4: packed").

For weights of few distinct values: 4-bit models stored as int8, low-bit quantisation-aware training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import blob as container
from wpconvert.codecs.alignment import aligned
from wpconvert.codecs.blob import Blob, Layout
from wpconvert.codecs.codes import bits_for, pack, row_nbytes, unpack
from wpconvert.codecs.rows import chunks
from wpconvert.errors import ModelError

CODEC_ID = 4
MAX_BITS = 7
_FLAGS = 0b111111
_MAPPING_SHIFT = 3


class Mapping(IntEnum):
    """How a code becomes a value; the order breaks ties, what decodes faster comes first."""

    SIGNED = 0
    OFFSET = 1
    TABLE = 2
    ROW_TABLES = 3
    COLUMN_TABLES = 4


@dataclass(frozen=True)
class _Choice:
    """A mapping with its table section, int8[tables, 2^bits] or int8[0 or 1]."""

    mapping: Mapping
    bits: int
    table: NDArray[np.int8]

    @property
    def base(self) -> int:
        """The value of code 0, without a table."""
        return -(1 << self.bits - 1) if self.mapping is Mapping.SIGNED else int(self.table[0])

    def nbytes(self, layout: Layout) -> int:
        codes = layout.rows * row_nbytes(layout.cols, self.bits)
        return aligned(self.table.nbytes) + aligned(codes)


def minimum_nbytes(layout: Layout, nnz: int) -> int:  # noqa: ARG001 - one signature for all codecs
    """The codes, if one bit is enough."""
    return layout.rows * row_nbytes(layout.cols, 1)


def _choices(matrix: NDArray[np.int8], layout: Layout) -> Iterator[_Choice]:
    """The mappings that can hold the matrix; tables only where they save bits."""
    extremes = int(matrix.min()), int(matrix.max())
    least = 1 + max((v if v >= 0 else ~v).bit_length() for v in extremes)
    if least <= MAX_BITS:
        yield _Choice(Mapping.SIGNED, least, np.zeros(0, np.int8))
    bits = bits_for(extremes[1] - extremes[0] + 1)
    if bits < least:
        yield _Choice(Mapping.OFFSET, bits, np.array([min(extremes[0], 128 - (1 << bits))], np.int8))
        least = bits
    channels = Mapping.COLUMN_TABLES if layout.row_dims > 1 else Mapping.ROW_TABLES
    for mapping in (Mapping.TABLE, channels):
        tables = _tables(matrix, mapping, min(least, MAX_BITS + 1) - 1)
        if tables is not None:
            least = tables.shape[1].bit_length() - 1
            yield _Choice(mapping, least, tables)


def _table_count(mapping: Mapping, rows: int, cols: int) -> int:
    if mapping is Mapping.TABLE:
        return 1
    return rows if mapping is Mapping.ROW_TABLES else cols


def _table_of(mapping: Mapping, first: int, last: int, cols: int) -> NDArray[np.intp]:
    """The table of each weight of rows [first, last), to be broadcast."""
    if mapping is Mapping.TABLE:
        return np.zeros((1, 1), np.intp)
    return np.arange(first, last)[:, None] if mapping is Mapping.ROW_TABLES else np.arange(cols)[None]


def _positions(values: NDArray[np.int8], table: NDArray[np.intp]) -> NDArray[np.intp]:
    """The position of each weight in an array of 256 entries a table."""
    return values.view(np.uint8) + 256 * table


def _tables(matrix: NDArray[np.int8], mapping: Mapping, most_bits: int) -> NDArray[np.int8] | None:
    """The values of each table in the order of their bytes, int8[tables, 2^bits]; None if it takes more bits."""
    rows, cols = matrix.shape
    tables = _table_count(mapping, rows, cols)
    needed = np.zeros((tables, 256), np.bool_)
    bits = 1
    for first, last in chunks(rows, cols):
        needed.reshape(-1)[_positions(matrix[first:last], _table_of(mapping, first, last, cols))] = True
        part = needed[first:last] if mapping is Mapping.ROW_TABLES else needed
        bits = max(bits, bits_for(int(np.count_nonzero(part, axis=1).max())))
        if bits > most_bits:
            return None
    values = np.zeros((tables, 1 << bits), np.int8)
    code = np.cumsum(needed, axis=1, dtype=np.uint8) - np.uint8(1)
    number, value = np.nonzero(needed)
    values[number, code[needed]] = value.astype(np.uint8).view(np.int8)
    return values


def _codes_of_values(tables: NDArray[np.int8]) -> NDArray[np.uint8]:
    """The code of each value by its byte, uint8[tables, 256]; the first of equal entries."""
    codes = np.zeros((len(tables), 256), np.uint8)
    rows = np.arange(len(tables))
    for code in reversed(range(tables.shape[1])):
        codes[rows, tables[:, code].view(np.uint8)] = code
    return codes


def encode(matrix: NDArray[np.int8], layout: Layout, block_log2: int) -> NDArray[np.uint8]:
    """Encode int8[rows, cols] to a blob, uint8[nbytes]; ModelError when no code of 7 bits can hold the values."""
    choice = min(_choices(matrix, layout), key=lambda c: (c.nbytes(layout), c.mapping), default=None)
    if choice is None:
        raise ModelError(
            f"its values ({matrix.min()} to {matrix.max()}) do not fit {MAX_BITS}-bit codes, with or without a table"
        )
    lookup = None if choice.mapping <= Mapping.OFFSET else _codes_of_values(choice.table)
    packed = []
    for first, last in chunks(layout.rows, layout.cols):
        values = matrix[first:last]
        if lookup is None:
            codes = values.view(np.uint8) - np.uint8(choice.base & 255)
        else:
            codes = np.take(lookup, _positions(values, _table_of(choice.mapping, first, last, layout.cols)))
        packed.append(pack(codes, choice.bits))
    flags = choice.bits | choice.mapping << _MAPPING_SHIFT
    return container.build(CODEC_ID, layout, block_log2, flags, [[choice.table], packed])


def work(blob: Blob, matrix: NDArray[np.int8]) -> dict[str, int]:  # noqa: ARG001 - one signature for all codecs
    """Bits of a code, and whether codes are looked up in a table of all weights or a row's, or in one of a column's."""
    mapping = blob.flags >> _MAPPING_SHIFT
    return {
        "bits": blob.flags & 7,
        "table": int(mapping in (Mapping.TABLE, Mapping.ROW_TABLES)),
        "column tables": int(mapping == Mapping.COLUMN_TABLES),
    }


class Decoder:
    """Random access to the rows of a packed blob; construction checks all of it."""

    def __init__(self, blob: Blob) -> None:
        blob.expect(sections=2, flags=_FLAGS)
        bits, mapping = blob.flags & 7, blob.flags >> _MAPPING_SHIFT
        if bits < 1 or mapping > max(Mapping):
            raise ModelError(f"weight blob: {bits} bits per weight and mapping {mapping}, expected 1 to 7 and 0 to 4")
        self._bits, self._mapping, self._cols = bits, Mapping(mapping), blob.cols
        if self._mapping > Mapping.OFFSET:
            tables = _table_count(self._mapping, blob.rows, blob.cols)
            self._table = blob.section(0, "i1", tables << bits).reshape(tables, 1 << bits)
        else:
            self._table = blob.section(0, "i1", int(self._mapping))
            if self._mapping is Mapping.OFFSET and self._table[0] > 128 - (1 << bits):
                raise ModelError(f"weight blob: {bits}-bit codes with offset {self._table[0]} exceed 127")
        nbytes = row_nbytes(blob.cols, bits)
        self._codes = blob.section(1, "u1", blob.rows * nbytes).reshape(blob.rows, nbytes)

    def rows(self, first: int, last: int, out: NDArray[np.int8]) -> None:
        """Decode rows [first, last) into int8[last − first, cols] `out`."""
        codes = unpack(self._codes[first:last], self._bits, self._cols)
        if self._mapping <= Mapping.OFFSET:
            base = _Choice(self._mapping, self._bits, self._table).base
            np.add(codes, np.uint8(base & 255), out=out.view(np.uint8))
        else:
            tables = _table_of(self._mapping, first, last, self._cols)
            out[...] = np.take(self._table, codes + (tables << self._bits))
