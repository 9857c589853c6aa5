"""Reads an ONNX model as a network of int8 operators: QDQ and QOperator forms become one.

Names stand for values in two domains: integers, as QuantizeLinear makes them, and the real numbers they mean. Both
names of a tensor lead to the same Activation. The output of an operator in float32 is an Activation whose
quantisation is open until a QuantizeLinear closes it. What is a function of one quantised tensor is also kept as that
function: where TFLite's operators do not compute it, it becomes a table.
"""

from __future__ import annotations

import numpy as np
import onnx

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.onnx_graphs import DEFAULT_DOMAINS, inputs_of
from wpconvert.lowering import operators
from wpconvert.lowering.attributes import Attributes
from wpconvert.lowering.curves import CURVED, Curve, curve_of, is_identity
from wpconvert.lowering.folding import FOLDABLE, fold, tensor_values
from wpconvert.lowering.network import Activation, Constant, Network, Node, Operand, Port, Quant, QuantCell
from wpconvert.lowering.quantised import (
    FORMS,
    activation_quant,
    operands_of,
    output_type,
    quantise_constant,
    quantised_constant,
    set_quant,
)
from wpconvert.lowering.shapes import input_shape, shape_constant
from wpconvert.lowering.uses import ALIASES
from wpconvert.lowering.values import Values

_DOMAINS = (*DEFAULT_DOMAINS, "com.microsoft")
_TYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "uint8",
}
_CAST_FIRST = (
    onnx.TensorProto.INT16,
    onnx.TensorProto.UINT16,
    onnx.TensorProto.INT32,
    onnx.TensorProto.UINT32,
    onnx.TensorProto.INT64,
    onnx.TensorProto.BOOL,
)
"""Types of inputs that nothing but a Cast to float32 may read: after it they are real numbers."""
_DYNAMIC = frozenset({"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeMatMul"})

_HINTS = {"LogSoftmax": ", Softmax gives the same classes"}


def read_network(model: onnx.ModelProto) -> Network:
    """The model's operators on int8 tensors. Raises UnsupportedError or ModelError naming the node."""
    return _Importer(model).run()


class _Importer(Values):
    def run(self) -> Network:
        wanted = {name for proto in self._protos for name in proto.input}
        wanted.update(info.name for info in self._graph.output)
        for tensor in self._graph.initializer:
            if tensor.name in wanted:
                self._values[tensor.name] = Constant(tensor.name, tensor_values(tensor))
        if self._graph.sparse_initializer:
            raise UnsupportedError("sparse initializers are not supported")
        inputs = [self._input(info) for info in inputs_of(self._graph)]
        for proto in self._protos:
            where = f"node {proto.name or proto.output[0] if proto.output else ''!r} ({proto.op_type})"
            self._read(proto, where)
        return Network(inputs, [self._output(info) for info in self._graph.output], self._nodes)

    def _input(self, info: onnx.ValueInfoProto) -> Port:
        held = info.type.tensor_type.elem_type
        if not info.type.HasField("tensor_type") or held not in (*_TYPES, *_CAST_FIRST):
            raise UnsupportedError(f"input {info.name!r}: expected a tensor of type {', '.join(_TYPES.values())}")
        if held in _CAST_FIRST and any(info.name in p.input and not _makes_real(p) for p in self._protos):
            kind = onnx.TensorProto.DataType.Name(held)
            raise UnsupportedError(f"input {info.name!r} is {kind}; only a Cast to float32 can read it")
        dtype = _TYPES.get(held, "float32")
        activation = Activation(info.name, input_shape(info), QuantCell())
        self._values[info.name] = activation
        if dtype != "float32":
            self._integers[info.name] = dtype
            activation.integers = info.name
        else:
            self._open.add(info.name)
        return Port(info.name, dtype, activation)

    def _output(self, info: onnx.ValueInfoProto) -> Port:
        value = self._values.get(info.name)
        if not isinstance(value, Activation):
            what = "missing" if value is None else "a constant"
            raise ModelError(f"output {info.name!r} is {what}, expected the result of a node")
        if value.cell.quant is None and value.source is not None:
            self._end(info.name, value, value.source)
        if value.source is not None:
            value.name = info.name
        return Port(info.name, self._output_type(info), value)

    def _output_type(self, info: onnx.ValueInfoProto) -> str:
        """What the output holds, which its declaration, where there is one, must say too."""
        held = self._integers.get(info.name, "float32")
        declared = info.type.tensor_type.elem_type
        if declared == onnx.TensorProto.UNDEFINED:
            return held
        if declared not in _TYPES:
            raise UnsupportedError(f"output {info.name!r}: expected a tensor of type {', '.join(_TYPES.values())}")
        if _TYPES[declared] != held:
            raise ModelError(f"output {info.name!r} is declared as {_TYPES[declared]}, but is {held}")
        return held

    def _end(self, name: str, value: Activation, source: Node) -> None:
        """An output in float32: where its range is known it is quantised with that."""
        fixed = operators.FIXED.get(operators.computing(source).op)
        if fixed is not None:
            value.cell.quant = fixed
        elif name in self._curves and self._curves[name].source.cell.quant is not None:
            value.cell.quant = self._curves[name].own_quant()

    def _read(self, proto: onnx.NodeProto, where: str) -> None:
        inputs = [self._value(name, where) for name in proto.input]
        if not proto.output:
            raise ModelError(f"{where}: the node has no output")
        if proto.domain not in _DOMAINS:
            raise UnsupportedError(
                f"{where}: operator {proto.domain}.{proto.op_type} is not supported; {operators.supported()}"
            )
        attributes = Attributes(proto, where)
        if proto.op_type == "QuantizeLinear":
            self._quantise(proto, inputs, attributes, where)
        elif proto.op_type == "DequantizeLinear":
            self._dequantise(proto, inputs, attributes, where)
        elif proto.op_type in ALIASES and inputs and inputs[0] is not None:
            self._alias(proto, inputs[0])
        elif proto.op_type == "Shape" and inputs and isinstance(inputs[0], Activation):
            self._values[proto.output[0]] = shape_constant(inputs[0], attributes, proto.output[0])
        elif proto.op_type in FORMS:
            self._read_form(proto, inputs, attributes, where)
        elif proto.op_type in FOLDABLE and all(value is None or isinstance(value, Constant) for value in inputs):
            constants = [value if isinstance(value, Constant) else None for value in inputs]
            self._values[proto.output[0]] = fold(proto, constants, self._opset, where)
        elif (
            proto.op_type == "Cast"
            and inputs
            and isinstance(inputs[0], Activation)
            and proto.input[0] not in self._functions
        ):
            self._cast(proto, inputs[0], attributes, where)
        else:
            self._compute(proto, inputs, attributes, where)

    def _compute(self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str) -> None:
        curve = curve_of(proto, inputs, self._curves, self._opset, where) if self._is_rounded(proto) else None
        if proto.op_type in ("Relu", "Clip") and proto.input and self._is_open(proto.input[0]):
            self._clamp(proto, inputs, attributes, where)
        elif curve is not None and (
            proto.op_type not in operators.OPERATORS or any(name in self._open for name in proto.input)
        ):
            self._function(proto, curve)
        elif proto.op_type in operators.MOVES and inputs and proto.input[0] in self._functions:
            self._move(proto, inputs, attributes)
        else:
            self._read_operator(proto, inputs, attributes, where)
        if curve is not None:
            self._curves[proto.output[0]] = curve

    def _cast(self, proto: onnx.NodeProto, value: Activation, attributes: Attributes, where: str) -> None:
        """Integers as real numbers, each standing for itself."""
        port = next((info for info in self._graph.input if info.name == proto.input[0]), None)
        if attributes.integer("to", 0) != onnx.TensorProto.FLOAT or (proto.input[0] in self._integers and port is None):
            raise UnsupportedError(f"{where}: only casts of inputs to float32 are supported")
        if port is None or proto.input[0] not in self._integers:
            self._alias(proto, value)
            return
        is_unsigned = port.type.tensor_type.elem_type == onnx.TensorProto.UINT8
        set_quant(value, Quant(np.float32(1), -128 if is_unsigned else 0), where)
        self._values[proto.output[0]] = value

    def _quantise(
        self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
    ) -> None:
        value, scale, zero_point, *_ = [*inputs, None, None, None]
        if isinstance(value, Constant):
            self._values[proto.output[0]] = quantise_constant(value, scale, zero_point, attributes, where)
            return
        if value is None:
            raise ModelError(f"{where}: input 0 is missing")
        quant, dtype = activation_quant(scale, zero_point, output_type(attributes, where), where)
        curve = self._curves.get(proto.input[0])
        if curve is not None and curve.source.cell.quant is None:
            curve.source.cell.quant = curve.source_quant(quant)
        if curve is not None and not self._follows(proto.input[0], value, quant, curve):
            value = self._tabulated(curve, value.name, QuantCell(quant), proto)
        elif value.cell.quant is None:
            value.cell.quant = quant
            if value.source is not None:
                value.name = proto.input[0]
        elif value.cell.quant != quant:
            if proto.input[0] in self._open:
                raise UnsupportedError(f"{where}: {proto.input[0]!r} is also quantised with {value.cell.quant}")
            rescale = Node("QuantizeLinear", proto.name or proto.output[0], [value])
            value = self._computed(rescale, proto.output[0], value.shape, QuantCell(quant))
        self._round(proto, value, dtype)

    def _round(self, proto: onnx.NodeProto, value: Activation, dtype: str) -> None:
        """A node's output is the integers of a value, of that type."""
        value.integers = proto.output[0]
        self._values[proto.output[0]] = value
        self._integers[proto.output[0]] = dtype

    def _follows(self, name: str, value: Activation, quant: Quant, curve: Curve) -> bool:
        """The operator that computes a value can give it that quantisation, and has something to compute."""
        if value.cell.quant not in (None, quant) or value.source is None:
            return False
        if name in self._functions:
            return True
        return not is_identity(curve.table(quant)) and operators.follows(value.source, quant)

    def _dequantise(
        self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
    ) -> None:
        value, scale, zero_point, *_ = [*inputs, None, None, None]
        if attributes.integer("block_size", 0):
            raise UnsupportedError(
                f"{where}: blockwise quantisation is not supported; supported: per tensor and per channel"
            )
        if value is None:
            raise ModelError(f"{where}: input 0 is missing")
        if isinstance(value, Constant):
            axis = attributes.integer("axis", 1)
            self._values[proto.output[0]] = quantised_constant(value, scale, zero_point, axis, where)
            return
        if proto.input[0] not in self._integers:
            raise ModelError(f"{where}: dequantises {proto.input[0]!r}, which is not an integer tensor")
        held = self._integers[proto.input[0]]
        quant, dtype = activation_quant(scale, zero_point, held, where)
        if dtype != held:
            raise ModelError(f"{where}: the zero point has type {dtype}, the integers have type {held}")
        set_quant(value, quant, where)
        self._values[proto.output[0]] = value

    def _clamp(self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str) -> None:
        """An activation that the operator before it can apply."""
        value = inputs[0]
        if not isinstance(value, Activation) or value.source is None:
            raise UnsupportedError(f"{where}: clamps a value that no operator computes")
        low, high = operators.bounds(proto.op_type, inputs, attributes, where)
        node = operators.computing(value.source)
        node.clamp = (min(max(node.clamp[0], low), high), max(min(node.clamp[1], high), low))
        self._values[proto.output[0]] = value
        self._open.add(proto.output[0])

    def _read_form(
        self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
    ) -> None:
        """An operator that carries scales, as the operator in the default domain."""
        form = FORMS[proto.op_type]
        held = next((self._integers[name] for name in proto.input if name in self._integers), "uint8")
        operands, quant, dtype = operands_of(form, inputs, held, attributes, where)
        x, kernel = operands[0], operators.FIXED.get(form.operator)
        if isinstance(x, Activation) and kernel is not None and not operators.rescalable(kernel, quant):
            plain = onnx.helper.make_node(form.operator, [proto.input[0]], proto.output, proto.name)
            curve = curve_of(plain, [x], {}, self._opset, where)
            if curve is not None:
                self._round(proto, self._tabulated(curve, proto.output[0], QuantCell(quant), proto), dtype)
                return
        node = self._append(form.operator, proto, operands, attributes, quant=quant)
        operators.count_extra(operators.computing(node))
        self._round(proto, node.output, dtype)

    def _read_operator(
        self, proto: onnx.NodeProto, inputs: list[Operand | None], attributes: Attributes, where: str
    ) -> None:
        if proto.op_type in _DYNAMIC:
            raise UnsupportedError(
                f"{where}: activations are quantised at run time; quantise statically "
                "(onnxruntime.quantization.quantize_static, or --calibrate DATA.npz on the float model)"
            )
        op = proto.op_type
        if op == "PRelu" and self._is_rounded(proto) and len(inputs) == 2:
            x, slopes = inputs
            real = Constant(slopes.name, slopes.real()) if isinstance(slopes, Constant) else None
            if isinstance(x, Activation) and real is not None and operators.is_per_channel(x, real):
                self._two_slopes(proto, x, real)
                return
        if op == "Div" and (product := operators.quotient(inputs)) is not None:
            op, inputs = "Mul", product
        if op in CURVED.difference(operators.OPERATORS):
            raise UnsupportedError(
                f"{where}: only {proto.op_type} of one quantised tensor and single constants is supported"
            )
        if op == "Split":
            for part, operands in operators.parts_of(proto, inputs, attributes, where):
                self._read_operator(part, operands, Attributes(part, where), where)
            return
        if op not in operators.operator_names():
            hint = _HINTS.get(proto.op_type, "")
            raise UnsupportedError(f"{where}: operator {proto.op_type} is not supported{hint}; {operators.supported()}")
        held = next((self._integers[name] for name in proto.input if name in self._integers), "")
        operator = operators.OPERATORS[op]
        if held and not (operator.copies or operator.moves):
            raise UnsupportedError(f"{where}: computes directly on the integers of a quantised tensor")
        for name in proto.input:
            if name in self._open and self._uses[name] > 1:
                raise UnsupportedError(f"{where}: reads {name!r} in float32, and so do other nodes; quantise it")
        if op == "Pad" and held and [*inputs, None, None][2] is None:
            inputs = [*inputs[:2], Constant("", np.zeros(1, held)), *inputs[3:]]
        node = self._append(op, proto, inputs, attributes, integer=bool(held))
        if held:
            self._round(proto, node.output, held)


def _makes_real(proto: onnx.NodeProto) -> bool:
    """Whether a node is a Cast to float32, or asks for the shape alone."""
    to = next((attribute.i for attribute in proto.attribute if attribute.name == "to"), None)
    return proto.op_type == "Shape" or (proto.op_type == "Cast" and to == onnx.TensorProto.FLOAT)
