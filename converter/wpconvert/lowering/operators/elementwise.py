"""Add, Sub and Mul with broadcasting."""

from __future__ import annotations

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import AddOptions, MulOptions, SubOptions
from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import Shape
from wpconvert.lowering import layout
from wpconvert.lowering.affine import Array
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.layout import Perm
from wpconvert.lowering.network import Activation, Constant, Node, Operand
from wpconvert.lowering.operators.normalise import per_channel
from wpconvert.lowering.operators.registry import register

_MAX_RANK = 4
_TABLES = {"Add": AddOptions, "Sub": SubOptions, "Mul": MulOptions}


def read(node: Node, _attributes: Attributes, _opset: int) -> Shape:
    """The broadcast shape of both inputs, of which at least one is computed at run time."""
    first, second = node.operand(0), node.operand(1)
    try:
        shape = np.broadcast_shapes(first.shape, second.shape)
    except ValueError as error:
        raise ModelError(f"{node}: shapes {list(first.shape)} and {list(second.shape)} do not broadcast") from error
    if len(shape) > _MAX_RANK:
        raise UnsupportedError(f"{node}: {len(shape)} dimensions; supported: at most {_MAX_RANK}")
    for x, other, is_first in ((first, second, True), (second, first, False)):
        if isinstance(x, Activation) and isinstance(other, Constant) and x.shape == shape and is_per_channel(x, other):
            return per_channel(node, x, *_affine(node.op, other.real().reshape(-1), is_first))
    return shape


def is_per_channel(x: Activation, constant: Constant) -> bool:
    """One number per channel of an image, as ADD, SUB and MUL do not take them: real, or with several scales."""
    if constant.scales is not None and constant.scales.size == 1:
        return False
    shape = (1,) * (x.rank - len(constant.shape)) + constant.shape
    return x.rank == 4 and constant.values.size > 1 and shape == (1, x.shape[1], 1, 1)


def _affine(op: str, values: Array, is_first: bool) -> tuple[Array, Array]:
    """Factors and terms of the activation, which is the first operand or the second."""
    ones, zeros = np.ones_like(values), np.zeros_like(values)
    if op == "Mul":
        return values, zeros
    if op == "Add":
        return ones, values
    return (ones, -values) if is_first else (-ones, values)


def quotient(inputs: list[Operand | None]) -> list[Operand | None] | None:
    """The operands of the product that a quotient by a constant is; None for other quotients."""
    if len(inputs) != 2 or not isinstance(inputs[1], Constant) or not inputs[1].real().all():
        return None
    return [inputs[0], Constant(inputs[1].name, 1 / inputs[1].real())]


def emit(emitter: Emitter, node: Node) -> None:
    """Both inputs in the layout of the first one that has the output's rank."""
    rank = node.output.rank
    operands = [node.operand(0), node.operand(1)]
    leaders = [value for value in operands if isinstance(value, Activation) and value.rank == rank]
    perm = layout.identity(rank)
    if leaders:
        _, perm = emitter.plain(max(leaders, key=lambda value: int(np.prod(value.shape))))
    tensors = [_tensor(emitter, node, operand, perm) for operand in operands]
    emitter.result(node, node.op.upper(), tensors, perm, _TABLES[node.op]())


def _tensor(emitter: Emitter, node: Node, operand: Operand, perm: Perm) -> Tensor:
    """An operand with the output's rank, its axes in that order."""
    shape = (1,) * (node.output.rank - len(operand.shape)) + operand.shape
    memory = tuple(shape[axis] for axis in perm)
    if isinstance(operand, Constant):
        return _constant(emitter, node, operand, shape, perm)
    if operand.rank == node.output.rank:
        return emitter.laid_out(operand, perm)
    # Broadcasting puts axes of length 1 in front; the others keep the order they have in `perm`.
    missing = node.output.rank - operand.rank
    order = tuple(axis - missing for axis in perm if axis >= missing)
    return emitter.reshaped(operand, emitter.laid_out(operand, order), memory)


def _constant(emitter: Emitter, node: Node, constant: Constant, shape: Shape, perm: Perm) -> Tensor:
    """A quantised constant, or a single real number, which int8 holds at a scale of its own."""
    if constant.scales is None and constant.values.size == 1:
        real = float(constant.real().reshape(()))
        if not np.isfinite(real):
            raise UnsupportedError(f"{node}: the constant {constant.name!r} is {real}, expected a finite value")
        scales = np.array([abs(real) / 127 or 1.0], np.float32)
        values = np.full(shape, round(127 * np.sign(real)), np.int8)
    elif constant.scales is None or constant.scales.size != 1:
        raise UnsupportedError(f"{node}: the constant {constant.name!r} is not quantised per tensor")
    else:
        shift = 128 if constant.values.dtype == np.uint8 else 0
        point = (0 if constant.zero_points is None else int(constant.zero_points[0])) - shift
        values = (constant.values.astype(np.int16) - shift).astype(np.int8).reshape(shape)
        scales = constant.scales
        return emitter.constant(constant.name, values.transpose(perm), scales, zero_point=point)
    return emitter.constant(constant.name, values.transpose(perm), scales)


def read_sum(node: Node, attributes: Attributes, opset: int) -> Shape:
    """A sum of two is an Add."""
    if len(node.inputs) != 2:
        raise UnsupportedError(f"{node}: {len(node.inputs)} inputs; supported: 2")
    node.op = "Add"
    return read(node, attributes, opset)


for _name in _TABLES:
    register(_name, read, emit)
register("Sum", read_sum, emit)
