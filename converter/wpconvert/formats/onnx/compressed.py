"""Read the Decode nodes of a rewritten model. Nothing in them is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.onnx.data import Inline, load
from wpconvert.formats.onnx.decode import BY_OP_TYPE, DECODERS, DOMAIN, VERSION
from wpconvert.formats.onnx.encode import EncodedForm, Part
from wpconvert.formats.onnx.file import OnnxModel
from wpconvert.formats.onnx.tensors import data_of, has_values, nbytes_of, type_name, values_of
from wpconvert.formats.onnx_graphs import Scope

_METHODS = {
    op_type: next(method for method, encoder in DECODERS.items() if isinstance(decoder, type(encoder)))
    for op_type, decoder in BY_OP_TYPE.items()
}


@dataclass(frozen=True)
class Compressed:
    """One Decode node: the number of its graph, the scope and the graph, how it stores its weight, in which tensors."""

    number: int
    scope: Scope
    graph: GraphProto
    node: NodeProto
    method: str
    tensors: tuple[TensorProto, ...]

    @property
    def name(self) -> str:
        """Of the weight."""
        return str(self.node.output[0])

    @property
    def nbytes(self) -> int:
        """Bytes of the compressed tensors."""
        return sum(nbytes_of(tensor) for tensor in self.tensors)

    def decode(self, model: OnnxModel) -> NDArray[Any]:
        """The weight; ModelError where its tensors or attributes are corrupt."""
        inputs = []
        for tensor in self.tensors:
            data = data_of(tensor, model.files)
            if data is None or not has_values(tensor.data_type):
                raise ModelError(
                    f"{self._where}: tensor {tensor.name!r} is {type_name(tensor.data_type)}, which no decoder supports"
                )
            inputs.append(values_of(tensor.data_type, tuple(tensor.dims), np.asarray(load(data))))
        try:
            return BY_OP_TYPE[self.node.op_type].decode(inputs)
        except ModelError as error:
            raise ModelError(f"{self._where}: {error}") from error

    def form(self, model: OnnxModel) -> EncodedForm:
        """How the weight is stored, as it is. ModelError where a tensor has no data."""
        parts, held = [], []
        for name, tensor in zip(BY_OP_TYPE[self.node.op_type].input_names, self.tensors, strict=False):
            data = data_of(tensor, model.files)
            if data is None:
                raise ModelError(f"{self._where}: tensor {tensor.name!r} has no data")
            # The message may be gone when the form is needed.
            held.append(load(data) if isinstance(data, Inline) else data)
            parts.append(Part(name, tensor.data_type, tuple(tensor.dims), nbytes_of(tensor)))
        return EncodedForm(self.node.op_type, tuple(parts), data=tuple(held))

    @property
    def _where(self) -> str:
        return f"weight {self.name!r} ({self.node.op_type})"


def is_ours(node: NodeProto) -> bool:
    """Whether a node is a Decode node."""
    return bool(node.domain == DOMAIN)


def is_decoder(scope: Scope) -> bool:
    """Whether a scope is the body of a decoder."""
    return isinstance(scope.body, FunctionProto) and bool(scope.body.domain == DOMAIN)


def is_rewritten(model: OnnxModel) -> bool:
    """Whether any weight of the model is compressed."""
    return any(is_ours(node) for scope in model.scopes if scope.number is not None for node in scope.body.node)


def find_compressed(model: OnnxModel) -> Iterator[Compressed]:
    """Every compressed weight, graph by graph. ModelError for nodes that are not as `rewrite` makes them."""
    for scope in model.scopes:
        if not any(map(is_ours, scope.body.node)):
            continue
        graph = scope.graph
        if graph is None or scope.number is None:
            raise ModelError(f"a {DOMAIN!r} node is inside a function; expected such nodes only in graphs")
        _check_version(model)
        initializers = {tensor.name: tensor for tensor in graph.initializer}
        weights: set[str] = set()
        for node in filter(is_ours, graph.node):
            method = _METHODS.get(node.op_type)
            if method is None:
                known = ", ".join(_METHODS)
                raise UnsupportedError(f"unknown operator {DOMAIN}.{node.op_type}, this version supports {known}")
            if len(node.output) != 1 or not node.output[0]:
                raise ModelError(f"{node.op_type} has {len(node.output)} outputs, expected 1")
            name = node.output[0]
            if node.attribute:
                raise ModelError(f"weight {name!r}: {node.op_type} has attributes, expected none")
            if name in initializers or name in weights:
                raise ModelError(f"weight {name!r} occurs twice")
            weights.add(name)
            missing = next((part for part in node.input if part not in initializers), None)
            if missing is not None:
                raise ModelError(
                    f"weight {name!r}: input {missing!r} is not an initializer of the graph; the file is damaged"
                )
            tensors = tuple(initializers[part] for part in node.input)
            yield Compressed(scope.number, scope, graph, node, method, tensors)


def _check_version(model: OnnxModel) -> None:
    versions = [entry.version for entry in model.proto.opset_import if entry.domain == DOMAIN]
    if not versions:
        raise ModelError(f"it has {DOMAIN!r} nodes, but does not import that operator set; the file is damaged")
    if versions != [VERSION]:
        numbers = ", ".join(map(str, versions))
        raise UnsupportedError(f"operator set {DOMAIN!r} version {numbers}, this version supports {VERSION}")
