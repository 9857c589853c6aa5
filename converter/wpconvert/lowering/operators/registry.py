"""The table of ONNX operators that can be lowered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wpconvert.graph.types import Shape
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.curves import CURVED
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.network import Node

Reader = Callable[[Node, Attributes, int], Shape]
"""Takes node, attributes and opset; fills `node.settings`; returns the ONNX shape of the output."""

Emit = Callable[[Emitter, Node], None]
"""Appends the TFLite operators of a node."""


@dataclass(frozen=True)
class Operator:
    """copies: the output has values of the input alone, hence its quantisation. moves: it may also stand between
    integers, which then share one quantisation.
    """

    read: Reader
    emit: Emit
    copies: bool
    moves: bool


OPERATORS: dict[str, Operator] = {}

TABLE = "wpconvert.Table"
"""The node of a function, `settings`, that becomes a table."""

INTERNAL = frozenset({TABLE, "QuantizeLinear"})
"""Nodes that no ONNX operator becomes as it is."""


def register(name: str, read: Reader, emit: Emit, *, copies: bool = False, moves: bool = False) -> None:
    """Add an operator of the default domain."""
    OPERATORS[name] = Operator(read, emit, copies, moves)


def operator_names() -> list[str]:
    """ONNX's names of what can be lowered."""
    return sorted(CURVED.union(OPERATORS, {"Split"}).difference(INTERNAL))


def supported() -> str:
    """The same for a message."""
    return f"supported: {', '.join(operator_names())}"
