"""Make the model of a case, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tests.onnx.harness import Array, value
from tests.onnx.sweep.cases import QUANTISED, Case

_CODES = {
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "int4": TensorProto.INT4,
    "uint4": TensorProto.UINT4,
    "int2": TensorProto.INT2,
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float64": TensorProto.DOUBLE,
    "float8_e4m3fn": TensorProto.FLOAT8E4M3FN,
}
_INTEGERS = {"int8": (-128, 128), "uint8": (0, 256), "int4": (-8, 8), "uint4": (0, 16), "int2": (-2, 2)}
_BLOCK = 8
TWIN = "twin"
"""A second weight, whose data storage "twins" puts where that of the first one is."""


def weight_of(case: Case, generator: np.random.Generator, name: str) -> TensorProto:
    """A weight as an initializer with raw data, in the shape that its form asks for."""
    shape = {"transpose": (case.cols, case.rows), "reshape": (case.rows * case.cols,)}.get(
        case.form, (case.rows, case.cols)
    )
    code = _CODES[case.dtype]
    if case.dtype in _INTEGERS:
        values = generator.integers(*_INTEGERS[case.dtype], shape).astype(np.float64)
    else:
        values = generator.choice([-1.5, -0.5, 0.25, 1.0, 2.0], shape)
    values = np.where(generator.random(shape) < case.zeros, 0.0, values)
    tensor = helper.make_tensor(name, code, shape, values.astype(np.float32).reshape(-1))
    if not tensor.HasField("raw_data"):
        tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), name)
    if case.bits and case.dtype not in ("int4", "uint4", "int2"):
        raw = np.frombuffer(tensor.raw_data, np.uint8)
        anything = generator.integers(0, 256, len(raw), np.uint8)
        tensor.raw_data = np.where(generator.random(len(raw)) < case.zeros, raw, anything).tobytes()
    return tensor


class _Body:
    """Nodes and initializers of one graph, and the products in it."""

    def __init__(self, case: Case, prefix: str, generator: np.random.Generator) -> None:
        self.case, self.prefix, self.generator = case, prefix, generator
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []
        self._count = 0

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        name = f"{self.prefix}{len(self.nodes)}"
        domain = "" if op_type != "Product" else "functions"
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def constant(self, array: Array) -> str:
        name = f"{self.prefix}c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str) -> str:
        tensor = weight_of(self.case, self.generator, name)
        if self.case.place in ("constant", "constants"):
            self.nodes.append(helper.make_node("Constant", [], [name], name=f"{self.prefix}k", value=tensor))
        else:
            self.tensors.append(tensor)
        return name

    def product(self, x: str, weight: str) -> str:
        """x [1, rows] times a weight, [1, cols]."""
        case = self.case
        value_ = weight
        if case.form == "identity":
            value_ = self.node("Identity", value_)
        if case.form in ("dequantize", "per_channel", "blocked"):
            value_ = self._dequantised(value_)
        elif case.dtype != "float32":
            value_ = self.node("Cast", value_, to=TensorProto.FLOAT)
        if case.form == "transpose":
            value_ = self.node("Transpose", value_, perm=[1, 0])
        if case.form == "reshape":
            value_ = self.node("Reshape", value_, self.constant(np.array([case.rows, case.cols])))
        if case.place == "function":
            return self.node("Product", x, value_)
        return self.node("MatMul", x, value_)

    def _dequantised(self, weight: str) -> str:
        case = self.case
        assert case.dtype in QUANTISED
        shape = {"dequantize": (), "per_channel": (case.cols,), "blocked": (-(-case.rows // _BLOCK), case.cols)}
        scale = self.constant(self.generator.choice([0.5, 0.25, 2.0], shape[case.form]).astype(np.float32))
        if case.form == "dequantize":
            return self.node("DequantizeLinear", weight, scale)
        if case.form == "per_channel":
            return self.node("DequantizeLinear", weight, scale, axis=1)
        return self.node("DequantizeLinear", weight, scale, axis=0, block_size=_BLOCK)

    def graph(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> GraphProto:
        return helper.make_graph(self.nodes, name, inputs, outputs, self.tensors, doc_string=f"graph {name}")


def model_of_case(case: Case) -> ModelProto:
    """The model: y [1, cols] of x [1, rows], with all that a model can carry besides."""
    generator = np.random.default_rng(case.seed)
    main = _Body(case, "m", generator)
    main.tensors.append(numpy_helper.from_array(np.zeros((0, 3), np.float32), "empty"))
    result = _PLACES.get(case.place, _plain)(main)
    if case.storage == "twins":
        result = main.node("Add", result, main.product("x", main.weight(TWIN)))
    main.nodes.append(helper.make_node("Clip", [result, "", "limit"], ["y"], doc_string="the end"))
    main.tensors.append(numpy_helper.from_array(np.array(1e30, np.float32), "limit"))
    graph = main.graph("main", [value("x", ["batch", case.rows])], [value("y", ["batch", case.cols])])
    if case.place == "output":
        weight = next(t for t in graph.initializer if t.name == case.name)
        graph.output.append(value(case.name, weight.dims, weight.data_type))
    if case.ir_version < 4 or case.place == "input":
        graph.input.extend(value(t.name, t.dims, t.data_type) for t in graph.initializer)
    opsets = [helper.make_opsetid(case.domain, case.opset)]
    if case.place == "function":
        opsets.append(helper.make_opsetid("functions", 3))
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=case.ir_version, producer_name="a test", producer_version="1.2",
        domain="some.where", model_version=7, doc_string="a model",
    )  # fmt: skip
    model.metadata_props.add(key="author", value="somebody")
    if case.place == "function":
        product = helper.make_node("MatMul", ["a", "b"], ["c"])
        imports = [helper.make_opsetid("", case.opset)]
        model.functions.append(helper.make_function("functions", "Product", ["a", "b"], ["c"], [product], imports))
        model.functions[0].doc_string = "ours"
    if case.place == "annotated":
        entry = model.graph.quantization_annotation.add(tensor_name=case.name)
        entry.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="limit")
    if case.place == "trained":
        training = model.training_info.add()
        step = helper.make_node("Identity", [case.name], ["new"])
        weight = next(t for t in graph.initializer if t.name == case.name)
        training.algorithm.CopyFrom(
            helper.make_graph([step], "step", [], [value("new", weight.dims, weight.data_type)])
        )
        training.update_binding.add(key=case.name, value="new")
    return model


def _plain(main: _Body) -> str:
    return main.product("x", main.weight(main.case.name))


def _shared(main: _Body) -> str:
    weight = main.weight(main.case.name)
    return main.node("Add", main.product("x", weight), main.product("x", weight))


def _branch(main: _Body, name: str, weight: str | None, prefix: str) -> GraphProto:
    """A branch that multiplies with a weight of its own, or one of a graph around it."""
    body = _Body(main.case, prefix, main.generator)
    result = body.product("x", weight or body.weight(name))
    return body.graph(prefix, [], [value(result, ["batch", main.case.cols])])


def _if(main: _Body, weight: str | None) -> str:
    shape = main.node("ReduceSum", "x", keepdims=0)
    zero = main.constant(np.array(0, np.float32))
    condition = main.node("Greater", shape, zero)
    name = main.case.name
    return main.node(
        "If", condition, then_branch=_branch(main, name, weight, "t"), else_branch=_branch(main, name, weight, "e")
    )


def _across(main: _Body) -> str:
    weight = main.weight(main.case.name)
    return main.node("Add", main.product("x", weight), _if(main, weight))


def _shadowed(main: _Body) -> str:
    weight = main.weight(main.case.name)
    return main.node("Add", main.product("x", weight), _if(main, None))


def _loop(main: _Body) -> str:
    """Sums of products, three times."""
    case = main.case
    body = _Body(case, "l", main.generator)
    kept = body.node("Identity", "go")
    result = body.node("Add", "state", body.product("x", body.weight(case.name)))
    return _looped(main, body, kept, result)


def _looped(main: _Body, body: _Body, kept: str, result: str) -> str:
    shape: list[int | str] = ["batch", main.case.cols]
    inputs = [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("state", shape)]
    graph = body.graph("body", inputs, [value(kept, [], TensorProto.BOOL), value(result, shape)])
    start = main.product("x", main.weight("start"))
    times, always = main.constant(np.array(3)), main.constant(np.array(True))
    return main.node("Loop", times, always, start, body=graph)


def _nested(main: _Body) -> str:
    """An If within a Loop."""
    body = _Body(main.case, "l", main.generator)
    kept = body.node("Identity", "go")
    result = body.node("Add", "state", _if(body, None))
    return _looped(main, body, kept, result)


def _scan(main: _Body) -> str:
    """A state that a product of each row of x is added to."""
    case = main.case
    body = _Body(case, "s", main.generator)
    row = body.node("Reshape", "row", body.constant(np.array([1, case.rows])))
    result = body.node("Add", "state", body.product(row, body.weight(case.name)))
    inputs = [value("state", [1, case.cols]), value("row", [case.rows])]
    graph = body.graph("body", inputs, [value(result, [1, case.cols])])
    start = main.constant(np.zeros((1, case.cols), np.float32))
    return main.node("Scan", start, "x", body=graph, num_scan_inputs=1)


_PLACES = {
    "shared": _shared,
    "across": _across,
    "if": lambda main: _if(main, None),
    "constants": lambda main: _if(main, None),
    "shadowed": _shadowed,
    "loop": _loop,
    "nested": _nested,
    "scan": _scan,
}
