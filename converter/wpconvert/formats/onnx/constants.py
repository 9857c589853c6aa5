"""The constants of a model: initializers, and the values of Constant nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onnx import AttributeProto, FunctionProto, NodeProto, SparseTensorProto, TensorProto, helper

from wpconvert.formats.onnx.tensors import nbytes_of
from wpconvert.formats.onnx_graphs import DEFAULT_DOMAINS, Scope

_LISTS = {"value_float": "f", "value_floats": "floats", "value_int": "i", "value_ints": "ints"}
"""Attributes of Constant nodes that are numbers, and their fields."""


@dataclass(frozen=True)
class Constant:
    """A constant of a scope. name: of the value.

    index: its place among the initializers, or that of its node among the nodes. tensor: what holds it; of numbers in a
    node, a tensor of them; of a sparse one, just type and shape. obstacle: why it is only listed.
    """

    name: str
    index: int
    tensor: TensorProto
    nbytes: int
    node: NodeProto | None = None
    obstacle: str | None = None


def constants_of(scope: Scope) -> Iterator[Constant]:
    """All constants of a scope that are numbers."""
    function = function_of(scope)
    obstacle = None if function is None else f"is in function {function.name!r}; functions are not rewritten"
    if scope.graph is not None:
        for index, tensor in enumerate(scope.graph.initializer):
            yield Constant(tensor.name, index, tensor, nbytes_of(tensor), None, obstacle)
        for index, sparse in enumerate(scope.graph.sparse_initializer):
            yield _sparse(sparse.values.name, index, sparse, None)
    for index, node in enumerate(scope.body.node):
        if _is_constant(node):
            attribute, name = node.attribute[0], node.output[0]
            if attribute.name == "sparse_value":
                yield _sparse(name, index, attribute.sparse_tensor, node)
            elif attribute.name in _LISTS:
                yield _list(name, index, attribute, node)
            elif value_of(node) is not None:
                # Names of tensors in nodes mean nothing; the value is that of the output.
                yield Constant(name, index, attribute.t, nbytes_of(attribute.t), node, obstacle)


def value_of(node: NodeProto) -> TensorProto | None:
    """The tensor of a Constant node; None for other nodes, and for one with another value."""
    if not _is_constant(node):
        return None
    [attribute] = node.attribute
    return attribute.t if attribute.name == "value" and attribute.HasField("t") else None


def function_of(scope: Scope) -> FunctionProto | None:
    """The function of the model that a scope is in."""
    while scope.parent is not None:
        scope = scope.parent
    return scope.body if isinstance(scope.body, FunctionProto) else None


def _is_constant(node: NodeProto) -> bool:
    """Whether a node is a Constant with one value."""
    constant = node.op_type == "Constant" and node.domain in DEFAULT_DOMAINS
    return constant and len(node.output) == 1 and len(node.attribute) == 1 and not node.input


def _sparse(name: str, index: int, sparse: SparseTensorProto, node: NodeProto | None) -> Constant:
    stub = TensorProto(name=name, data_type=sparse.values.data_type, dims=sparse.dims)
    nbytes = nbytes_of(sparse.values) + nbytes_of(sparse.indices)
    return Constant(name, index, stub, nbytes, node, "is already stored as a sparse tensor")


def _list(name: str, index: int, attribute: AttributeProto, node: NodeProto) -> Constant:
    found = getattr(attribute, _LISTS[attribute.name])
    values = list(found) if attribute.name.endswith("s") else [found]
    dims = [len(values)] if attribute.name.endswith("s") else []
    data_type = TensorProto.FLOAT if "float" in attribute.name else TensorProto.INT64
    tensor = helper.make_tensor(name, data_type, dims, values)
    reason = f"is attribute {attribute.name} of a Constant node; only tensors are rewritten"
    return Constant(name, index, tensor, nbytes_of(tensor), node, reason)
