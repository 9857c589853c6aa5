"""Whether two `.onnx` models have the same constants, compressed or not."""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial

import numpy as np
from onnx import TensorProto, helper

from wpconvert.formats.onnx import metadata
from wpconvert.formats.onnx.compressed import Compressed, find_compressed, is_decoder
from wpconvert.formats.onnx.constants import constants_of, value_of
from wpconvert.formats.onnx.data import Bytes, load
from wpconvert.formats.onnx.decode import DOMAIN
from wpconvert.formats.onnx.file import OnnxModel
from wpconvert.formats.onnx.tensors import data_of, raw_of
from wpconvert.formats.onnx_graphs import tensors_at

_Place = tuple[int, str, int]
"""Of a constant: its graph, its name, and _INITIALIZER or the part of a sparse one.

Those in other attributes of nodes have no name, but a number among them.
"""
_Loaded = tuple[int, tuple[int, ...], Bytes]
"""Type, shape and bytes."""
_Load = Callable[[], _Loaded]
_INITIALIZER = -1


def lossy_weights(model: OnnxModel) -> set[tuple[int, str]]:
    """The weights that were changed before they were stored."""
    provenance = metadata.read(model.proto)
    return {(r.graph, r.name) for r in provenance.tensors if r.lossy} if provenance is not None else set()


def constants_equal(first: OnnxModel, second: OnnxModel, lossy: Set[tuple[int, str]]) -> bool:
    """Whether all constants of two models are the same, but for those that are lossy. One of each is in memory."""
    ours, theirs = _constants(first), _constants(second)
    if ours.keys() != theirs.keys():
        return False
    for place, load_ours in ours.items():
        (data_type, shape, data), (other_type, other_shape, other) = load_ours(), theirs[place]()
        if (data_type, shape) != (other_type, other_shape):
            return False
        if place[:2] not in lossy and not np.array_equal(data, other):
            return False
    return True


def _constants(model: OnnxModel) -> dict[_Place, _Load]:
    """Initializers, values of Constant nodes, those that are compressed as they decode, and tensors of other nodes."""
    found: dict[_Place, _Load] = {}
    parts: set[tuple[int, str]] = set()
    for compressed in find_compressed(model):
        parts.update((compressed.number, name) for name in compressed.node.input)
        found[compressed.number, compressed.name, _INITIALIZER] = partial(_load_compressed, model, compressed)
    scopes = [scope for scope in model.scopes if not is_decoder(scope)]
    for number, scope in enumerate(scopes):
        for tensor in scope.graph.initializer if scope.graph is not None else ():
            if (number, tensor.name) not in parts:
                found[number, tensor.name, _INITIALIZER] = partial(_load, model, tensor)
        for constant in constants_of(scope):
            if constant.node is not None and constant.node.attribute[0].name != "sparse_value":
                found[number, constant.name, _INITIALIZER] = partial(_load, model, constant.tensor)
        for sparse in scope.graph.sparse_initializer if scope.graph is not None else ():
            for index, tensor in enumerate((sparse.values, sparse.indices)):
                found[number, sparse.values.name, index] = partial(_load, model, tensor)
        nodes = (node for node in scope.body.node if node.domain != DOMAIN and value_of(node) is None)
        tensors = (tensor for node in nodes for attribute in node.attribute for tensor in tensors_at(attribute))
        found |= {(number, "", index): partial(_load, model, tensor) for index, tensor in enumerate(tensors)}
    return found


def _load(model: OnnxModel, tensor: TensorProto) -> _Loaded:
    data = data_of(tensor, model.files)
    # Types that are not read are compared as they are written.
    raw = np.frombuffer(tensor.SerializeToString(), np.uint8) if data is None else load(data)
    return tensor.data_type, tuple(tensor.dims), raw


def _load_compressed(model: OnnxModel, compressed: Compressed) -> _Loaded:
    values = compressed.decode(model)
    data_type = helper.np_dtype_to_tensor_dtype(values.dtype)
    return data_type, values.shape, raw_of(values, data_type)
