"""The blob container: a self-describing little-endian header and 16-byte-aligned sections (docs/FORMAT.md, "Blob")."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.alignment import aligned
from wpconvert.errors import ModelError

MAGIC = b"WPKB"
VERSION = 1
ELEMENT_INT8 = 1
MAX_DIMS = 4
MAX_SECTIONS = 8
MAX_BLOCK_LOG2 = 15
MAX_ELEMENTS = 0x7FFFFFFF
_FIXED = struct.Struct("<4sBBBBIIIBBBB4I")

# A reader allocates rows · cols bytes before it has seen that many. Small tensors always decode; a larger one must be
# backed by stored bytes, so that a short hostile file cannot ask for gigabytes.
FREE_ELEMENTS = 1 << 26
MAX_EXPANSION = 4096


@dataclass(frozen=True)
class Layout:
    """How a weight tensor of `shape` is a matrix: the first `row_dims` dimensions are rows, the others columns.

    [out_channels, kernel_h, kernel_w, in_channels] with row_dims = 1 gives a row per output channel;
    [1, kernel_h, kernel_w, channels] with row_dims = 3 gives a row per tap. Elements keep their memory order.
    """

    shape: tuple[int, ...]
    row_dims: int

    @property
    def rows(self) -> int:
        return _product(self.shape[: self.row_dims])

    @property
    def cols(self) -> int:
        return _product(self.shape[self.row_dims :])


class Side(Protocol):
    """Data beside blobs that a codec reads with them, and that many blobs may share."""

    @property
    def shift(self) -> int:
        """Partial sums of products with its weights are divided by 2^this and rounded."""

    @property
    def nbytes(self) -> int:
        """As it stands in a file."""

    def pack(self) -> NDArray[np.uint8]:
        """Its tensor, uint8[nbytes]."""

    def details(self) -> Mapping[str, int | str]:
        """What it consists of, for reports."""

    def summary(self) -> str:
        """The same as text."""


@dataclass(frozen=True)
class SideKind:
    """The side data of one codec. unpack: reads its tensor, uint8[nbytes]; ModelError where that is corrupt."""

    name: str
    unpack: Callable[[NDArray[np.uint8]], Side]


@dataclass(frozen=True)
class Blob:
    """A parsed container: every section lies inside the blob and no byte is unaccounted for.

    side: what the codec reads beside it, attached by who has it.
    """

    codec: int
    layout: Layout
    block_log2: int
    flags: int
    sections: tuple[NDArray[np.uint8], ...]
    nbytes: int
    side: Side | None = None

    @property
    def rows(self) -> int:
        return self.layout.rows

    @property
    def cols(self) -> int:
        return self.layout.cols

    def expect(self, sections: int, flags: int) -> None:
        """ModelError unless the blob has exactly `sections` sections and no flag bit outside the mask `flags`."""
        if len(self.sections) != sections or self.flags & ~flags:
            raise ModelError(
                f"weight blob: {len(self.sections)} sections and flags {self.flags:#x}; "
                f"codec {self.codec} expects {sections} sections and flags within {flags:#x}"
            )

    def section(self, index: int, dtype: str, count: int | None = None) -> NDArray[Any]:
        """Section `index` as little-endian `dtype`; ModelError unless it holds exactly `count` elements (if given)."""
        raw = self.sections[index]
        itemsize = np.dtype(dtype).itemsize
        if raw.nbytes % itemsize or (count is not None and raw.nbytes != count * itemsize):
            wanted = f"{count * itemsize}" if count is not None else f"a multiple of {itemsize}"
            raise ModelError(f"weight blob: section {index} has {raw.nbytes} bytes, expected {wanted}")
        return raw.view(dtype)


def check(layout: Layout, block_log2: int) -> None:
    """ModelError unless a blob can describe this layout and block size."""
    ndim = len(layout.shape)
    if not 1 <= ndim <= MAX_DIMS or not 1 <= layout.row_dims <= ndim:
        raise ModelError(
            f"weights of shape {list(layout.shape)} with {layout.row_dims} row dimensions; "
            f"expected 1 to {MAX_DIMS} dimensions, at least one of them a row dimension"
        )
    if not 1 <= layout.rows * layout.cols <= MAX_ELEMENTS:
        raise ModelError(f"weights of shape {list(layout.shape)}; a blob holds 1 to {MAX_ELEMENTS} weights")
    if not 0 <= block_log2 <= MAX_BLOCK_LOG2:
        raise ModelError(f"row blocks of 2^{block_log2} rows; expected 2^0 to 2^{MAX_BLOCK_LOG2}")


def build(
    codec: int, layout: Layout, block_log2: int, flags: int, sections: Sequence[Sequence[NDArray[Any]]]
) -> NDArray[np.uint8]:
    """Lay out a blob. Each section is a list of contiguous arrays that are written one after the other.

    Returns uint8[nbytes], nbytes a multiple of 16. Raises ModelError when the blob would pass 2^32 − 1 bytes.
    """
    sizes = [sum(part.nbytes for part in section) for section in sections]
    start = aligned(_FIXED.size + 4 * len(sizes))
    total = start + sum(aligned(size) for size in sizes)
    if total > 0xFFFFFFFF:
        raise ModelError(f"weight blob: {total} bytes do not fit its 32-bit size field")
    dims = (*layout.shape, *(0,) * (MAX_DIMS - len(layout.shape)))
    out = np.zeros(total, np.uint8)
    header = _FIXED.pack(
        MAGIC,
        VERSION,
        codec,
        ELEMENT_INT8,
        layout.row_dims,
        layout.rows,
        layout.cols,
        total,
        len(layout.shape),
        block_log2,
        len(sizes),
        flags,
        *dims,
    )
    out[: _FIXED.size] = np.frombuffer(header, np.uint8)
    out[_FIXED.size : _FIXED.size + 4 * len(sizes)] = np.asarray(sizes, "<u4").view(np.uint8)
    position = start
    for section, size in zip(sections, sizes, strict=True):
        cursor = position
        for part in section:
            out[cursor : cursor + part.nbytes] = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
            cursor += part.nbytes
        position += aligned(size)
    return out


def parse(raw: NDArray[np.uint8]) -> Blob:
    """Check the header of a blob against its bytes and split it into sections (views, no copy).

    Raises ModelError with what was expected and found; nothing is allocated or decoded.
    """
    if raw.nbytes < _FIXED.size:
        raise ModelError(f"weight blob: {raw.nbytes} bytes, shorter than its {_FIXED.size}-byte header")
    fields = _FIXED.unpack(raw[: _FIXED.size].tobytes())
    magic, version, codec, element, row_dims, rows, cols, nbytes, ndim, block_log2, n_sections, flags = fields[:12]
    if magic != MAGIC:
        raise ModelError(f"weight blob: magic {magic!r}, expected {MAGIC!r}")
    if version != VERSION:
        raise ModelError(f"weight blob: format version {version}, this tool reads {VERSION}; use a newer wpconvert")
    if element != ELEMENT_INT8:
        raise ModelError(f"weight blob: element type {element}, expected {ELEMENT_INT8} (int8)")
    if nbytes != raw.nbytes:
        raise ModelError(f"weight blob: header says {nbytes} bytes, the tensor has {raw.nbytes}")
    if not 1 <= ndim <= MAX_DIMS or not 1 <= row_dims <= ndim or any(fields[12 + ndim :]):
        raise ModelError(f"weight blob: {ndim} dimensions with {row_dims} row dimensions, expected 1 to {MAX_DIMS}")
    layout = Layout(tuple(int(d) for d in fields[12 : 12 + ndim]), row_dims)
    if layout.rows != rows or layout.cols != cols or rows < 1 or cols < 1 or rows * cols > MAX_ELEMENTS:
        raise ModelError(f"weight blob: shape {list(layout.shape)} does not match {rows} rows of {cols} columns")
    if block_log2 > MAX_BLOCK_LOG2:
        raise ModelError(f"weight blob: row blocks of 2^{block_log2} rows, expected at most 2^{MAX_BLOCK_LOG2}")
    if rows * cols > max(FREE_ELEMENTS, MAX_EXPANSION * nbytes):
        raise ModelError(
            f"weight blob: {nbytes} bytes declare {rows * cols} weights, more than {MAX_EXPANSION} per byte"
        )
    return Blob(codec, layout, block_log2, flags, _split(raw, n_sections), nbytes)


def _split(raw: NDArray[np.uint8], n_sections: int) -> tuple[NDArray[np.uint8], ...]:
    table_end = _FIXED.size + 4 * n_sections
    if n_sections > MAX_SECTIONS or table_end > raw.nbytes:
        raise ModelError(
            f"weight blob: {n_sections} sections, expected at most {MAX_SECTIONS} that fit {raw.nbytes} bytes"
        )
    sizes = [int(size) for size in np.frombuffer(raw[_FIXED.size : table_end].tobytes(), "<u4")]
    if aligned(table_end) + sum(aligned(size) for size in sizes) != raw.nbytes:
        raise ModelError(f"weight blob: sections of {sizes} bytes do not fill {raw.nbytes} bytes")
    sections = []
    position = aligned(table_end)
    for size in sizes:
        sections.append(raw[position : position + size])
        position += aligned(size)
    return tuple(sections)


def _product(dims: tuple[int, ...]) -> int:
    result = 1
    for dim in dims:
        result *= dim
    return result
