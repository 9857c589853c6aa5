"""Reads an ONNX model as a network of int8 operators: QDQ and QOperator forms become one.

Names stand for values in two domains: integers, as QuantizeLinear makes them, and the real numbers they mean. Both
names of a tensor lead to the same Activation. The output of an operator in float32 is an Activation whose
quantisation is open until a QuantizeLinear closes it.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.onnx.lower import operators
from wpconvert.onnx.lower.attributes import Attributes
from wpconvert.onnx.lower.folding import FOLDABLE, fold, tensor_values
from wpconvert.onnx.lower.graph import Activation, Constant, Network, Node, Operand, Port, Quant, QuantCell, Shape
from wpconvert.onnx.lower.quantised import (
    FORMS,
    activation_quant,
    quantise_constant,
    quantised_constant,
    set_quant,
)
from wpconvert.tflite.model import element_count

_DOMAINS = ("", "ai.onnx", "com.microsoft")
_MAX_RANK = 8
_TYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "uint8",
}
_DYNAMIC = frozenset({"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul"})


def read_network(model: onnx.ModelProto) -> Network:
    """The model's operators on int8 tensors. Raises UnsupportedError or ModelError naming the node."""
    return _Importer(model).run()


class _Importer:
    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
        self._values: dict[str, Operand] = {}
        # Names of integer tensors; all other names mean real numbers.
        self._integers: set[str] = set()
        # Names of real numbers that were computed in float32 and not rounded yet.
        self._open: set[str] = set()
        self._uses = Counter(name for node in self._graph.node for name in node.input)
        self._uses.update(output.name for output in self._graph.output)
        self._nodes: list[Node] = []

    def run(self) -> Network:
        for tensor in self._graph.initializer:
            self._values[tensor.name] = Constant(tensor.name, tensor_values(tensor))
        if self._graph.sparse_initializer:
            raise UnsupportedError("sparse initializers")
        inputs = [self._input(info) for info in self._graph.input if info.name not in self._values]
        for proto in self._graph.node:
            where = f"node {proto.name or proto.output[0] if proto.output else ''!r} ({proto.op_type})"
            self._read(proto, where)
        return Network(inputs, [self._output(info) for info in self._graph.output], self._nodes)

    def _input(self, info: onnx.ValueInfoProto) -> Port:
        if not info.type.HasField("tensor_type") or info.type.tensor_type.elem_type not in _TYPES:
            raise UnsupportedError(f"input {info.name!r}: expected a tensor of type {', '.join(_TYPES.values())}")
        dtype = _TYPES[info.type.tensor_type.elem_type]
        activation = Activation(info.name, _input_shape(info), QuantCell())
        self._values[info.name] = activation
        if dtype != "float32":
            self._integers.add(info.name)
            activation.integers = info.name
        else:
            self._open.add(info.name)
        return Port(info.name, dtype, activation)

    def _output(self, info: onnx.ValueInfoProto) -> Port:
        value = self._values.get(info.name)
        if not isinstance(value, Activation):
            what = "missing" if value is None else "a constant"
            raise ModelError(f"output {info.name!r} is {what}, expected the result of a node")
        if value.source is not None:
            value.name = info.name
        return Port(info.name, _TYPES.get(info.type.tensor_type.elem_type, "float32"), value)

    def _read(self, proto: onnx.NodeProto, where: str) -> None:
        inputs = [self._value(name, where) for name in proto.input]
        if not proto.output:
            raise ModelError(f"{where}: it has no output")
        if proto.domain not in _DOMAINS:
            raise UnsupportedError(f"{where}: operator {proto.domain}.{proto.op_type} is not supported")
        attributes = Attributes(proto, where)
        if proto.op_type == "QuantizeLinear":
            self._quantise(proto, inputs, attributes, where)
        elif proto.op_type == "DequantizeLinear":
            self._dequantise(proto, inputs, attributes, where)
        elif proto.op_type in ("Identity", "Dropout") and inputs and inputs[0] is not None:
            self._alias(proto, inputs[0])
        elif proto.op_type == "Shape" and inputs and isinstance(inputs[0], Activation):
            self._values[proto.output[0]] = _shape(inputs[0], attributes, proto.output[0])
        elif proto.op_type in FORMS:
            self._read_form(proto, inputs, attributes, where)
        elif proto.op_type in FOLDABLE and all(value is None or isinstance(value, Constant) for value in inputs):
            constants = [value if isinstance(value, Constant) else None for value in inputs]
            self._values[proto.output[0]] = fold(proto, constants, self._opset, where)
        elif proto.op_type in ("Relu", "Clip") and self._is_open(proto.input[0]):
            self._clamp(proto, inputs, attributes, where)
        else:
            self._read_operator(proto, inputs, attributes, where)

    def _value(self, name: str, where: str) -> Operand | None:
        if not name:
            return None
        if name not in self._values:
            raise ModelError(f"{where}: reads {name!r}, which nothing before it computes")
        return self._values[name]

    def _is_open(self, name: str) -> bool:
        """The name is that of real numbers that no QuantizeLinear has rounded, and nothing else reads it."""
        value = self._values[name]
        computed = isinstance(value, Activation) and value.source is not None and name in self._open
        return computed and self._uses[name] == 1

    def _alias(self, proto: onnx.NodeProto, value: Operand) -> None:
        self._values[proto.output[0]] = value
        for names in (self._integers, self._open):
            if proto.input[0] in names:
                names.add(proto.output[0])

    def _quantise(
        self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
    ) -> None:
        value, scale, zero_point, *_ = [*inputs, None, None, None]
        if isinstance(value, Constant):
            axis = attributes.integer("axis", 1)
            self._values[proto.output[0]] = quantise_constant(value, scale, zero_point, axis, where)
            return
        if value is None:
            raise ModelError(f"{where}: input 0 is missing")
        quant, _ = activation_quant(scale, zero_point, where)
        if value.cell.quant is None:
            value.cell.quant = quant
            if value.source is not None:
                value.name = proto.input[0]
        elif value.cell.quant != quant:
            if proto.input[0] in self._open:
                raise UnsupportedError(f"{where}: {proto.input[0]!r} is quantised elsewhere with {value.cell.quant}")
            rescale = Node("QuantizeLinear", proto.name or proto.output[0], [value])
            value = Activation(proto.output[0], value.shape, QuantCell(quant), rescale)
            rescale.outputs = [value]
            self._nodes.append(rescale)
        value.integers = proto.output[0]
        self._values[proto.output[0]] = value
        self._integers.add(proto.output[0])

    def _dequantise(
        self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
    ) -> None:
        value, scale, zero_point, *_ = [*inputs, None, None, None]
        if attributes.integer("block_size", 0):
            raise UnsupportedError(f"{where}: quantised in blocks, supported are per tensor and per channel")
        if value is None:
            raise ModelError(f"{where}: input 0 is missing")
        if isinstance(value, Constant):
            axis = attributes.integer("axis", 1)
            self._values[proto.output[0]] = quantised_constant(value, scale, zero_point, axis, where)
            return
        if proto.input[0] not in self._integers:
            raise ModelError(f"{where}: dequantises {proto.input[0]!r}, which holds no integers")
        set_quant(value, activation_quant(scale, zero_point, where)[0], where)
        self._values[proto.output[0]] = value

    def _clamp(self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str) -> None:
        """An activation that the operator before it can apply."""
        value = inputs[0]
        assert isinstance(value, Activation) and value.source is not None
        low, high = operators.bounds(proto.op_type, inputs, attributes, where)
        node = value.source
        node.clamp = (min(max(node.clamp[0], low), high), max(min(node.clamp[1], high), low))
        self._values[proto.output[0]] = value
        self._open.add(proto.output[0])

    def _read_form(
        self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
    ) -> None:
        """An operator that carries scales, as the operator in the default domain."""
        form = FORMS[proto.op_type]
        inputs = [*inputs, *([None] * (form.output + 2 - len(inputs)))]
        positions = range(form.operands[0], len(inputs), 3) if form.variadic else form.operands
        operands: list[Operand | None] = []
        for position in positions:
            axis = 0
            if position == form.weights:
                axis = 0 if form.operator == "Conv" or attributes.integer("transB", 0) else -1
            operands.append(_given(inputs, position, axis, where))
        if form.bias is not None and form.bias < len(inputs):
            operands.append(inputs[form.bias])
        if inputs[form.output] is None:
            raise UnsupportedError(f"{where}: its output is float32; quantise it too")
        quant, _ = activation_quant(inputs[form.output], inputs[form.output + 1], where)
        node = self._append(form.operator, proto, operands, attributes, quant=quant)
        node.output.integers = proto.output[0]
        self._integers.add(proto.output[0])

    def _read_operator(
        self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
    ) -> None:
        if proto.op_type in _DYNAMIC:
            raise UnsupportedError(
                f"{where}: activations are quantised at run time; quantise statically "
                "(onnxruntime.quantization.quantize_static, or --calibrate DATA.npz on the float model)"
            )
        if proto.op_type not in operators.OPERATORS:
            raise UnsupportedError(f"{where}: operator {proto.op_type} is not supported; {operators.supported()}")
        integer = any(name in self._integers for name in proto.input)
        operator = operators.OPERATORS[proto.op_type]
        if integer and not (operator.copies or operator.moves):
            raise UnsupportedError(f"{where}: computes with the integers of a quantised tensor")
        for name in proto.input:
            if name in self._open and self._uses[name] > 1:
                raise UnsupportedError(f"{where}: reads {name!r} in float32, which other nodes read too; quantise it")
        node = self._append(proto.op_type, proto, inputs, attributes, integer=integer)
        if integer:
            node.output.integers = proto.output[0]
            self._integers.add(proto.output[0])

    def _append(
        self,
        op: str,
        proto: onnx.NodeProto,
        inputs: list[Operand | None],
        attributes: Attributes,
        quant: Quant | None = None,
        integer: bool = False,
    ) -> Node:
        node = Node(op, proto.name or proto.output[0], inputs, on_integers=integer)
        operator = operators.OPERATORS[op]
        if any(name for name in proto.output[1:]):
            raise UnsupportedError(f"{node}: {len(proto.output)} outputs, supported is one")
        shape = operator.read(node, attributes, self._opset)
        _check_shape(shape, str(node))
        cell = QuantCell(quant)
        if quant is None and (operator.copies or integer):
            cell = node.activation(0).cell
        if cell.quant is None and not integer:
            self._open.add(proto.output[0])
        node.outputs = [Activation(proto.output[0], shape, cell, node)]
        self._values[proto.output[0]] = node.output
        self._nodes.append(node)
        return node


def _given(inputs: list[Operand | None], position: int, axis: int, where: str) -> Operand:
    """An operand of the QOperator form with the quantisation that the node gives it."""
    value, scale, zero_point = [*inputs[position : position + 3], None, None, None][:3]
    if value is None:
        raise ModelError(f"{where}: input {position} is missing")
    if isinstance(value, Constant):
        return quantised_constant(value, scale, zero_point, axis, where)
    set_quant(value, activation_quant(scale, zero_point, where)[0], where)
    return value


def _input_shape(info: onnx.ValueInfoProto) -> Shape:
    """The shape of an input; an open batch size is 1."""
    shape = []
    for axis, dim in enumerate(info.type.tensor_type.shape.dim):
        if dim.HasField("dim_value"):
            shape.append(int(dim.dim_value))
        elif axis == 0:
            shape.append(1)
        else:
            raise UnsupportedError(
                f"input {info.name!r}: dimension {axis} ({dim.dim_param or '?'}) is open; fix it, for example "
                "with onnxruntime.tools.make_dynamic_shape_fixed"
            )
    _check_shape(tuple(shape), f"input {info.name!r}")
    return tuple(shape)


def _check_shape(shape: Shape, where: str) -> None:
    if len(shape) > _MAX_RANK or any(dim < 1 for dim in shape) or element_count(shape) >= 1 << 31:
        raise UnsupportedError(f"{where}: shape {list(shape)}, supported are up to {_MAX_RANK} positive dimensions")


def _shape(activation: Activation, attributes: Attributes, name: str) -> Constant:
    """Shape, from opset 15 on of a slice of the axes."""
    rank = activation.rank
    start, end = attributes.integer("start", 0), attributes.integer("end", rank)
    return Constant(name, np.array(activation.shape[slice(start, end)], np.int64))
