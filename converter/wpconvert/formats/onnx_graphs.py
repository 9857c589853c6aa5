"""Walk a model: its graph, the graphs inside nodes, functions; and who reads what in which scope."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

FIRST_CONSTANT_IR = 4
"""The IR version from which an initializer need not be an input as well; one that is can be replaced by the caller."""

DEFAULT_DOMAINS = ("", "ai.onnx")
"""The two names of the domain of ONNX's own operators."""

FunctionKey = tuple[str, str, str]
"""Domain, name and overload."""


@dataclass
class Scope:
    """A graph or the body of a function, whose names hide those of `parent`.

    number: None within functions, where nothing is rewritten. defined: the names that are values here.
    """

    number: int | None
    body: GraphProto | FunctionProto
    parent: Scope | None = None
    defined: set[str] = field(default_factory=set)

    @property
    def graph(self) -> GraphProto | None:
        """The graph; None for the body of a function itself."""
        return self.body if isinstance(self.body, GraphProto) else None

    def owner(self, name: str) -> Scope | None:
        """The innermost scope that defines the name."""
        scope: Scope | None = self
        while scope is not None and name not in scope.defined:
            scope = scope.parent
        return scope


@dataclass
class GraphScope(Scope):
    """A graph outside functions. number: of the graph in the order of the walk, the model's own is 0."""

    number: int
    body: GraphProto


@dataclass(frozen=True)
class Use:
    """An input of a node that reads a value."""

    scope: Scope
    node: NodeProto
    slot: int


def key_of_function(node: NodeProto | FunctionProto) -> FunctionKey:
    """What a node calls, or what a function is called by."""
    domain = "" if node.domain in DEFAULT_DOMAINS else node.domain
    return domain, node.op_type if isinstance(node, NodeProto) else node.name, node.overload


def _graphs_of(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _scopes_below(body: GraphProto | FunctionProto, parent: Scope | None, numbers: Iterator[int] | None) -> list[Scope]:
    scope = Scope(None, body, parent)
    if isinstance(body, GraphProto) and numbers is not None:
        scope = GraphScope(next(numbers), body, parent)
    if isinstance(body, GraphProto):
        scope.defined.update(value.name for value in body.input)
        scope.defined.update(tensor.name for tensor in body.initializer)
        scope.defined.update(tensor.values.name for tensor in body.sparse_initializer)
    else:
        scope.defined.update(body.input)
    found = [scope]
    for node in body.node:
        scope.defined.update(node.output)
        for graph in _graphs_of(node):
            found += _scopes_below(graph, scope, numbers)
    scope.defined.discard("")
    return found


def training_scopes(model: ModelProto) -> list[Scope]:
    """The graphs of training information, which share the names of the model's graph."""
    graphs = (graph for training in model.training_info for graph in (training.initialization, training.algorithm))
    return [scope for graph in graphs for scope in _scopes_below(graph, None, None)]


def all_scopes(model: ModelProto) -> list[Scope]:
    """All graphs in a fixed order, outer ones first, then the functions with the graphs in them."""
    found = _scopes_below(model.graph, None, iter(range(1 << 62)))
    for function in model.functions:
        found += _scopes_below(function, None, None)
    return found


@dataclass(frozen=True)
class Uses:
    """Who reads each value: by scope (its identity) and name. functions: the scope of each function's body."""

    _by_value: dict[tuple[int, str], list[Use]]
    _functions: dict[FunctionKey, Scope]

    @classmethod
    def in_scopes(cls, scopes: list[Scope]) -> Uses:
        """Of all scopes of a model."""
        found: defaultdict[tuple[int, str], list[Use]] = defaultdict(list)
        for scope in scopes:
            for node in scope.body.node:
                for slot, name in enumerate(node.input):
                    owner = scope.owner(name) if name else None
                    if owner is not None:
                        found[id(owner), name].append(Use(scope, node, slot))
        functions = {key_of_function(s.body): s for s in scopes if isinstance(s.body, FunctionProto)}
        return cls(dict(found), functions)

    def readers(self, scope: Scope, name: str) -> list[Use]:
        """The inputs that read a value of a scope."""
        return self._by_value.get((id(scope), name), [])

    def called(self, use: Use) -> tuple[Scope, str] | None:
        """Where a value goes that a call of a function of the model reads: the body's scope, and its name there."""
        scope = self._functions.get(key_of_function(use.node))
        if scope is None or not isinstance(scope.body, FunctionProto) or use.slot >= len(scope.body.input):
            return None
        return scope, scope.body.input[use.slot]


def inputs_of(graph: GraphProto) -> list[ValueInfoProto]:
    """The inputs that a caller has to give: initializers can be inputs, too."""
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(tensor.values.name for tensor in graph.sparse_initializer)
    return [value for value in graph.input if value.name not in constants]


def replace_all(field: Any, items: list[Any]) -> None:
    """Make a repeated field hold these."""
    del field[:]
    field.extend(items)


def every_tensor(model: ModelProto) -> Iterator[TensorProto]:
    """Every tensor of a model, wherever it is, in a fixed order."""
    yield from _tensors_in(model.graph)
    for function in model.functions:
        yield from _tensors_of_nodes(function.node)
        for attribute in function.attribute_proto:
            yield from _tensors_of(attribute)
    for training in model.training_info:
        yield from _tensors_in(training.initialization)
        yield from _tensors_in(training.algorithm)


def _tensors_in(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from _tensors_of(attribute)


def tensors_at(attribute: AttributeProto) -> Iterator[TensorProto]:
    """The tensors of an attribute, but not those of graphs in it."""
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    if attribute.HasField("sparse_tensor"):
        yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
    for sparse in attribute.sparse_tensors:
        yield from (sparse.values, sparse.indices)


def _tensors_of(attribute: AttributeProto) -> Iterator[TensorProto]:
    yield from tensors_at(attribute)
    if attribute.HasField("g"):
        yield from _tensors_in(attribute.g)
    for graph in attribute.graphs:
        yield from _tensors_in(graph)
