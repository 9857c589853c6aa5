"""Which weights are found and rewritten: of every operator, operator set and IR version, in every kind of graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.onnx.harness import (
    check,
    conv_model,
    converted,
    if_model,
    matmul_model,
    model_of,
    save,
    sparse,
    value,
)

OPERATORS: dict[str, tuple[list[str], str, tuple[int, ...], str, list[int], str, dict[str, Any]]] = {
    # inputs ("x" is computed, "w" the weight), operator, shape and type of the weight, shape and type of x
    "Conv": (["x", "w"], "Conv", (32, 8, 3, 3), "float32", [1, 8, 6, 6], "float32", {}),
    "ConvTranspose": (["x", "w"], "ConvTranspose", (8, 32, 3, 3), "float32", [1, 8, 6, 6], "float32", {}),
    "Gemm": (["x", "w"], "Gemm", (96, 64), "float32", [1, 96], "float32", {}),
    "Gemm transposed": (["x", "w"], "Gemm", (64, 96), "float32", [1, 96], "float32", {"transB": 1}),
    "Gemm first": (["w", "x"], "Gemm", (64, 96), "float32", [96, 4], "float32", {}),
    "MatMul": (["x", "w"], "MatMul", (96, 64), "float32", [2, 96], "float32", {}),
    "MatMul first": (["w", "x"], "MatMul", (64, 96), "float32", [96, 2], "float32", {}),
    "MatMul half": (["x", "w"], "MatMul", (96, 64), "float16", [2, 96], "float16", {}),
    "ConvInteger": (["x", "w"], "ConvInteger", (32, 8, 3, 3), "int8", [1, 8, 6, 6], "uint8", {}),
    "MatMulInteger": (["x", "w"], "MatMulInteger", (96, 64), "int8", [2, 96], "int8", {}),
    "QLinearConv": (
        ["x", "s", "u", "w", "s", "z", "s", "u"],
        "QLinearConv",
        (32, 8, 3, 3),
        "int8",
        [1, 8, 6, 6],
        "uint8",
        {},
    ),
    "QLinearMatMul": (
        ["x", "s", "u", "w", "s", "z", "s", "u"],
        "QLinearMatMul",
        (96, 64),
        "int8",
        [2, 96],
        "uint8",
        {},
    ),
}


def operator_model(case: str, opset: int = 17) -> ModelProto:
    inputs, operator, shape, dtype, x_shape, x_type, attributes = OPERATORS[case]
    types = {name: helper.np_dtype_to_tensor_dtype(np.dtype(name)) for name in ("float32", "float16", "int8", "uint8")}
    constants = {"w": sparse(shape, dtype)}
    if "s" in inputs:
        constants |= {"s": np.array(0.05, np.float32), "z": np.array(0, np.int8), "u": np.array(128, np.uint8)}
    result = {"ConvInteger": TensorProto.INT32, "MatMulInteger": TensorProto.INT32}.get(operator, types[x_type])
    node = helper.make_node(operator, inputs, ["y"], **attributes)
    rank = len(shape)
    y = helper.make_tensor_value_info("y", result, [None] * rank)
    return model_of([node], constants, [value("x", x_shape, types[x_type])], [y], opset)


@pytest.mark.parametrize("case", OPERATORS)
def test_weights_of_every_operator_are_rewritten(case: str, tmp_path: Path) -> None:
    source = save(operator_model(case), tmp_path / "model.onnx")
    target, done = converted(source, "auto")
    (result,) = [tensor for tensor in done.report.tensors if tensor.name == "w"]
    assert result.method != "none" and result.operators == (OPERATORS[case][1],)
    check(source, target, run=case != "MatMul half")


@pytest.mark.parametrize("opset", [11, 12, 13, 15, 18, 21, 23, 25])
def test_every_operator_set(opset: int, tmp_path: Path) -> None:
    source = save(conv_model(opset, 10), tmp_path / "model.onnx")
    target, done = converted(source)
    assert done.report.rewritten == 2
    check(source, target)


@pytest.mark.parametrize("ir_version", [3, 4, 7, 8, 10])
def test_every_ir_version_and_initializers_that_have_to_be_inputs(ir_version: int, tmp_path: Path) -> None:
    source = save(conv_model(11, ir_version), tmp_path / "model.onnx")
    target, done = converted(source)
    assert done.report.rewritten == 2
    check(source, target)


def test_subgraphs_weights_that_they_capture_and_shared_ones(tmp_path: Path) -> None:
    source = save(if_model(), tmp_path / "model.onnx")
    target, done = converted(source)
    assert {tensor.key for tensor in done.report.tensors} == {"0:w1", "0:w2", "0:shared", "1:w", "2:w"}
    assert done.report.rewritten == 5
    check(source, target)


def test_loop_and_scan_bodies(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["next"]),
            helper.make_node("Identity", ["go"], ["still"]),
        ],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("state", [1, 64])],
        [value("still", [], TensorProto.BOOL), value("next", [1, 64])],
        [numpy_helper.from_array(sparse((64, 64), "float32"), "w")],
    )
    nodes = [helper.make_node("Loop", ["count", "go", "x"], ["y"], body=body)]
    constants = {"count": np.array(3, np.int64), "go": np.array(True)}
    source = save(model_of(nodes, constants, [value("x", [1, 64])], [value("y", [1, 64])]), tmp_path / "model.onnx")
    target, done = converted(source)
    assert [tensor.key for tensor in done.report.tensors if tensor.method == "bitmap"] == ["1:w"]
    check(source, target)


def test_weights_that_functions_of_the_model_multiply_with(tmp_path: Path) -> None:
    product = helper.make_function(
        "mine",
        "Product",
        ["a", "b"],
        ["c"],
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        [helper.make_opsetid("", 17)],
    )
    nodes = [helper.make_node("Product", ["x", "w"], ["y"], domain="mine")]
    model = model_of(nodes, {"w": sparse((64, 64), "float32")}, [value("x", [1, 64])], [value("y", [1, 64])])
    model.functions.append(product)
    model.opset_import.append(helper.make_opsetid("mine", 1))
    source = save(model, tmp_path / "model.onnx")
    target, done = converted(source)
    assert done.report.tensors[0].operators == ("MatMul",)
    assert done.report.rewritten == 1
    check(source, target)


def test_a_weight_that_a_caller_may_replace_stays_and_says_why(tmp_path: Path) -> None:
    model = conv_model()
    model.graph.input.append(value("conv.weight", [64, 3, 3, 3]))
    source = save(model, tmp_path / "model.onnx")
    target, done = converted(source)
    by_name = {tensor.name: tensor for tensor in done.report.tensors}
    assert by_name["conv.weight"].reason == "is also an input of the graph, so a caller can replace it"
    assert by_name["fc.weight"].method == "bitmap"
    check(source, target)


def test_a_weight_that_is_an_output_too(tmp_path: Path) -> None:
    model = conv_model()
    model.graph.output.append(value("conv.weight", [64, 3, 3, 3]))
    source = save(model, tmp_path / "model.onnx")
    target, done = converted(source)
    assert done.report.rewritten == 2
    check(source, target)


@pytest.mark.parametrize("method", ["bitmap", "packed", "huffman", "auto"])
@pytest.mark.parametrize("data_type", [TensorProto.INT4, TensorProto.UINT4], ids=["int4", "uint4"])
def test_weights_of_four_bits(data_type: int, method: str, tmp_path: Path) -> None:
    values = np.abs(sparse((201, 203), zeros=0.9)) % 8
    weight = helper.make_tensor("w", data_type, values.shape, values.astype(int).reshape(-1).tolist())
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"]),
        helper.make_node("MatMul", ["x", "d"], ["y"]),
    ]
    scale = {"s": np.array(0.1, np.float32)}
    for opset, rewritten in ((21, 1), (20, 0)):
        model = model_of(nodes, scale, [value("x", [1, 201])], [value("y", [1, 203])], opset, 10)
        model.graph.initializer.append(weight)
        folder = tmp_path / str(opset)
        folder.mkdir()
        source = save(model, folder / "model.onnx")
        target, done = converted(source, method)
        assert done.report.rewritten == rewritten
        if rewritten:
            check(source, target)


ODD_TYPES = [
    TensorProto.DOUBLE,
    TensorProto.INT32,
    TensorProto.BFLOAT16,
    TensorProto.FLOAT8E4M3FN,
    TensorProto.FLOAT4E2M1,
    TensorProto.INT2,
    TensorProto.COMPLEX64,
]


@pytest.mark.parametrize("data_type", ODD_TYPES, ids=TensorProto.DataType.Name)
def test_weights_of_other_types_stay_with_the_reason(data_type: int, tmp_path: Path) -> None:
    weight = TensorProto(name="w", data_type=data_type, dims=[64, 64])
    dtype = helper.tensor_dtype_to_np_dtype(data_type)
    small: dict[int, int] = {TensorProto.FLOAT4E2M1: 4, TensorProto.INT2: 2}
    bits = small.get(data_type, 8 * dtype.itemsize)
    weight.raw_data = bytes(64 * 64 * bits // 8)
    source = save(matmul_model(weight), tmp_path / "model.onnx")
    for method in ("auto", "packed"):
        _, done = converted(source, method)
        (result,) = done.report.tensors
        reason = str(result.reason)
        assert result.method == "none" and ("are not supported" in reason or "cannot store it" in reason)
