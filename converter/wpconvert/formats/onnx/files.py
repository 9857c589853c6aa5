"""Write a model: a message, and next to it a file with the data that is outside, each piece copied without a detour."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from google.protobuf.message import EncodeError
from onnx import ModelProto

from wpconvert.errors import UnsupportedError
from wpconvert.files import Content, same_file
from wpconvert.formats.onnx.data import Data, Span, extents_of, load
from wpconvert.formats.onnx.external import ExternalFiles, locate
from wpconvert.formats.onnx.file import spans_of
from wpconvert.formats.onnx.tensors import EXTERNAL, data_of, form_of
from wpconvert.formats.onnx_graphs import every_tensor

_ALIGNMENT = 16
_PAGE = 4096
_MAPPED_NBYTES = 1 << 20
"""Data from this size on starts at a page, so that runtimes can map it."""
_CHUNK = 1 << 24


@dataclass(frozen=True)
class Target:
    """Where a model goes, and its external data if it has any: next to it, as the model says it is there by name."""

    model: Path
    data: Path

    @classmethod
    def next_to(cls, model: Path, taken: Collection[Path] = ()) -> Target:
        """`model`.data next to a model, or if that is one of the files in `taken`, `model`.2.data and so on."""
        names = (f"{model.name}{number}.data" for number in ("", *(f".{i}" for i in range(2, len(taken) + 3))))
        return cls(
            model, next(path for path in map(model.with_name, names) if not any(same_file(path, t) for t in taken))
        )

    def moved_to(self, folder: Path) -> Target:
        """The same names in another folder."""
        return Target(folder / self.model.name, folder / self.data.name)

    def placed(self, staged: Target) -> dict[Path, Content]:
        """The files that were written to `staged`, for their place here."""
        return {self.model.with_name(path.name): path for path in staged.files}

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that were written, the model last: it says what is in the other."""
        return tuple(path for path in (self.data, self.model) if path.exists())


class DataFile:
    """The file with a model's external data. It comes into being with the first piece."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.nbytes = 0
        self._file: int | None = None
        self._offsets: dict[Span, int] = {}

    def __enter__(self) -> DataFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)

    def append(self, data: Data, alignment: int = _PAGE) -> int:
        """Write a piece, and a span that was written before not again; returns its offset.

        This is a multiple of 4096 for large pieces and of 16 for others, or of a smaller `alignment`, a power of two.
        """
        if isinstance(data, Span) and data in self._offsets:
            return self._offsets[data]
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        alignment = min(alignment, _PAGE if data.nbytes >= _MAPPED_NBYTES else _ALIGNMENT)
        if not data.nbytes:
            # No place after the end of the file.
            alignment = 1
        offset = -(-self.nbytes // alignment) * alignment
        os.lseek(self._file, offset, os.SEEK_SET)
        if isinstance(data, Span):
            _copy(data, self._file)
            self._offsets[data] = offset
        else:
            view = load(data).data
            while view:
                view = view[os.write(self._file, view[:_CHUNK]) :]
        self.nbytes = offset + data.nbytes
        return offset


def _copy(span: Span, target: int) -> None:
    source = os.open(span.path, os.O_RDONLY)
    try:
        os.lseek(source, span.offset, os.SEEK_SET)
        left = span.nbytes
        while left:
            piece = os.read(source, min(left, _CHUNK))
            if not piece:
                raise OSError(f"{span.path} was truncated while it was read")
            left -= len(piece)
            view = memoryview(piece)
            while view:
                view = view[os.write(target, view) :]
    finally:
        os.close(source)


def rehome(model: ModelProto, files: ExternalFiles, target: DataFile) -> None:
    """Copy all external data that tensors still name into `target`, and say so in them. In place.

    It keeps its order and, at most, the alignment that it had, so that it takes no more bytes than before. What
    several tensors share they share again.
    """
    extents = extents_of(spans_of(model, files))
    offsets = {
        extent: target.append(extent, extent.offset & -extent.offset or _PAGE)
        for extent in dict.fromkeys(extents.values())
    }
    for tensor in every_tensor(model):
        if form_of(tensor) == EXTERNAL and isinstance(span := data_of(tensor, files), Span):
            extent = extents[span]
            locate(tensor, target.path.name, offsets[extent] + span.offset - extent.offset, span.nbytes)


def write(model: ModelProto, path: Path) -> None:
    """Write the message alone. UnsupportedError for one that protobuf cannot hold."""
    try:
        content = model.SerializeToString()
    except (EncodeError, ValueError) as error:
        raise UnsupportedError(f"{path.name} would be larger than 2 GB; store its weights as external data") from error
    path.write_bytes(content)
