"""Read `.onnx` files: the message alone; data outside it is found, checked and left where it is."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto

from wpconvert.errors import FileError, ModelError, UnsupportedError
from wpconvert.formats.onnx.data import Span, extents_of
from wpconvert.formats.onnx.external import ExternalFiles
from wpconvert.formats.onnx.tensors import EXTERNAL, data_of, form_of
from wpconvert.formats.onnx.text import check_text
from wpconvert.formats.onnx_graphs import DEFAULT_DOMAINS, Scope, all_scopes, every_tensor

_FIRST_OPSET_IR = 3
"""The IR version from which a model says which operator sets it uses."""
_MAX_NBYTES = (1 << 31) - 1


@dataclass
class OnnxModel:
    """A model and where its external data is.

    path: of the file, nbytes: its size. files: its data files. scopes: of `graphs.all_scopes`.
    """

    path: Path
    nbytes: int
    proto: ModelProto
    files: ExternalFiles
    scopes: list[Scope] = field(default_factory=list)

    def copy(self) -> OnnxModel:
        """A model that can be changed by itself."""
        proto = ModelProto()
        proto.CopyFrom(self.proto)
        return replace(self, proto=proto, scopes=all_scopes(proto))

    @property
    def total_nbytes(self) -> int:
        """Bytes of the file and of the data that it names outside."""
        extents = extents_of(spans_of(self.proto, self.files))
        return self.nbytes + sum(extent.nbytes for extent in set(extents.values()))

    @property
    def opset(self) -> int:
        """Version of the default operator set; 0 where the model uses none of it."""
        versions = (int(entry.version) for entry in self.proto.opset_import if entry.domain in DEFAULT_DOMAINS)
        return next(versions, 0)


def spans_of(proto: ModelProto, files: ExternalFiles) -> Iterator[Span]:
    """The span of each external tensor."""
    for tensor in every_tensor(proto):
        if form_of(tensor) == EXTERNAL and isinstance(data := data_of(tensor, files), Span):
            yield data


def read(path: Path) -> OnnxModel:
    """The model in a file, which need not be trusted.

    Raises FileError when it or a data file cannot be read, ModelError for a malformed model, UnsupportedError for one
    of a newer format, all prefixed with the path.
    """
    if path.exists() and not path.is_file():
        raise FileError(f"{path}: cannot be read: it is {'a directory' if path.is_dir() else 'not a regular file'}")
    try:
        nbytes = path.stat().st_size
        with with_path(path):
            model = OnnxModel(path, nbytes, _parsed(path, nbytes), ExternalFiles(path.parent))
            _check(model)
            model.scopes = all_scopes(model.proto)
            for tensor in every_tensor(model.proto):
                data_of(tensor, model.files)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    return model


def _parsed(path: Path, nbytes: int) -> ModelProto:
    if nbytes == 0:
        raise ModelError("the file is empty; expected an ONNX model")
    if nbytes > _MAX_NBYTES:
        raise UnsupportedError("the file is larger than protobuf's limit of 2 GB; store weights as external data")
    proto = ModelProto()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        try:
            proto.ParseFromString(memoryview(mapped))
        except DecodeError as error:
            raise ModelError(f"not an ONNX model, or a truncated one: {error}") from error
    return proto


def _check(model: OnnxModel) -> None:
    """What everything else relies on."""
    proto = model.proto
    if not proto.HasField("graph") or not proto.HasField("ir_version"):
        raise ModelError("not an ONNX model: no graph or no IR version; the file may be truncated")
    if proto.ir_version < 1:
        raise ModelError(f"IR version {proto.ir_version}, expected a positive number; the file is damaged")
    if proto.ir_version > onnx.IR_VERSION:
        raise UnsupportedError(f"IR version {proto.ir_version}; supported: at most {onnx.IR_VERSION}")
    check_text(proto)
    versions = {entry.version for entry in proto.opset_import if entry.domain in DEFAULT_DOMAINS}
    newest = onnx.defs.onnx_opset_version()
    if len(versions) > 1:
        raise ModelError(f"{len(versions)} imports of the default operator set, expected 1")
    if proto.ir_version >= _FIRST_OPSET_IR and not proto.opset_import:
        raise ModelError("it imports no operator set; the file may be truncated")
    if max(versions, default=0) > newest:
        raise UnsupportedError(f"opset {max(versions)}; supported: at most {newest}")
    for tensor in every_tensor(proto):
        if tensor.HasField("segment"):
            raise UnsupportedError(f"tensor {tensor.name!r} is one of several segments; store it as a whole")


@contextmanager
def with_path(path: Path) -> Iterator[None]:
    """Errors of reading a model name its file."""
    try:
        yield
    except (ModelError, UnsupportedError) as error:
        raise type(error)(f"{path}: {error}") from error
