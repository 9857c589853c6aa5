"""Checks of a parsed model: every index, shape, constant and quantisation that other code relies on.

The flatbuffer itself is sound already (`wpconvert.formats.tflite.verifier`). What cannot be read safely raises
ModelError with the place, what was expected and what was found, or UnsupportedError where the model is sound but of a
kind not handled here. What is merely odd, and what TFLM or LiteRT do not look at, becomes a note: whoever computes with
a tensor checks what it needs of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.model import shape_of, text
from wpconvert.formats.tflite.schema import TYPE_NAMES
from wpconvert.graph.types import DTYPES, element_count

SCHEMA_VERSION = 3
MAX_ELEMENTS = (1 << 31) - 1
MAX_RANK = 32
"""Far beyond any operator's; longer shapes are garbage, and their element count takes for ever."""
MAX_LABEL = 64
INT32 = np.iinfo(np.int32)
TFLM_COMPRESSION = b"COMPRESSION_METADATA"
"""The metadata entry of models whose constants TFLM's own compression tool has replaced."""

ELEMENT_NBITS: dict[int, int] = {
    code: nbits for code, name in TYPE_NAMES.items() if (nbits := DTYPES[name].nbits) is not None
}
"""Bits per element; STRING, RESOURCE and VARIANT have no fixed size. Narrow types are packed without gaps."""


class Oddities:
    """What is odd in a model: places by what is reported of them."""

    def __init__(self) -> None:
        self._places: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, where: str, what: str) -> None:
        """Something odd; what differs from place to place belongs into `where`."""
        self._places[what].append(where)

    def notes(self) -> tuple[str, ...]:
        """One line for each kind, with the first place."""
        more = {1: "", 2: " and 1 other"}
        return tuple(
            f"{places[0]}{more.get(len(places), f' and {len(places) - 1} others')}: {what}"
            for what, places in self._places.items()
        )


def check(root: Any) -> tuple[str, ...]:
    """Check a whole model, LiteRT's `ModelT`; returns notes of what is odd.

    Raises ModelError or UnsupportedError, see the module.
    """
    odd = Oddities()
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
            check_tensor(root, tensor, place, external, odd)
            check_quantization(tensor, place, len(graph.tensors), odd)
        _in_range(graph.inputs, 0, len(graph.tensors), f"{where}: inputs", "tensor")
        _in_range(graph.outputs, 0, len(graph.tensors), f"{where}: outputs", "tensor")
        for index, operator in enumerate(graph.operators):
            check_operator(root, operator, f"{where}, operator {index}", len(graph.tensors))
    check_metadata(root)
    check_signatures(root, odd)
    return odd.notes()


def _label(name: bytes | str | None) -> str:
    """A name from the file for a message: quoted, escaped, cut to MAX_LABEL characters."""
    shown = text(None if name is None else name[: 4 * MAX_LABEL])
    return repr(shown if len(shown) <= MAX_LABEL else shown[: MAX_LABEL - 1] + "…")


def _out_of_range(values: Iterable[int] | None, low: int, count: int, what: str) -> str | None:
    """What is wrong unless every value is an index from `low` to `count` − 1; None holds no values."""
    found = np.asarray([] if values is None else values, dtype=np.int64)
    if found.size == 0 or (int(found.min()) >= low and int(found.max()) < count):
        return None
    bad = int(found[(found < low) | (found >= count)][0])
    allowed = f"from {low} to {count - 1}" if count > low else "none, the list is empty"
    return f"expected {what} indices {allowed}, found {bad}"


def _in_range(values: Iterable[int] | None, low: int, count: int, where: str, what: str) -> None:
    """Every value is an index from `low` to `count` − 1."""
    if wrong := _out_of_range(values, low, count, what):
        raise ModelError(f"{where}: {wrong}")


def check_external_buffers(root: Any) -> set[int]:
    """External buffers (data in other files) name existing groups; returns their ids."""
    groups = len(root.externalBufferGroups or [])
    buffers = root.externalBuffers or []
    _in_range([buffer.group for buffer in buffers], 0, groups, "Model.external_buffers", "group")
    return {buffer.id for buffer in buffers}


def check_tensor(root: Any, tensor: Any, where: str, external: set[int], odd: Oddities) -> None:
    """A tensor's type is known, its shape is one, its buffer exists and holds what type and shape need."""
    if tensor.type not in TYPE_NAMES:
        raise UnsupportedError(f"{where}: unknown type {tensor.type}, the schema defines types up to {max(TYPE_NAMES)}")
    shape = shape_of(tensor)
    signature = () if tensor.shapeSignature is None else tuple(int(dim) for dim in tensor.shapeSignature)
    if max(len(shape), len(signature)) > MAX_RANK:
        raise ModelError(f"{where}: expected at most {MAX_RANK} dimensions, found {len(shape)}, {len(signature)}")
    if any(dim < 0 for dim in shape):
        raise ModelError(f"{where}: expected a shape without negative sizes, found {list(shape)}")
    if element_count(shape) > MAX_ELEMENTS:
        raise ModelError(f"{where}: expected at most {MAX_ELEMENTS} elements, found shape {list(shape)}")
    if any(dim < -1 for dim in signature):
        odd.add(where, f"a size below −1 in its shape signature {list(signature)}")
    _in_range([tensor.buffer], 0, len(root.buffers), where, "buffer")
    if tensor.externalBuffer != 0 and tensor.externalBuffer not in external:
        raise ModelError(f"{where}: expected the id of an external buffer, found {tensor.externalBuffer}")
    check_constant(root, tensor, where, odd)


def check_constant(root: Any, tensor: Any, where: str, odd: Oddities) -> None:
    """A constant has the bytes of its elements at least; packed types end with a whole byte. More bytes are odd.

    Sparse tensors and types without a fixed element size are left to whoever reads them.
    """
    data = root.buffers[tensor.buffer].data
    if data is None or len(data) == 0 or tensor.sparsity is not None or tensor.type not in ELEMENT_NBITS:
        return
    shape = shape_of(tensor)
    expected = (element_count(shape) * ELEMENT_NBITS[tensor.type] + 7) // 8
    if len(data) > expected:
        odd.add(where, f"its buffer has {len(data)} bytes, but only {expected} are needed; LiteRT refuses this")
    if len(data) >= expected:
        return
    if any(entry.name == TFLM_COMPRESSION for entry in root.metadata or []):
        raise UnsupportedError(f"{where}: compressed by TFLM's own tool; convert the uncompressed model")
    raise ModelError(
        f"{where}: expected {expected} bytes in buffer {tensor.buffer} for {TYPE_NAMES[tensor.type]} "
        f"{list(shape)}, found {len(data)}"
    )


def check_quantization(tensor: Any, where: str, tensors: int, odd: Oddities) -> None:
    """Zero points are 0, 1 or as many as scales.

    Odd: scales that are not finite, or neither 1 nor one per slice of a dimension; zero points beyond int32. Operators
    that read them refuse these; of many tensors, biases above all, nothing but the first scale is ever read.
    """
    params = tensor.quantization
    if params is None:
        return
    rank = len(shape_of(tensor))
    scales = np.asarray([] if params.scale is None else params.scale, dtype=np.float32)
    points = np.asarray([] if params.zeroPoint is None else params.zeroPoint, dtype=np.int64)
    axis = int(params.quantizedDimension)
    if scales.size > 0:
        if not np.isfinite(scales).all():
            odd.add(where, f"a scale that is not finite, {scales[~np.isfinite(scales)][0]}")
        if points.size not in (0, 1, scales.size):
            raise ModelError(f"{where}: expected one zero point per scale ({scales.size}), found {points.size}")
        if rank > 0 and not 0 <= axis < rank:
            odd.add(where, f"quantised along dimension {axis} of {rank}; LiteRT refuses this")
        elif scales.size not in (1, slices := int(tensor.shape[axis]) if rank > 0 else 1):
            odd.add(where, f"{scales.size} scales for {slices} slices of dimension {axis}; LiteRT refuses this")
    if points.size > 0 and (int(points.min()) < INT32.min or int(points.max()) > INT32.max):
        odd.add(where, f"zero points beyond 32 bits, {int(points.min())} to {int(points.max())}")
    details = params.details
    if hasattr(details, "zeroPoints"):
        _in_range([details.scales, details.zeroPoints], -1, tensors, f"{where}: quantisation details", "tensor")
    if hasattr(details, "quantizedDimensions") and (
        wrong := _out_of_range(details.quantizedDimensions, 0, rank, "dimension")
    ):
        odd.add(f"{where}: quantisation details", wrong)


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


def check_signatures(root: Any, odd: Oddities) -> None:
    """Odd: a signature that names no subgraph, or tensors that its subgraph does not have. Nothing here reads them."""
    for index, signature in enumerate(root.signatureDefs or []):
        where = f"signature {index} ({_label(signature.signatureKey)})"
        if wrong := _out_of_range([signature.subgraphIndex], 0, len(root.subgraphs), "subgraph"):
            odd.add(where, wrong)
            continue
        tensors = len(root.subgraphs[signature.subgraphIndex].tensors)
        maps = [*(signature.inputs or []), *(signature.outputs or [])]
        if wrong := _out_of_range([entry.tensorIndex for entry in maps], 0, tensors, "tensor"):
            odd.add(where, wrong)
