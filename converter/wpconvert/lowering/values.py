"""What the names of an ONNX graph stand for while it is read."""

from __future__ import annotations

import numpy as np
import onnx

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.types import Shape
from wpconvert.lowering import lines, operators
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.curves import Curve
from wpconvert.lowering.network import Activation, Constant, Node, Operand, Quant, QuantCell
from wpconvert.lowering.opset import opset_of
from wpconvert.lowering.shapes import check_shape
from wpconvert.lowering.uses import Uses, live_nodes

_MATRIX = 2
"""Dimensions of a matrix."""


class Values:
    """Values by name, the nodes that compute them, and the operations on names that reading a node comes down to."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._opset = opset_of(model)
        self._values: dict[str, Operand] = {}
        # Names of integer tensors and their types; all other names mean real numbers.
        self._integers: dict[str, str] = {}
        # Names of real numbers that were computed in float32 and not rounded yet.
        self._open: set[str] = set()
        self._protos = live_nodes(self._graph)
        self._uses = Uses(self._protos, self._graph)
        # What names of real numbers are as functions of one activation …
        self._curves: dict[str, Curve] = {}
        # … and those that no node of ours computes otherwise.
        self._functions: set[str] = set()
        self._nodes: list[Node] = []

    def _value(self, name: str, where: str) -> Operand | None:
        if not name:
            return None
        if name not in self._values:
            raise ModelError(f"{where}: reads {name!r}, which no earlier node computes")
        return self._values[name]

    def _is_open(self, name: str) -> bool:
        """The name is that of real numbers that no QuantizeLinear has rounded, and nothing else reads it."""
        value = self._values.get(name)
        computed = isinstance(value, Activation) and value.source is not None and name in self._open - self._functions
        return computed and self._uses[name] == 1

    def _is_rounded(self, proto: onnx.NodeProto) -> bool:
        """All it reads are real numbers that are quantised, functions of such, or an input that it alone reads."""
        return not any(name in self._integers or self._is_unrounded(name) for name in proto.input)

    def _is_unrounded(self, name: str) -> bool:
        value = self._values.get(name)
        if name not in self._open or name in self._curves or not isinstance(value, Activation):
            return False
        return value.source is not None or self._uses[name] > 1

    def _alias(self, proto: onnx.NodeProto, value: Operand) -> None:
        self._values[proto.output[0]] = value
        for names in (self._open, self._functions):
            if proto.input[0] in names:
                names.add(proto.output[0])
        if proto.input[0] in self._integers:
            self._integers[proto.output[0]] = self._integers[proto.input[0]]
        if proto.input[0] in self._curves:
            self._curves[proto.output[0]] = self._curves[proto.input[0]]

    def _function(self, proto: onnx.NodeProto, curve: Curve) -> None:
        """A node without an operator of its own."""
        name = proto.output[0]
        self._values[name] = self._tabulated(curve, name, QuantCell(), proto)
        self._curves[name] = curve
        self._open.add(name)
        self._functions.add(name)

    def _move(self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes) -> None:
        """A function of moved values is the function's values moved."""
        curve = self._curves[proto.input[0]]
        moved = self._append(proto.op_type, proto, [curve.source, *inputs[1:]], attributes).output
        self._function(proto, Curve(moved, curve.function))

    def _tabulated(self, curve: Curve, name: str, cell: QuantCell, proto: onnx.NodeProto) -> Activation:
        """The values of a function, which become a table once their quantisation is known."""
        node = Node(operators.TABLE, proto.name or name, [curve.source], curve, origin=proto.op_type)
        return self._computed(node, name, curve.source.shape, cell)

    def _computed(self, node: Node, name: str, shape: Shape, cell: QuantCell) -> Activation:
        """The output of a node, which comes after those that there are."""
        node.outputs = [Activation(name, shape, cell, node)]
        self._nodes.append(node)
        return node.output

    def _two_slopes(self, proto: onnx.NodeProto, x: Activation, slopes: Constant) -> None:
        """PRelu with a slope per channel: the positive part, and the product of the negative one and the slopes."""
        name, none = proto.name or proto.output[0], Attributes(onnx.NodeProto(), "")
        positive = self._node("Relu", name, [x], none, x.quant, integer=False).output
        negative = self._tabulated(
            Curve(x, lambda real: np.minimum(real, np.float32(0))), f"{name}/negative", QuantCell(x.quant), proto
        )
        product = self._node("Mul", f"{name}/product", [negative, slopes], none, None, integer=False).output
        result = self._append("Add", proto, [positive, product], none)
        # One of the terms is 0: the sum rounds no product again.
        product.cell = result.output.cell
        result.origin = proto.op_type

    def _append(
        self,
        op: str,
        proto: onnx.NodeProto,
        inputs: list[Operand | None],
        attributes: Attributes,
        quant: Quant | None = None,
        integer: bool = False,
    ) -> Node:
        name = proto.name or proto.output[0]
        if any(output for output in proto.output[1:]):
            raise UnsupportedError(f"node {name!r} ({op}): {len(proto.output)} outputs; supported: 1")
        if op == "Gemm" and attributes.integer("transA", 0):
            inputs = self._turned(inputs, name)
        axes = lines.missing_axes(op, inputs)
        if axes is not None:
            inputs, attributes = self._widened(inputs, name, axes), lines.lifted(attributes)
        node = self._node(op, name, inputs, attributes, quant, integer)
        if axes is not None:
            node = self._node("Squeeze", name, [node.output], axes, None, integer)
        node.output.name = proto.output[0]
        if node.output.cell.quant is None and not integer:
            self._open.add(proto.output[0])
        self._values[proto.output[0]] = node.output
        return node

    def _turned(self, inputs: list[Operand | None], name: str) -> list[Operand | None]:
        """The first of a Gemm's inputs transposed, as transA says."""
        x, *others = inputs
        if not isinstance(x, Activation) or x.rank != _MATRIX:
            return inputs
        perm = Attributes(onnx.helper.make_node("Transpose", [], [], perm=[1, 0]), name)
        return [self._node("Transpose", name, [x], perm, None, integer=False).output, *others]

    def _widened(self, inputs: list[Operand | None], name: str, axes: Attributes) -> list[Operand | None]:
        """The signals or columns among an operator's inputs as images."""
        x, *others = inputs
        if x is None:
            raise ModelError(f"{name}: input 0 is missing")
        node = self._node("Unsqueeze", name, [x], axes, None, integer=False)
        return [node.output, *(lines.widened(operand) for operand in others)]

    def _node(
        self,
        op: str,
        name: str,
        inputs: list[Operand | None],
        attributes: Attributes,
        quant: Quant | None,
        integer: bool,
    ) -> Node:
        node = Node(op, name, inputs, on_integers=integer)
        operator = operators.OPERATORS[op]
        shape = operator.read(node, attributes, self._opset)
        check_shape(shape, str(node))
        cell = QuantCell(quant)
        if quant is None and (operator.copies or integer):
            cell = node.activation(0).cell
        self._computed(node, name, shape, cell)
        return node
