"""Checks of a parsed model: every index, shape, constant and quantisation that other code relies on.

The flatbuffer itself is sound already (`wpconvert.tflite.verifier`). The rules follow LiteRT's interpreter
builder; where LiteRT or TFLM accept a model, so do these. Each rule raises ModelError with the place, what
was expected and what was found, or UnsupportedError where the model is sound but of a kind not handled here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.tflite.model import element_count, shape_of, text
from wpconvert.tflite.schema import TYPE_NAMES, TensorType

SCHEMA_VERSION = 3
MAX_ELEMENTS = (1 << 31) - 1
MAX_RANK = 32
"""Far beyond any operator's; longer shapes are garbage, and their element count takes for ever."""
MAX_LABEL = 64
INT32 = np.iinfo(np.int32)
TFLM_COMPRESSION = b"COMPRESSION_METADATA"
"""The metadata entry of models whose constants TFLM's own compression tool has replaced."""

ELEMENT_NBITS: dict[int, int] = {
    TensorType.FLOAT32: 32,
    TensorType.FLOAT16: 16,
    TensorType.INT32: 32,
    TensorType.UINT8: 8,
    TensorType.INT64: 64,
    TensorType.BOOL: 8,
    TensorType.INT16: 16,
    TensorType.COMPLEX64: 64,
    TensorType.INT8: 8,
    TensorType.FLOAT64: 64,
    TensorType.COMPLEX128: 128,
    TensorType.UINT64: 64,
    TensorType.UINT32: 32,
    TensorType.UINT16: 16,
    TensorType.INT4: 4,
    TensorType.BFLOAT16: 16,
    TensorType.INT2: 2,
    TensorType.UINT4: 4,
    TensorType.FLOAT8_E4M3FN: 8,
    TensorType.FLOAT8_E5M2: 8,
}
"""Bits per element; STRING, RESOURCE and VARIANT have no fixed size. Narrow types are packed without gaps."""


def check(root: Any) -> None:
    """Check a whole model, LiteRT's `ModelT`. Raises ModelError or UnsupportedError, see the module."""
    if root.version != SCHEMA_VERSION:
        raise UnsupportedError(f"Model.version: expected schema version {SCHEMA_VERSION}, found {root.version}")
    if not root.subgraphs:
        raise ModelError("Model.subgraphs: expected at least one subgraph, found none")
    if root.buffers is None:
        raise ModelError("Model.buffers: expected a list of buffers, found none")
    external = check_external_buffers(root)
    for number, graph in enumerate(root.subgraphs):
        where = f"subgraph {number}"
        if graph.tensors is None or graph.operators is None:
            raise ModelError(f"{where}: expected a list of tensors and one of operators, found none")
        for index, tensor in enumerate(graph.tensors):
            place = f"{where}, tensor {index} ({_label(tensor.name)})"
            check_tensor(root, tensor, place, external)
            check_quantization(tensor, place, len(graph.tensors))
        _in_range(graph.inputs, 0, len(graph.tensors), f"{where}: inputs", "tensor")
        _in_range(graph.outputs, 0, len(graph.tensors), f"{where}: outputs", "tensor")
        for index, operator in enumerate(graph.operators):
            check_operator(root, operator, f"{where}, operator {index}", len(graph.tensors))
    check_metadata(root)
    check_signatures(root)


def _label(name: bytes | str | None) -> str:
    """A name from the file for a message: quoted, escaped, cut to MAX_LABEL characters."""
    shown = text(None if name is None else name[: 4 * MAX_LABEL])
    return repr(shown if len(shown) <= MAX_LABEL else shown[: MAX_LABEL - 1] + "…")


def _in_range(values: Iterable[int] | None, low: int, count: int, where: str, what: str) -> None:
    """Every value is an index from `low` to `count` − 1; None holds no values."""
    found = np.asarray([] if values is None else values, dtype=np.int64)
    if found.size == 0 or (int(found.min()) >= low and int(found.max()) < count):
        return
    bad = int(found[(found < low) | (found >= count)][0])
    allowed = f"from {low} to {count - 1}" if count > low else "none, there are no such"
    raise ModelError(f"{where}: expected {what} indices {allowed}, found {bad}")


def check_external_buffers(root: Any) -> set[int]:
    """External buffers (data in other files) name existing groups; returns their ids."""
    groups = len(root.externalBufferGroups or [])
    buffers = root.externalBuffers or []
    _in_range([buffer.group for buffer in buffers], 0, groups, "Model.external_buffers", "group")
    return {buffer.id for buffer in buffers}


def check_tensor(root: Any, tensor: Any, where: str, external: set[int]) -> None:
    """A tensor's type is known, its shape is one, its buffer exists and holds what type and shape need."""
    if tensor.type not in TYPE_NAMES:
        raise UnsupportedError(
            f"{where}: type {tensor.type} is not one of the schema's, which end at {max(TYPE_NAMES)}"
        )
    shape = shape_of(tensor)
    signature = () if tensor.shapeSignature is None else tuple(int(dim) for dim in tensor.shapeSignature)
    if max(len(shape), len(signature)) > MAX_RANK:
        raise ModelError(f"{where}: expected at most {MAX_RANK} dimensions, found {len(shape)}, {len(signature)}")
    if any(dim < 0 for dim in shape):
        raise ModelError(f"{where}: expected a shape without negative sizes, found {list(shape)}")
    if element_count(shape) > MAX_ELEMENTS:
        raise ModelError(f"{where}: expected at most {MAX_ELEMENTS} elements, found shape {list(shape)}")
    if any(dim < -1 for dim in signature):
        raise ModelError(f"{where}: expected a shape signature of sizes and −1, found {list(signature)}")
    _in_range([tensor.buffer], 0, len(root.buffers), where, "buffer")
    if tensor.externalBuffer != 0 and tensor.externalBuffer not in external:
        raise ModelError(f"{where}: expected the id of an external buffer, found {tensor.externalBuffer}")
    check_constant(root, tensor, where)


def check_constant(root: Any, tensor: Any, where: str) -> None:
    """A constant has the bytes of its elements, neither more nor less; packed types end with a whole byte.

    Sparse tensors and types without a fixed element size are left to whoever reads them.
    """
    data = root.buffers[tensor.buffer].data
    if data is None or len(data) == 0 or tensor.sparsity is not None or tensor.type not in ELEMENT_NBITS:
        return
    shape = shape_of(tensor)
    expected = (element_count(shape) * ELEMENT_NBITS[tensor.type] + 7) // 8
    if len(data) == expected:
        return
    if any(entry.name == TFLM_COMPRESSION for entry in root.metadata or []):
        raise UnsupportedError(f"{where}: compressed by TFLM's own tool; convert the model from before that")
    raise ModelError(
        f"{where}: expected {expected} bytes in buffer {tensor.buffer} for {TYPE_NAMES[tensor.type]} "
        f"{list(shape)}, found {len(data)}"
    )


def check_quantization(tensor: Any, where: str, tensors: int) -> None:
    """Scales are finite and 1 or one per slice of the quantised axis; zero points are 0, 1 or as many."""
    params = tensor.quantization
    if params is None:
        return
    rank = len(shape_of(tensor))
    scales = np.asarray([] if params.scale is None else params.scale, dtype=np.float32)
    points = np.asarray([] if params.zeroPoint is None else params.zeroPoint, dtype=np.int64)
    axis = int(params.quantizedDimension)
    if scales.size > 0:
        if not np.isfinite(scales).all():
            raise ModelError(f"{where}: expected finite scales, found {scales[~np.isfinite(scales)][0]}")
        if points.size not in (0, 1, scales.size):
            raise ModelError(f"{where}: expected one zero point per scale ({scales.size}), found {points.size}")
        if rank > 0 and not 0 <= axis < rank:
            raise ModelError(f"{where}: expected a quantised dimension from 0 to {rank - 1}, found {axis}")
        slices = int(tensor.shape[axis]) if rank > 0 else 1
        if scales.size not in (1, slices):
            raise ModelError(f"{where}: expected 1 scale or {slices} along dimension {axis}, found {scales.size}")
    if points.size > 0 and (int(points.min()) < INT32.min or int(points.max()) > INT32.max):
        raise ModelError(f"{where}: expected zero points of 32 bits, found {int(points.min())} to {int(points.max())}")
    details = params.details
    if hasattr(details, "zeroPoints"):
        _in_range([details.scales, details.zeroPoints], -1, tensors, f"{where}: quantisation details", "tensor")
    if hasattr(details, "quantizedDimensions"):
        _in_range(details.quantizedDimensions, 0, rank, f"{where}: quantisation details", "dimension")


def check_operator(root: Any, operator: Any, where: str, tensors: int) -> None:
    """An operator's code, tensors and subgraphs exist; −1 stands for an absent input or intermediate."""
    _in_range([operator.opcodeIndex], 0, len(root.operatorCodes or []), where, "operator code")
    _in_range(operator.inputs, -1, tensors, f"{where}: inputs", "tensor")
    _in_range(operator.outputs, 0, tensors, f"{where}: outputs", "tensor")
    _in_range(operator.intermediates, -1, tensors, f"{where}: intermediates", "tensor")
    for options in (operator.builtinOptions, operator.builtinOptions2):
        if options is None:
            continue
        for name, value in vars(options).items():
            if name == "subgraph" or name.endswith(("SubgraphIndex", "SubgraphIndices")):
                # −1 is what exporters write for a subgraph that was left out, for example a composite's body.
                indices = value if name.endswith("Indices") else [value]
                _in_range(indices, -1, len(root.subgraphs), f"{where}: {name}", "subgraph")


def check_metadata(root: Any) -> None:
    """Metadata entries, and the deprecated list before them, name existing buffers."""
    _in_range([entry.buffer for entry in root.metadata or []], 0, len(root.buffers), "Model.metadata", "buffer")
    _in_range(root.metadataBuffer, 0, len(root.buffers), "Model.metadata_buffer", "buffer")


def check_signatures(root: Any) -> None:
    """A signature names an existing subgraph, and its inputs and outputs name tensors of that subgraph."""
    for index, signature in enumerate(root.signatureDefs or []):
        where = f"signature {index} ({_label(signature.signatureKey)})"
        _in_range([signature.subgraphIndex], 0, len(root.subgraphs), where, "subgraph")
        tensors = len(root.subgraphs[signature.subgraphIndex].tensors)
        maps = [*(signature.inputs or []), *(signature.outputs or [])]
        _in_range([entry.tensorIndex for entry in maps], 0, tensors, where, "tensor")
