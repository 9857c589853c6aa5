"""Parse and serialise `.tflite` bytes, and read `.tflite` files.

What the object API loses between `InitFromPackedBuf` and `Pack`, and is made good here: the 16-byte
alignment that the schema asks for buffers and custom quantisation, data outside the flatbuffer (pulled
inside), data shared by several buffers (which `Pack` would write once per buffer), and the sign of scalars
that are −0.0 where the default is 0.0.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers.builder import BuilderSizeError
from numpy.typing import NDArray

from wpconvert.errors import FileError, ModelError, UnsupportedError
from wpconvert.formats.tflite import attached
from wpconvert.formats.tflite.builder import BUFFER_ALIGNMENT, Builder, data_key
from wpconvert.formats.tflite.checks import check
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import FILE_IDENTIFIER, BufferT, ModelT
from wpconvert.formats.tflite.verifier import FREE_NBYTES, MAX_EXPANSION, verify
from wpconvert.model.encoded import Encoded

MAX_NBYTES = (1 << 31) - (64 << 10)
"""Offsets are signed 32-bit in places; the difference leaves room for headers, padding and an identifier."""
_ROOM = 1 << 16


def read(path: Path) -> tuple[bytes, TfliteModel]:
    """The bytes of a `.tflite` file and the model in them, which has to stay as it is.

    Raises FileError when the file cannot be read, and what `parse` raises, prefixed with `path`.
    """
    try:
        if path.exists() and not path.is_file():
            raise FileError(f"{path}: cannot be read: it is {'a directory' if path.is_dir() else 'not a regular file'}")
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        return data, parse(data, as_is=True)
    except (ModelError, UnsupportedError) as error:
        raise type(error)(f"{path}: {error}") from error


def parse(data: bytes, *, as_is: bool = False) -> TfliteModel:
    """Parse the bytes of a `.tflite` file, which need not be trusted. as_is: the model will stay as it is.

    Vectors of the result are read-only views of `data`. Data outside the flatbuffer (large models) is
    attached as if it were inside. Absent operator codes, inputs and outputs become empty. Raises ModelError
    for a malformed model, UnsupportedError for one that needs a newer schema.
    """
    end = verify(data)
    root = ModelT.InitFromPackedBuf(data, 0)
    odd = _fill_absent(root)
    outside = _attach_external(root, data)
    model = TfliteModel(root, attached.find(data, max(end, outside)), check(root))
    if as_is and not (odd or outside or model.attached or model.notes) and _is_aligned(root, data):
        model.file = data
    return model


def _is_aligned(root: Any, data: bytes) -> bool:
    """Whether every buffer stands on a boundary in the file, as runtimes expect."""
    start = np.frombuffer(data, np.uint8).ctypes.data
    arrays = (buffer.data for buffer in root.buffers if buffer.data is not None and len(buffer.data))
    return all((array.ctypes.data - start) % BUFFER_ALIGNMENT == 0 for array in arrays)


def _fill_absent(root: Any) -> bool:
    """Give the lists that everyone iterates over an empty value where the file has none; whether any had."""
    graphs = root.subgraphs or []
    nodes = [*graphs, *(operator for graph in graphs for operator in graph.operators or [])]
    absent = not root.operatorCodes or any(node.inputs is None or node.outputs is None for node in nodes)
    root.operatorCodes = root.operatorCodes or []
    for node in nodes:
        node.inputs = np.empty(0, np.int32) if node.inputs is None else node.inputs
        node.outputs = np.empty(0, np.int32) if node.outputs is None else node.outputs
    return absent


def _attach_external(root: Any, data: bytes) -> int:
    """Replace references to data after the flatbuffer by that data; returns where the last of it ends.

    Offsets count from the file's start.
    """
    regions: set[tuple[int, int]] = set()
    left = MAX_EXPANSION * len(data) + FREE_NBYTES

    def region(offset: int, size: int, where: str, *, shared: bool) -> NDArray[np.uint8]:
        if offset + size > len(data):
            raise ModelError(
                f"{where}: expected its data inside the file of {len(data)} bytes, found {size} at {offset}"
            )
        nonlocal left
        if not shared or (offset, size) not in regions:
            regions.add((offset, size))
            left -= size
        # Overlapping regions would let a small file grow without limit when it is written again.
        if left < 0:
            raise ModelError(
                f"{where}: expected data outside the flatbuffer without overlaps, found overlapping regions"
            )
        return np.frombuffer(data, np.uint8, size, offset)

    for index, buffer in enumerate(root.buffers or []):
        # Writers put 1 where they fill in the offset later; like 0 it means that there is none.
        if buffer.offset > 1 and (buffer.data is None or len(buffer.data) == 0) and buffer.size > 0:
            buffer.data = region(buffer.offset, buffer.size, f"buffer {index}", shared=True)
        buffer.offset = buffer.size = 0
    for number, graph in enumerate(root.subgraphs or []):
        for index, operator in enumerate(graph.operators or []):
            offset, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
            inline = operator.customOptions
            if offset > 1 and (inline is None or len(inline) == 0) and size > 0:
                where = f"subgraph {number}, operator {index}: custom options"
                operator.customOptions = region(offset, size, where, shared=False)
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
    return max((offset + size for offset, size in regions), default=0)


class _AlignedBuffer(BufferT):  # type: ignore[misc]
    """A `Buffer` whose data vector, uint8[n] or None, is aligned as the schema's force_align asks."""

    def Pack(self, builder: Any) -> Any:
        data = None if self.data is None else builder.aligned_bytes(self.data)
        builder.StartObject(3)
        if data is not None:
            builder.PrependUOffsetTRelativeSlot(0, data, 0)
        return builder.EndObject()


class _AlignedDetails:
    """A `CustomQuantization` whose vector is aligned as the schema's force_align asks."""

    def __init__(self, custom: NDArray[np.uint8]) -> None:
        self.custom = custom

    def Pack(self, builder: Any) -> Any:
        custom = builder.aligned_bytes(self.custom)
        builder.StartObject(1)
        builder.PrependUOffsetTRelativeSlot(0, custom, 0)
        return builder.EndObject()


def _byte_array(data: Any) -> NDArray[np.uint8] | Encoded:
    """Bytes, a list of byte values or an array as contiguous uint8[n], without a copy where possible.

    A blob that is encoded when it is written stays what it is.
    """
    if isinstance(data, Encoded):
        return data
    if isinstance(data, (bytes, bytearray, memoryview)):
        return np.frombuffer(data, np.uint8)
    array = np.ascontiguousarray(data)
    return array.reshape(-1).view(np.uint8) if array.dtype.itemsize == 1 else array.astype(np.uint8)


@contextmanager
def _aligned(root: Any) -> Iterator[None]:
    """While open, `root` packs its byte vectors aligned; afterwards it is as before."""
    buffers = root.buffers
    swapped = []
    tensors = (tensor for graph in root.subgraphs or [] for tensor in graph.tensors or [])
    for quantization in (tensor.quantization for tensor in tensors if tensor.quantization is not None):
        custom = getattr(quantization.details, "custom", None)
        if custom is not None:
            swapped.append((quantization, quantization.details, _AlignedDetails(np.asarray(_byte_array(custom)))))
    if buffers is not None:
        arrays = [None if buffer.data is None else _byte_array(buffer.data) for buffer in buffers]
        root.buffers = [_AlignedBuffer(data=array) for array in arrays]
    try:
        for quantization, _, aligned in swapped:
            quantization.details = aligned
        yield
    finally:
        root.buffers = buffers
        for quantization, details, _ in swapped:
            quantization.details = details


def _payload_nbytes(root: Any) -> int:
    """Bytes of buffers and custom options that the flatbuffer will hold, without their alignment."""
    arrays = [buffer.data for buffer in root.buffers or [] if buffer.data is not None]
    unique = {data_key(array) for array in arrays}
    options = (op.customOptions for graph in root.subgraphs or [] for op in graph.operators or [])
    buffers = sum(nbytes for _, nbytes in unique)
    return int(buffers + sum(len(data) for data in options if data is not None))


def serialise(model: TfliteModel) -> bytes:
    """The model as a flatbuffer with identifier TFL3 and every buffer on a 16-byte boundary, and nothing after it.

    Raises UnsupportedError when the model does not fit a flatbuffer, before building it where possible.
    """
    with _aligned(model.root):
        # A file is built where it stays: a copy of it would double the memory.
        file = io.BytesIO()
        file.seek(_room(model.root) - 1)
        file.write(b"\0")
        with file.getbuffer() as room:
            builder = _built(model.root, Builder(room))
            if builder.Bytes is not room:
                return bytes(builder.Output())
            nbytes = builder.Offset()
            room[:nbytes] = room[builder.head :]
        file.truncate(nbytes)
        return file.getvalue()


def serialised_nbytes(model: TfliteModel) -> int:
    """The bytes that `serialise` would give, in little memory."""
    with _aligned(model.root):
        return _hollow_nbytes(model.root)


def _hollow_nbytes(root: Any) -> int:
    return _built(root, Builder(_ROOM, hollow=True)).nbytes


def _room(root: Any) -> int:
    """Bytes that are enough for a model: growing would double the memory and copy what is written so far."""
    payload = _payload_nbytes(root)
    if payload > MAX_NBYTES:
        raise UnsupportedError(f"the model holds {payload} bytes of data, a flatbuffer at most {MAX_NBYTES}")
    graphs = root.subgraphs or []
    nodes = sum(len(graph.tensors or []) + len(graph.operators or []) for graph in graphs)
    quantised = [tensor.quantization for graph in graphs for tensor in graph.tensors or [] if tensor.quantization]
    vectors = [vector for q in quantised for vector in (q.min, q.max, q.scale, q.zeroPoint) if vector is not None]
    room = payload + (BUFFER_ALIGNMENT + 32) * len(root.buffers or []) + 1024 * nodes + _ROOM
    room += sum(8 * len(vector) for vector in vectors)
    return min(room, int(flatbuffers.Builder.MAX_BUFFER_SIZE))


def _built(root: Any, builder: Builder) -> Builder:
    """The builder with the whole model."""
    try:
        builder.Finish(root.Pack(builder), file_identifier=FILE_IDENTIFIER)
    except BuilderSizeError as error:
        raise UnsupportedError(f"the model does not fit a flatbuffer of {MAX_NBYTES} bytes") from error
    if builder.nbytes > MAX_NBYTES:
        raise UnsupportedError(f"the model does not fit a flatbuffer of {MAX_NBYTES} bytes")
    return builder
