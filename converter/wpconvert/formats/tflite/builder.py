"""Writing flatbuffers: aligned byte vectors, and nothing twice."""

from __future__ import annotations

import math
import struct
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from wpconvert.model.encoded import Encoded

BUFFER_ALIGNMENT = 16
_OFFSET = struct.Struct("<I")

SharedKey = tuple[str, bytes]
"""What makes two vectors or strings one: type and bytes."""

DataKey = tuple[int, int]
"""What makes the bytes of two buffers one: their address, or that of what encodes them, and their number."""


def vector_key(x: NDArray[Any]) -> SharedKey:
    """The key of a vector of numbers."""
    return x.dtype.str, x.tobytes()


def string_key(s: str | bytes) -> SharedKey:
    """The key of a string."""
    return "string", s if isinstance(s, bytes) else s.encode()


def data_key(data: NDArray[np.uint8] | Encoded) -> DataKey:
    """The key of a buffer's bytes."""
    return id(data) if isinstance(data, Encoded) else data.ctypes.data, data.nbytes


class Builder(flatbuffers.Builder):  # type: ignore[misc]
    """A builder that writes aligned byte vectors without copies, keeps −0.0, and writes nothing twice.

    Equal vectors and strings of the model's description stand in the file once: scales and zero points of layers
    with as many channels, shapes, names. Flatbuffers allow that; readers follow offsets and never write.
    """

    minalign: int

    def __init__(self, room: int | memoryview, hollow: bool = False) -> None:
        """`room`: bytes to begin with, or zeros to write into. hollow: buffers are counted and left out."""
        super().__init__(room if isinstance(room, int) else 0)
        if not isinstance(room, int):
            self.Bytes, self.head = room, len(room)
        self._hollow = hollow
        self._left_out = 0
        self.written: dict[DataKey, int] = {}
        self.shared: dict[SharedKey, int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:
        """Write a vector of numbers, or refer to an equal one of the same type."""
        key = vector_key(x)
        if key not in self.shared:
            self.shared[key] = int(super().CreateNumpyVector(x))
        return self.shared[key]

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:  # noqa: ARG002
        """Write a string, or refer to an equal one."""
        key = string_key(s)
        if key not in self.shared:
            self.shared[key] = int(super().CreateString(key[1]))
        return self.shared[key]

    @property
    def nbytes(self) -> int:
        """Of what was written so far, and what was left out."""
        return int(self.Offset()) + self._left_out

    def aligned_bytes(self, data: NDArray[np.uint8] | Encoded) -> int:
        """Write a byte vector that starts on a 16-byte boundary; returns its offset."""
        key = data_key(data)
        offset = self.written.get(key)
        if offset is None:
            # Without whole steps of the alignment, all else lies as it would.
            raw = data.bytes if isinstance(data, Encoded) else data
            written = raw[: raw.nbytes % BUFFER_ALIGNMENT] if self._hollow else raw
            self._left_out += data.nbytes - written.nbytes
            self.StartVector(1, written.nbytes, BUFFER_ALIGNMENT if data.nbytes else 1)
            self.head -= written.nbytes
            # Assigning to the bytearray itself would make a temporary copy.
            with memoryview(self.Bytes) as view:
                view[self.head : self.head + written.nbytes] = written.data
            offset = int(self.EndVector())
            if data.nbytes:
                self.written[key] = offset
        return offset

    # What is called for every field is short.
    def Prep(self, size: int, additionalBytes: int) -> None:
        """Align for an element of `size` bytes, after so many others."""
        room, head = self.Bytes, self.head
        padding = -(len(room) - head + additionalBytes) & (size - 1)
        if head < padding + size + additionalBytes:
            super().Prep(size, additionalBytes)
            return
        self.minalign = max(self.minalign, size)
        if padding:
            self.head = head - padding
            room[self.head : head] = bytes(padding)

    def PrependUOffsetTRelative(self, off: int) -> None:
        """Write how far after its position something lies."""
        self.Prep(_OFFSET.size, 0)
        here = len(self.Bytes) - self.head
        if off > here:
            raise flatbuffers.builder.OffsetArithmeticError("flatbuffers: Offset arithmetic error.")
        self.head -= _OFFSET.size
        _OFFSET.pack_into(self.Bytes, self.head, here - off + _OFFSET.size)

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:
        """Write a scalar field unless it has its default value; −0.0 equals the default 0.0 but is not it."""
        if x != d or self.forceDefaults:
            super().PrependSlot(flags, o, x, d)
        elif isinstance(x, float) and math.copysign(1.0, x) != math.copysign(1.0, d):
            self.Prepend(flags, x)
            self.Slot(o)
