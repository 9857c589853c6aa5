"""The pool tensor: the vectors of a weight pool, and how the sums of their elements are looked up.

docs/FORMAT.md, "Pool tensor". One tensor serves all operators of a pool.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.alignment import aligned
from wpconvert.errors import ModelError

LANES = 8
"""Elements of a pool vector."""
MAX_SIZE = 256
MAX_SHIFT = 7
LUT_BITS = (4, 8, 16)

_MAGIC = b"WPKP"
_VERSION = 1
_HEADER = struct.Struct("<4sBBBBH6s")
_RESERVED = bytes(6)
_PATTERNS = 1 << LANES


def rounded(sums: NDArray[np.int64], lut_shift: int) -> NDArray[np.int64]:
    """Sums divided by 2^lut_shift, to the nearest integer, halves upwards."""
    return (sums + (1 << lut_shift >> 1)) >> lut_shift


def entries_of(vectors: NDArray[np.int8], lut_shift: int) -> NDArray[np.int16]:
    """The look-up table of any number of vectors, int8[n, 8].

    int16[256, n]: of each pattern P and vector the sum of the elements whose bit in P is set, rounded.
    """
    patterns = np.unpackbits(np.arange(_PATTERNS, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    sums = patterns.astype(np.int64) @ vectors.T.astype(np.int64)
    return rounded(sums, lut_shift).astype(np.int16)


class Lut(IntEnum):
    """Where the look-up table is: nowhere, made in RAM by the device, or in the tensor."""

    NONE = 0
    RAM = 1
    FLASH = 2


@dataclass(frozen=True, eq=False)
class Pool:
    """A weight pool. Construction checks it: ModelError when no pool tensor can be like this.

    vectors: int8[size, 8]. lut_bits: 4, 8 or 16, of an entry of the look-up table. lut_shift: entries are sums of
    elements divided by 2^lut_shift and rounded; 0, or with 4 bits up to 7.
    """

    vectors: NDArray[np.int8]
    lut_bits: int
    lut_shift: int = 0
    lut: Lut = Lut.NONE

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.shape[1] != LANES or not 1 <= self.size <= MAX_SIZE:
            raise ModelError(
                f"weight pool: vectors of shape {list(self.vectors.shape)}, expected 1 to {MAX_SIZE} of {LANES}"
            )
        if self.lut_bits not in LUT_BITS:
            raise ModelError(f"weight pool: look-up entries of {self.lut_bits} bits, expected 4, 8 or 16")
        if not 0 <= self.lut_shift <= (MAX_SHIFT if self.lut_bits == min(LUT_BITS) else 0):
            raise ModelError(
                f"weight pool: {self.lut_bits}-bit entries are divided by 2^{self.lut_shift}, "
                f"expected 2^0, or at most 2^{MAX_SHIFT} for 4-bit entries"
            )
        if self.lut_shift and self.lut is Lut.NONE:
            raise ModelError("weight pool: rounded entries need a look-up table, and there is none")
        self._check_range()

    def _check_range(self) -> None:
        # Entries grow with their sums, so those of all positive and of all negative elements are the extremes.
        wide = self.vectors.astype(np.int64)
        sums = np.stack([np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)])
        entries = rounded(sums, self.lut_shift)
        limit = 1 << self.lut_bits - 1
        outside = ((entries < -limit) | (entries >= limit)).any(axis=0)
        if outside.any():
            s = int(np.argmax(outside))
            raise ModelError(
                f"weight pool: the sums of vector {s} give entries from {entries[1, s]} to {entries[0, s]}, "
                f"which do not fit {self.lut_bits} bits"
            )

    @property
    def size(self) -> int:
        """Number of vectors, 1 to 256."""
        return len(self.vectors)

    @property
    def shift(self) -> int:
        """Sums of a pool are divided by 2^this."""
        return self.lut_shift

    @property
    def pitch(self) -> int:
        """Entries of a row of the stored table: the size, rounded up to a multiple of 8."""
        return -(-self.size // 8) * 8

    @property
    def lut_nbytes(self) -> int:
        """Bytes of the look-up table, stored or in RAM."""
        return _PATTERNS * self.pitch * self.lut_bits // 8

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        start = aligned(_HEADER.size + self.vectors.nbytes)
        return start + (aligned(self.lut_nbytes) if self.lut is Lut.FLASH else 0)

    def entries(self) -> NDArray[np.int16]:
        """The look-up table, int16[256, size]."""
        return entries_of(self.vectors, self.lut_shift)

    def details(self) -> Mapping[str, int | str]:
        """Vectors, where the look-up table is, bits of an entry, and what entries are divided by."""
        return {
            "size": self.size,
            "lut": self.lut.name.lower(),
            "lut_bits": self.lut_bits,
            "lut_shift": self.lut_shift,
        }

    def summary(self) -> str:
        """The same as text."""
        table = "no look-up table" if self.lut is Lut.NONE else f"look-up table in {self.lut.name.lower()}"
        divided = f", divided by {1 << self.lut_shift}" if self.lut_shift else ""
        return f"{self.size} vectors, {table}, entries of {self.lut_bits} bits{divided}"

    def _table(self) -> NDArray[np.uint8]:
        """The look-up table as it is stored, uint8[lut_nbytes]."""
        excess = np.full((_PATTERNS, self.pitch), 1 << self.lut_bits - 1, np.int64)
        excess[:, : self.size] += self.entries()
        if self.lut_bits == 16:
            return excess.astype("<u2").reshape(-1).view(np.uint8)
        octets: NDArray[np.uint8] = excess.astype(np.uint8).reshape(-1)
        return octets if self.lut_bits == 8 else octets[0::2] | octets[1::2] << np.uint8(4)

    def pack(self) -> NDArray[np.uint8]:
        """The tensor, uint8[nbytes]."""
        out = np.zeros(self.nbytes, np.uint8)
        header = _HEADER.pack(_MAGIC, _VERSION, self.lut_bits, self.lut_shift, self.lut, self.size, _RESERVED)
        end = _HEADER.size + self.vectors.nbytes
        out[: _HEADER.size] = np.frombuffer(header, np.uint8)
        out[_HEADER.size : end] = np.ascontiguousarray(self.vectors).reshape(-1).view(np.uint8)
        if self.lut is Lut.FLASH:
            out[aligned(end) : aligned(end) + self.lut_nbytes] = self._table()
        return out


def unpack(raw: NDArray[np.uint8]) -> Pool:
    """Read a pool tensor, uint8[nbytes]; ModelError when it is not one, a stored table that contradicts the vectors
    included.
    """
    if raw.nbytes < _HEADER.size:
        raise ModelError(f"weight pool: {raw.nbytes} bytes, shorter than its {_HEADER.size}-byte header")
    magic, version, lut_bits, lut_shift, lut, size, reserved = _HEADER.unpack(raw[: _HEADER.size].tobytes())
    if magic != _MAGIC:
        raise ModelError(f"weight pool: magic {magic!r}, expected {_MAGIC!r}")
    if version != _VERSION:
        raise ModelError(f"weight pool: format version {version}, this tool reads {_VERSION}; use a newer wpconvert")
    if lut > max(Lut) or reserved != _RESERVED:
        raise ModelError(
            f"weight pool: look-up table of kind {lut} and reserved bytes {reserved.hex()}, expected 0 to 2 and 0"
        )
    end = _HEADER.size + LANES * size
    if not 1 <= size <= MAX_SIZE or raw.nbytes < end:
        raise ModelError(f"weight pool: {size} vectors in {raw.nbytes} bytes, expected 1 to {MAX_SIZE} that fit")
    pool = Pool(raw[_HEADER.size : end].view(np.int8).reshape(size, LANES), lut_bits, lut_shift, Lut(lut))
    if pool.nbytes != raw.nbytes:
        raise ModelError(f"weight pool: {size} vectors and their table need {pool.nbytes} bytes, found {raw.nbytes}")
    if pool.lut is Lut.FLASH and not np.array_equal(raw[aligned(end) : aligned(end) + pool.lut_nbytes], pool._table()):
        raise ModelError("weight pool: the stored look-up table does not match its vectors")
    return pool
