"""Slice, and Split as a Slice for each output: STRIDED_SLICE."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import onnx

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.types import Shape
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.layout import Storage
from wpconvert.lowering.network import Activation, Constant, Node, Operand
from wpconvert.lowering.operators.registry import register

_POSITIONS = ("starts", "ends", "axes", "steps")


def _listed(node: Node, position: int) -> list[int] | None:
    return None if node.optional(position) is None else node.integers(position)


def read(node: Node, _attributes: Attributes, _opset: int) -> Shape:
    """Constant bounds; `settings` are the first element and the step of each axis."""
    shape = list(node.activation(0).shape)
    starts, ends, axes, steps = (_listed(node, position) for position in range(1, 5))
    if starts is None or ends is None:
        raise ModelError(f"{node}: starts or ends are missing")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or any(not -len(shape) <= a < len(shape) for a in axes):
        raise ModelError(f"{node}: {_POSITIONS} of {starts}, {ends}, {axes}, {steps} for {len(shape)} dimensions")
    if min(steps, default=1) < 1:
        raise UnsupportedError(f"{node}: steps {steps}; supported: positive steps")
    firsts, strides = [0] * len(shape), [1] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        length = node.activation(0).shape[axis]
        part = range(*slice(start, end, step).indices(length))
        # A step beyond the axis takes one element, however large it is.
        firsts[axis], strides[axis], shape[axis] = part.start, min(step, length), len(part)
    node.settings = firsts, strides
    return tuple(shape)


def emit(emitter: Emitter, node: Node) -> None:
    """In the layout of the input."""
    tensor, perm = emitter.plain(node.activation(0))
    firsts, strides = ([values[axis] for axis in perm] for values in node.settings)
    memory = tuple(node.output.shape[axis] for axis in perm)
    part = emitter.sliced(node.output.name, tensor, firsts, strides, memory)
    emitter.alias(node, [Storage(part, node.output.shape, perm)])


def parts_of(
    proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
) -> list[tuple[onnx.NodeProto, list[Operand | None]]]:
    """A Slice for each output of a Split, and its operands."""
    x = inputs[0] if inputs else None
    if not isinstance(x, Activation):
        raise UnsupportedError(f"{where}: input 0 is a constant, expected an activation")
    axis = attributes.integer("axis", 0)
    if not -x.rank <= axis < x.rank:
        raise ModelError(f"{where}: axis {axis} is out of range for {x.rank} dimensions")
    count, length = len(proto.output), x.shape[axis]
    each = -(-length // count)
    sizes = attributes.integers("split") or [min(each, length - each * index) for index in range(count)]
    listed = inputs[1] if len(inputs) > 1 else None
    if isinstance(listed, Activation):
        raise UnsupportedError(f"{where}: input 1 is computed at run time, expected a constant")
    if listed is not None:
        sizes = listed.integers(f"{where}: input 1")
    if len(sizes) != count or sum(sizes) != length or min(sizes) < 1:
        raise ModelError(f"{where}: splitting {length} elements into {sizes} does not match {count} outputs")
    parts: list[tuple[onnx.NodeProto, list[Operand | None]]] = []
    for index, (name, end) in enumerate(zip(proto.output, accumulate(sizes), strict=True)):
        bounds = [Constant("", np.array([value], np.int64)) for value in (end - sizes[index], end, axis)]
        if name:
            part = onnx.helper.make_node("Slice", proto.input[:1], [name], f"{proto.name or proto.output[0]}:{index}")
            parts.append((part, [x, *bounds]))
    return parts


register("Slice", read, emit, copies=True)
