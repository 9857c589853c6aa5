"""Operators that move or rename values. Reshapes and transposes cost nothing until someone needs another layout."""

from __future__ import annotations

import math

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import ConcatenationOptions
from wpconvert.graph.types import Shape, element_count
from wpconvert.lowering import layout
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.layout import Storage
from wpconvert.lowering.network import Activation, Node
from wpconvert.lowering.operators.registry import register


def _listed(node: Node, attributes: Attributes) -> list[int] | None:
    """Axes of the attribute, from opset 13 on of the second input."""
    if node.optional(1) is not None:
        return node.integers(1)
    return attributes.integers("axes")


def read_flatten(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """Two dimensions: the axes before `axis`, and the others."""
    shape = node.activation(0).shape
    axis = attributes.integer("axis", 1)
    if axis != len(shape):
        axis = node.axis(axis, len(shape))
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def read_reshape(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """0 keeps a dimension unless allowzero says otherwise, −1 is what remains."""
    shape = node.activation(0).shape
    target = node.integers(1)
    if not attributes.integer("allowzero", 0):
        target = [shape[i] if length == 0 and i < len(shape) else length for i, length in enumerate(target)]
    known = math.prod(length for length in target if length != -1)
    size = element_count(shape)
    if target.count(-1) > 1 or known < 1 or size % known or (-1 not in target and known != size):
        raise ModelError(f"{node}: cannot reshape {list(shape)} to {target}")
    return tuple(size // known if length == -1 else length for length in target)


def read_squeeze(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """Without the listed axes, or all axes of length 1."""
    shape = node.activation(0).shape
    listed = _listed(node, attributes)
    if listed is None:
        return tuple(length for length in shape if length != 1)
    axes = {node.axis(axis, len(shape)) for axis in listed}
    if any(shape[axis] != 1 for axis in axes):
        raise ModelError(f"{node}: the axes {sorted(axes)} of {list(shape)} do not all have length 1")
    return tuple(length for axis, length in enumerate(shape) if axis not in axes)


def read_unsqueeze(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """With axes of length 1 at the listed places of the output."""
    shape = list(node.activation(0).shape)
    listed = _listed(node, attributes)
    if listed is None:
        raise ModelError(f"{node}: the axes are missing")
    rank = len(shape) + len(listed)
    for axis in sorted(node.axis(axis, rank) for axis in listed):
        shape.insert(axis, 1)
    return tuple(shape)


def emit_view(emitter: Emitter, node: Node) -> None:
    """The same memory."""
    emitter.alias(node, emitter.stored[node.activation(0)])


MOVES = frozenset({"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that leave every value as it is, under another index."""


def computing(node: Node) -> Node:
    """The node whose values a chain of views and transposes, each read by the next alone, ends with."""
    while node.op in MOVES:
        source = node.activation(0).source
        if source is None:
            break
        node = source
    return node


def read_transpose(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """The permutation; without one the axes are reversed."""
    x = node.activation(0)
    axes = attributes.integers("perm", list(range(x.rank))[::-1])
    if axes is None or sorted(axes) != list(range(x.rank)):
        raise ModelError(f"{node}: {axes} is not a permutation of {x.rank} dimensions")
    node.settings = tuple(axes)
    return tuple(x.shape[axis] for axis in axes)


def emit_transpose(emitter: Emitter, node: Node) -> None:
    """The same memory, its axes renamed."""
    x = node.activation(0)
    tensor, perm = emitter.plain(x)
    emitter.alias(node, [layout.transposed(Storage(tensor, x.shape, perm), node.settings)])


def read_concat(node: Node, attributes: Attributes, _opset: int) -> Shape:
    """Joined along an axis: activations, and constants between them."""
    shapes = [node.operand(position).shape for position in range(len(node.inputs))]
    if not shapes:
        raise ModelError(f"{node}: the node has no inputs")
    axis = node.axis(attributes.integer("axis", 0), len(shapes[0]))
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rest) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise ModelError(f"{node}: shapes {[list(shape) for shape in shapes]} cannot be concatenated along axis {axis}")
    if node.on_integers:
        if any(not isinstance(value, Activation) for value in node.inputs):
            raise UnsupportedError(f"{node}: concatenates integers with a constant; supported: float constants")
        if len({node.activation(position).cell.quant for position in range(len(node.inputs))}) != 1:
            raise UnsupportedError(f"{node}: concatenates integers with different scales")
    node.settings = axis
    length = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], length, *shapes[0][axis + 1 :])


def emit_concat(emitter: Emitter, node: Node) -> None:
    """CONCATENATION; inputs of another scale are rescaled first."""
    first = next((value for value in node.inputs if isinstance(value, Activation)), None)
    if first is None:
        raise UnsupportedError(f"{node}: concatenates only constants; at least one activation is required")
    _, perm = emitter.plain(first)
    quant, tensors = node.output.quant, []
    for value in node.inputs:
        if isinstance(value, Activation):
            tensors.append(emitter.rescaled(value.name, emitter.laid_out(value, perm), quant))
        elif value is not None:
            steps = quant.rounded(value.real()).transpose(perm)
            tensors.append(emitter.constant(value.name, steps, np.array([quant.scale]), zero_point=quant.zero_point))
    axis = perm.index(node.settings)
    emitter.result(node, "CONCATENATION", tensors, perm, ConcatenationOptions(axis=axis))


_VIEWS = {"Flatten": read_flatten, "Reshape": read_reshape, "Squeeze": read_squeeze, "Unsqueeze": read_unsqueeze}

for _name, _read in _VIEWS.items():
    register(_name, _read, emit_view, copies=True)
register("Transpose", read_transpose, emit_transpose, copies=True)
register("Concat", read_concat, emit_concat, moves=True)
