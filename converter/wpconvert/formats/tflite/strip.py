"""`--strip`: drop what no runtime reads from a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from wpconvert.formats.tflite.model import TfliteModel, text

_IDLE_METADATA = "min_runtime_version"
"""The first TensorFlow release with the model's builtin operators; nothing checks it."""


def strip(model: TfliteModel) -> None:
    """Drop names of tensors and subgraphs, calibration ranges, shape signatures, the description and idle buffers.

    Zero points stay unchanged: LiteRT wants one for each scale, TFLM at least one.
    """
    root = model.root
    root.description = None
    root.metadata = [entry for entry in root.metadata or [] if text(entry.name) != _IDLE_METADATA] or None
    root.signatureDefs = root.signatureDefs or None
    for graph in root.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            tensor.name = None
            tensor.shapeSignature = None
            _strip_quantization(tensor)
    _drop_idle_buffers(root)


def _strip_quantization(tensor: Any) -> None:
    quantization = tensor.quantization
    if quantization is None:
        return
    quantization.min = quantization.max = None
    values = (quantization.scale, quantization.zeroPoint)
    if quantization.details is None and all(v is None or len(v) == 0 for v in values):
        tensor.quantization = None


def _drop_idle_buffers(root: Any) -> None:
    """Remove buffers that nothing refers to. Tensors without data share buffer 0, which the schema keeps empty."""
    buffers = root.buffers
    tensors = [tensor for graph in root.subgraphs for tensor in graph.tensors]
    if _is_empty(buffers[0]):
        for tensor in tensors:
            if _is_empty(buffers[tensor.buffer]):
                tensor.buffer = 0
    listed = [] if root.metadataBuffer is None else [int(b) for b in root.metadataBuffer]
    entries = root.metadata or []
    used = sorted({0, *listed, *(int(owner.buffer) for owner in (*tensors, *entries))})
    position = {old: new for new, old in enumerate(used)}
    for owner in (*tensors, *entries):
        owner.buffer = position[int(owner.buffer)]
    if listed:
        root.metadataBuffer = np.array([position[b] for b in listed], np.int32)
    root.buffers = [buffers[old] for old in used]


def _is_empty(buffer: Any) -> bool:
    return buffer.data is None or len(buffer.data) == 0
