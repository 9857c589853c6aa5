"""What `inspect` tells about a `.tflite` model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import CODECS, Side, encode
from wpconvert.errors import ModelError
from wpconvert.formats.tflite import metadata
from wpconvert.formats.tflite.graph_reader import read_operator
from wpconvert.formats.tflite.model import TfliteModel, shape_of, text
from wpconvert.formats.tflite.schema import TYPE_NAMES
from wpconvert.formats.tflite.weights import find_weights
from wpconvert.graph.custom.compressed import Compressed, Decoded, read_compressed
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.model.weight import Rewritable, Weight, obstacle_of
from wpconvert.report.inspection import Inspection, SharedInfo, TensorInfo, WeightInfo, weight_info


def inspect_model(
    path: str,
    data: bytes,
    model: TfliteModel,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> Inspection:
    """Look at a parsed model; every method is tried on every weight. `advance(done, total)` counts weights."""
    root, attached = model.root, model.attached
    graph = root.subgraphs[0]
    operators = Counter(model.operator_name(op) for sub in root.subgraphs for op in sub.operators or [])
    weights = find_weights(model)
    stored = _stored(model)
    infos = []
    for done, weight in enumerate(weights, 1):
        parts = stored.get(weight.key)
        infos.append(_info(weight) if parts is None else _stored_info(weight, parts.codec, parts.weights))
        advance(done, len(weights))
    return Inspection(
        path,
        len(data),
        text(root.description),
        len(root.subgraphs),
        tuple(_tensor(graph.tensors[i]) for i in graph.inputs),
        tuple(_tensor(graph.tensors[i]) for i in graph.outputs),
        dict(sorted(operators.items())),
        tuple(text(s.signatureKey) for s in root.signatureDefs or []),
        tuple(text(entry.name) for entry in root.metadata or []),
        metadata.read(model),
        tuple(infos),
        _shared(stored),
        () if attached is None else attached.files or (),
        0 if attached is None else len(attached.data),
        model.notes,
    )


def _shared(stored: Mapping[str, Decoded]) -> tuple[SharedInfo, ...]:
    """The side data of decoded weights, by key; equal data once."""
    found: dict[bytes, tuple[str, Side, list[str]]] = {}
    for key, parts in stored.items():
        kind = CODECS[parts.codec].side
        if isinstance(parts, Compressed) and parts.side is not None and kind is not None:
            _, _, keys = found.setdefault(parts.side.pack().tobytes(), (kind.name, parts.side, []))
            keys.append(key)
    return tuple(
        SharedInfo(kind, side.nbytes, tuple(keys), side.details(), side.summary())
        for kind, side, keys in found.values()
    )


def _tensor(tensor: Any) -> TensorInfo:
    return TensorInfo(text(tensor.name), shape_of(tensor), TYPE_NAMES.get(tensor.type, str(tensor.type)))


def _stored(model: TfliteModel) -> dict[str, Decoded]:
    """Every rewritten tensor with its operator, decoded, by key."""
    found = {}
    for s, graph in enumerate(model.root.subgraphs):
        for index, operator in enumerate(graph.operators or []):
            if model.operator_name(operator) in BUILTIN_NAMES:
                found[f"{s}:{operator.inputs[1]}"] = read_compressed(read_operator(model, s, index))
    return found


def _sizes(values: NDArray[np.int8], row_dims: int) -> dict[str, int]:
    """Bytes of the blob of every codec that can hold the values."""
    sizes = {}
    for name in CODECS:
        with suppress(ModelError):
            sizes[name] = encode(name, values, row_dims).nbytes
    return sizes


def _info(weight: Weight) -> WeightInfo:
    if not isinstance(weight, Rewritable):
        return weight_info(weight, weight.shape, weight.dtype, None, {}, None, obstacle_of(weight))
    methods = _sizes(weight.values, weight.row_dims)
    return weight_info(weight, weight.shape, weight.dtype, weight.values, methods, None, None)


def _stored_info(weight: Weight, method: str, values: NDArray[np.int8]) -> WeightInfo:
    return weight_info(weight, values.shape, "INT8", values, {method: weight.nbytes}, method, None)
