"""Bytes of a tensor, wherever they are: in memory, in a message, or a span of a file that is mapped when needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Span:
    """`nbytes` bytes of a file from `offset` on; who makes one has checked that the file has them."""

    path: Path
    offset: int
    nbytes: int

    def read(self) -> Bytes:
        """The bytes, mapped: uint8[nbytes], read-only."""
        if self.nbytes == 0:
            return np.empty(0, np.uint8)
        return np.memmap(self.path, np.uint8, "r", self.offset, (self.nbytes,))


@dataclass(frozen=True, eq=False)
class Inline:
    """The raw_data of a tensor, `nbytes` bytes, which have to be copied each time that they are needed."""

    tensor: TensorProto
    nbytes: int

    def read(self) -> Bytes:
        """The bytes, uint8[nbytes], read-only."""
        return np.frombuffer(self.tensor.raw_data, np.uint8)


Data = Bytes | Span | Inline


def extents_of(spans: Iterable[Span]) -> dict[Span, Span]:
    """For each span, the part of its file that it and those make that overlap it, directly or through others."""
    groups: list[tuple[Span, list[Span]]] = []
    for span in sorted(set(spans), key=lambda span: (span.path, span.offset, span.nbytes)):
        extent, members = groups[-1] if groups else (span, [])
        end = extent.offset + extent.nbytes
        if members and extent.path == span.path and span.offset < end:
            nbytes = max(end, span.offset + span.nbytes) - extent.offset
            groups[-1] = Span(span.path, extent.offset, nbytes), members
            members.append(span)
        else:
            groups.append((span, [span]))
    return {span: extent for extent, members in groups for span in members}


def load(data: Data) -> Bytes:
    """The bytes, uint8[nbytes]."""
    return data if isinstance(data, np.ndarray) else data.read()
