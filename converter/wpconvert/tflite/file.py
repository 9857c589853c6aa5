"""Parse and serialise `.tflite` bytes."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np

from wpconvert.tflite.model import TfliteModel
from wpconvert.tflite.schema import FILE_IDENTIFIER, BufferT, ModelT

BUFFER_ALIGNMENT = 16


def parse(data: bytes) -> TfliteModel:
    """Parse the bytes of a `.tflite` file."""
    return TfliteModel(ModelT.InitFromPackedBuf(data, 0))


class _AlignedBuffer(BufferT):  # type: ignore[misc]
    """A `Buffer` whose data vector starts on a 16-byte boundary, as the schema's force_align asks.

    The generated `Pack` ignores force_align and aligns to one byte.
    """

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the object API's name
        data = None
        if self.data is not None and len(self.data) > 0:
            raw = np.ascontiguousarray(self.data, dtype=np.uint8).tobytes()
            builder.StartVector(1, len(raw), BUFFER_ALIGNMENT)
            head = builder.head - len(raw)
            builder.head = head
            builder.Bytes[head : head + len(raw)] = raw
            data = builder.EndVector()
        builder.StartObject(3)
        if data is not None:
            builder.PrependUOffsetTRelativeSlot(0, data, 0)
        return builder.EndObject()


def serialise(model: TfliteModel) -> bytes:
    """The model as a flatbuffer with every buffer on a 16-byte boundary."""
    root = model.root
    original = root.buffers
    root.buffers = [_AlignedBuffer(data=buffer.data) for buffer in original]
    try:
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(root.Pack(builder), file_identifier=FILE_IDENTIFIER)
    finally:
        root.buffers = original
    return bytes(builder.Output())
