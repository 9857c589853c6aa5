"""Graphs as exporters and quantisers leave them: shared, repeated, dead, renamed, ended anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import file_inputs, operators, real_outputs, run_onnx, steps_apart
from wpconvert.engines.native import NativeEngine
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.lowering import lower
from wpconvert.reference.interpreter import Interpreter

WEIGHTS = np.random.default_rng(5).integers(-127, 128, (4, 3, 3, 3), dtype=np.int8)
FEEDS = {"x": np.random.default_rng(1).normal(0, 0.5, (1, 3, 8, 8)).astype(np.float32)}


def image(b: Builder) -> str:
    return b.input("x", ("batch", 3, 8, 8))


def convolved(b: Builder) -> str:
    return b.op("Conv", image(b), b.weights(WEIGHTS))


def agrees(b: Builder, *expected: str, far: float = 2.01) -> None:
    """The operators are these, results within a step of each other, outputs within a few, our engines the same."""
    model = b.build()
    lowered = lower(model, "model")
    assert operators(lowered) == list(expected)
    if expected:
        assert max(steps_apart(model, FEEDS).values()) <= 1
    for found, wanted in zip(real_outputs(lowered, FEEDS), run_onnx(model, FEEDS).values(), strict=True):
        assert np.abs(found - wanted).max() <= far * 0.12
    file = parse(lowered.data)
    inputs: list[NDArray[Any]] = list(file_inputs(lowered, FEEDS))
    [native] = NativeEngine().run(file, [inputs], lambda: None)
    for one, other in zip(native, Interpreter(read_graph(file)).run(inputs), strict=True):
        assert (one == other).all()


def test_two_roundings_in_a_row() -> None:
    b = Builder()
    b.output(b.rounded(b.rounded(convolved(b), 0.1), 0.07, 3))
    agrees(b, "CONV_2D", "QUANTIZE")


def test_a_tensor_that_several_operators_read() -> None:
    b = Builder()
    x = image(b)
    y = b.rounded(b.op("Relu", x), 0.03, -128)
    z = b.rounded(b.op("Sigmoid", x), 1 / 256, -128)
    b.output(b.rounded(b.op("Mul", y, z), 0.02, -128))
    agrees(b, "QUANTIZE", "LOGISTIC", "MUL")


def test_repeated_quantisers() -> None:
    b = Builder()
    y = convolved(b)
    quantised = b.quantised(y, 0.1)
    first, second = b.op("DequantizeLinear", *quantised), b.op("DequantizeLinear", *quantised)
    third = b.rounded(y, 0.1)
    b.output(b.rounded(b.op("Add", b.rounded(b.op("Add", first, second), 0.12), third), 0.12))
    agrees(b, "CONV_2D", "ADD", "ADD")


def test_quantisers_around_views() -> None:
    b = Builder()
    y = b.rounded(b.op("Reshape", b.rounded(convolved(b), 0.1), b.indices([1, 4, 36])), 0.1)
    y = b.rounded(b.op("Transpose", y, perm=[0, 2, 1]), 0.1)
    weights = np.arange(-10, 10, dtype=np.int8).reshape(4, 5)
    b.output(b.rounded(b.op("MatMul", y, b.weights(weights)), 0.1))
    agrees(b, "CONV_2D", "RESHAPE", "RESHAPE", "FULLY_CONNECTED", "RESHAPE")


def test_a_view_with_another_scale() -> None:
    b = Builder()
    y = b.rounded(b.op("Flatten", b.rounded(convolved(b), 0.1)), 0.11)
    b.output(b.rounded(b.op("Relu", y), 0.11))
    agrees(b, "CONV_2D", "QUANTIZE", "RELU", "TRANSPOSE", "RESHAPE")


def test_outputs_within_the_graph_and_of_one_value() -> None:
    b = Builder()
    y = b.rounded(convolved(b), 0.1)
    b.output(y)
    b.output(b.rounded(b.op("Relu", y), 0.1))
    b.output(b.op("Identity", y))
    agrees(b, "CONV_2D", "RELU")


def test_an_output_as_integers() -> None:
    b = Builder("uint8")
    result, *_ = b.quantised(convolved(b), 0.1)
    b.output(result, TensorProto.UINT8)
    lowered = lower(b.build(), "model")
    assert lowered.outputs[0].dtype == "uint8"
    assert max(steps_apart(b.build(), FEEDS).values()) <= 1


def test_an_input_that_is_an_output() -> None:
    b = Builder()
    x = image(b)
    b.output(b.rounded(b.op("Relu", x), 0.03))
    b.output("x")
    agrees(b, "QUANTIZE", "RELU")


def test_a_model_without_operators() -> None:
    b = Builder()
    b.output(image(b))
    agrees(b)


def test_what_nothing_reads_does_not_matter() -> None:
    b = Builder()
    y = convolved(b)
    b.op("NonZero", y)
    b.op("Shape", b.op("Erf", y))
    b.initializers.append(TensorProto(name="words", data_type=TensorProto.STRING, dims=[1], string_data=[b"unused"]))
    b.output(b.rounded(b.op("Relu", y), 0.1))
    agrees(b, "CONV_2D")


def test_an_input_that_nothing_reads_stays_one() -> None:
    b = Builder()
    y = image(b)
    b.inputs.append(helper.make_tensor_value_info("unread", TensorProto.FLOAT, (1, 2)))
    b.output(b.rounded(b.op("Relu", y), 0.1))
    assert [mapping.name for mapping in lower(b.build(), "model").inputs] == ["x", "unread"]


def test_a_value_under_two_names_is_not_clamped_for_both() -> None:
    b = Builder()
    y = convolved(b)
    clamped = b.rounded(b.op("Relu", b.op("Identity", y)), 0.1)
    b.output(b.rounded(b.op("Add", clamped, b.rounded(y, 0.1)), 0.2))
    with pytest.raises(UnsupportedError, match=r"reads .* in float32, and so do other nodes"):
        lower(b.build(), "model")


@pytest.mark.parametrize("name", ["", "ä/☃:0;\n\"'\\", "a" * 300])
def test_names_of_any_kind(name: str) -> None:
    b = Builder()
    b.output(b.rounded(b.op("Relu", convolved(b)), 0.1))
    for index, node in enumerate(b.nodes):
        node.name = f"{name}{index}" if name else ""
    renamed = {output: f"{name}{output}" for node in b.nodes for output in node.output}
    for node in b.nodes:
        for field in (node.input, node.output):
            values = [renamed.get(value, value) for value in field]
            del field[:]
            field.extend(values)
    b.outputs[0].name = renamed[b.outputs[0].name]
    agrees(b, "CONV_2D")


def test_nodes_that_stand_in_a_circle_are_refused() -> None:
    b = Builder()
    b.nodes.append(helper.make_node("Identity", ["a"], ["b"]))
    b.nodes.append(helper.make_node("Identity", ["b"], ["a"]))
    b.output("b")
    image(b)
    with pytest.raises(ModelError, match="reads 'a', which no earlier node computes"):
        lower(b.build(), "model")


def test_a_long_chain_of_functions_is_computed_once_each() -> None:
    b = Builder()
    y = image(b)
    for _ in range(60):
        y = b.op("Tanh", b.op("Add", y, y))
    b.output(b.rounded(y, 1 / 128))
    model: onnx.ModelProto = b.build()
    assert operators(lower(model, "model")) == ["WP_LOOKUP"]
    assert max(steps_apart(model, FEEDS).values()) <= 1


def with_functions(*bodies: tuple[str, str]) -> onnx.ModelProto:
    """A Conv and the first of functions of two nodes; each is Neg and the operator named with it."""
    b = Builder()
    y = b.rounded(convolved(b), 0.1)
    b.output(b.rounded(b.op(bodies[0][0], y, domain="local"), 0.1))
    model = b.build()
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    model.opset_import.append(opsets[1])
    for name, op in bodies:
        domain = "local" if op in dict(bodies) else ""
        nodes = [helper.make_node("Neg", ["a"], ["b"]), helper.make_node(op, ["b"], ["c"], domain=domain)]
        model.functions.append(helper.make_function("local", name, ["a"], ["c"], nodes, opsets))
    return model


def test_functions_of_the_model_are_put_in_place() -> None:
    model = with_functions(("Outer", "Inner"), ("Inner", "Sigmoid"))
    assert operators(lower(model, "model")) == ["CONV_2D", "WP_LOOKUP"]
    assert max(steps_apart(model, FEEDS).values()) <= 1


def test_functions_that_call_themselves_are_refused() -> None:
    with pytest.raises(ModelError, match="its functions are recursive"):
        lower(with_functions(("Outer", "Inner"), ("Inner", "Outer")), "model")


def test_functions_that_would_fill_the_memory_are_refused() -> None:
    model = with_functions(*((f"F{i}", f"F{i + 1}") for i in range(40)), ("F40", "Abs"))
    for function in model.functions[:-1]:
        function.node[0].CopyFrom(function.node[1])
        function.node[0].output[0] = "b"
        function.node[0].input[0] = "a"
    with pytest.raises(UnsupportedError, match="its functions expand to more than 100000 nodes"):
        lower(model, "model")
