"""Whatever a model is made of: the rewritten one is sound, smaller, computes the same bits, and can be restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.onnx.harness import (
    check,
    content,
    conv_model,
    converted,
    grown,
    if_model,
    matmul_model,
    model_of,
    outputs,
    save,
    sparse,
    value,
)
from wpconvert.engines.inputs import random_samples
from wpconvert.errors import UsageError
from wpconvert.model.pooling import PoolSettings
from wpconvert.model.rules import Rule
from wpconvert.onnx.convert import METHODS
from wpconvert.onnx.file import read
from wpconvert.onnx.files import Target
from wpconvert.onnx.ports import ports_of
from wpconvert.onnx.restore import restore
from wpconvert.onnx.verify import verify_onnx

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


@pytest.mark.parametrize("method", [method for method in METHODS if method != "pool"])
@pytest.mark.parametrize("external", [False, True], ids=["inside", "outside"])
def test_every_method_inside_and_outside_the_file(method: str, external: bool, tmp_path: Path) -> None:
    source = save(conv_model(), tmp_path / "model.onnx", external)
    target, done = converted(source, method)
    check(source, target)
    assert (target.data in target.files) == external
    assert done.changed == (done.report.rewritten > 0)
    if method == "none":
        assert not done.changed


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
    assert by_name["conv.weight"].reason == "it is an input of the graph too: a caller may replace it"
    assert by_name["fc.weight"].method == "bitmap"
    check(source, target)


def test_a_weight_that_is_an_output_too(tmp_path: Path) -> None:
    model = conv_model()
    model.graph.output.append(value("conv.weight", [64, 3, 3, 3]))
    source = save(model, tmp_path / "model.onnx")
    target, done = converted(source)
    assert done.report.rewritten == 2
    check(source, target)


ODD_NAMES = ["a b", "Ünï/çødé", "quote\"'", "new\nline", "conv.weight/bits", "{}", "a:b", "[red]", "\\", "🙂" * 40]


def test_names_with_odd_characters(tmp_path: Path) -> None:
    weights = {name: sparse((32, 32), "float32", seed=i) for i, name in enumerate(ODD_NAMES)}
    nodes, last = [], "x"
    for i, name in enumerate(ODD_NAMES):
        nodes.append(helper.make_node("MatMul", [last, name], [last := f"y/{i}"]))
    model = model_of(nodes, weights, [value("x", [1, 32])], [value(last, [1, 32])])
    source = save(model, tmp_path / "model.onnx")
    target, done = converted(source)
    assert done.report.rewritten == len(ODD_NAMES)
    check(source, target)


def test_names_that_are_taken_are_not_taken_again(tmp_path: Path) -> None:
    model = conv_model()
    taken = [f"conv.weight/{suffix}" for suffix in ("bits", "values", "shape", "inner", "fills")]
    for name in taken:
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), name))
    source = save(model, tmp_path / "model.onnx")
    target, _ = converted(source)
    check(source, target)


def test_what_else_a_model_has_is_kept(tmp_path: Path) -> None:
    model = conv_model(17, 10, doc_string="a model", domain="some.where", model_version=3)
    model.metadata_props.add(key="author", value="somebody")
    model.graph.initializer[0].doc_string = "weights of the first layer"
    model.graph.node[0].metadata_props.add(key="k", value="v")
    model.graph.quantization_annotation.add(tensor_name="x")
    model.graph.value_info.append(value("c", [1, 64, 6, 6]))
    source = save(model, tmp_path / "model.onnx")
    target, _ = converted(source)
    check(source, target)
    new = onnx.load(target.model)
    assert (new.doc_string, new.domain, new.model_version, new.producer_name) == ("a model", "some.where", 3, "a test")
    assert "author" in {entry.key for entry in new.metadata_props}
    assert new.graph.quantization_annotation == model.graph.quantization_annotation


TYPED: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.FLOAT16: "int32_data",
    TensorProto.INT8: "int32_data",
    TensorProto.UINT8: "int32_data",
}


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 70),
    cols=st.integers(1, 70),
    data_type=st.sampled_from(list(TYPED)),
    zeros=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    bits=st.booleans(),
    typed=st.booleans(),
    external=st.booleans(),
    method=st.sampled_from(METHODS[:-1] if METHODS[-1] == "pool" else METHODS),
    seed=st.integers(0, 5),
)
def test_any_weight_comes_back_bit_for_bit_and_nothing_grows(
    rows: int,
    cols: int,
    data_type: int,
    zeros: float,
    bits: bool,
    typed: bool,
    external: bool,
    method: str,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    dtype = helper.tensor_dtype_to_np_dtype(data_type)
    generator = np.random.default_rng(seed)
    raw = generator.integers(0, 256, rows * cols * dtype.itemsize, np.uint8).view(dtype).reshape(rows, cols)
    # Any bits: NaNs of all kinds, −0.0, infinities.
    array = np.where(generator.random((rows, cols)) < zeros, np.zeros(1, dtype), raw if bits else np.sign(raw))
    array = array.astype(dtype)
    weight = numpy_helper.from_array(array, "w")
    if typed and not external:
        values = (array.view("u2") if data_type == TensorProto.FLOAT16 else array).reshape(-1).tolist()
        weight = TensorProto(name="w", data_type=data_type, dims=[rows, cols])
        getattr(weight, TYPED[data_type]).extend(values)
    source = save(matmul_model(weight), tmp_path_factory.mktemp("any") / "model.onnx", external)
    target, done = converted(source, method)
    assert all(tensor.nbytes_after <= tensor.nbytes_before for tensor in done.report.tensors)
    assert not grown(source, target)
    dense = Target.beside(target.model.with_name("dense.onnx"))
    restore(read(target.model), dense)
    assert content(dense.model) == content(source)


def test_external_data_that_tensors_share_is_stored_once(tmp_path: Path) -> None:
    model = conv_model()
    twin = model.graph.initializer.add()
    twin.CopyFrom(model.graph.initializer[2])
    twin.name = "fc.twin"
    model.graph.node.append(helper.make_node("DequantizeLinear", ["fc.twin", "scale"], ["d2"]))
    model.graph.node.append(helper.make_node("MatMul", ["f", "d2t"], ["y2"]))
    model.graph.node.insert(7, helper.make_node("Transpose", ["d2"], ["d2t"], perm=[1, 0]))
    model.graph.output.append(value("y2", [1, 128]))
    source = save(model, tmp_path / "model.onnx", external=True)
    message = onnx.load(source, load_external_data=False)
    by_name = {tensor.name: tensor for tensor in message.graph.initializer}
    del by_name["fc.twin"].external_data[:]
    by_name["fc.twin"].external_data.extend(by_name["fc.weight"].external_data)
    source.write_bytes(message.SerializeToString())
    target, done = converted(source)
    assert done.report.rewritten == 3
    check(source, target)
    target, done = converted(source, "none")
    assert target.data.stat().st_size <= (tmp_path / "weights.bin").stat().st_size
    # One of them has to stay, so its twin has to as well.
    rule = Rule(name="fc.twin", method="none")
    folder = tmp_path / "again"
    folder.mkdir()
    other = save(onnx.load(source), folder / "model.onnx")
    assert other.exists()
    target, done = converted(source, "rle", [rule])
    reasons = {tensor.name: tensor.reason for tensor in done.report.tensors}
    assert reasons["fc.weight"] == "shares its bytes with fc.twin [0:fc.twin], which stays as it is"


def test_rules_threshold_and_plan(tmp_path: Path) -> None:
    source = save(conv_model(), tmp_path / "model.onnx")
    rules = [Rule(operator="Conv", method="rle"), Rule(tensor="0:fc.weight", method="bitmap", threshold=0.99)]
    _, done = converted(source, "none", rules)
    found = {tensor.name: tensor for tensor in done.report.tensors}
    assert found["conv.weight"].method == "rle"
    assert found["fc.weight"].reason is not None and "below the threshold of 99.0%" in found["fc.weight"].reason
    with pytest.raises(UsageError, match="matches no weight"):
        converted(source, "rle", [Rule(name="nothing", method="rle")])
    assert "0:conv.weight" in done.plan and "rle" in done.plan


def test_method_of_another_format_is_refused(tmp_path: Path) -> None:
    source = save(conv_model(), tmp_path / "model.onnx")
    with pytest.raises(UsageError, match=r"method dense is not for \.onnx files, expected one of auto, none, bitmap"):
        converted(source, "dense")


def test_a_file_whose_weights_save_less_than_the_decoder_takes_is_left_as_it_is(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(sparse((16, 16), "float32"), "w")
    source = save(matmul_model(weight), tmp_path / "model.onnx")
    target, done = converted(source)
    assert not done.changed and target.model.read_bytes() == source.read_bytes()
    assert "would need more bytes than it saves" in str(done.report.tensors[0].reason)


def test_rewritten_model_can_change_its_method_and_never_grows(tmp_path: Path) -> None:
    source = save(conv_model(), tmp_path / "model.onnx")
    first, before = converted(source, "dcsr")
    second, after = converted(first.model, "bitmap")
    assert {tensor.method for tensor in after.report.tensors} == {"bitmap"}
    assert after.report.nbytes_after <= before.report.nbytes_after
    check(source, second)
    third, last = converted(second.model, "none")
    assert not last.changed and third.model.read_bytes() == second.model.read_bytes()


def test_outputs_of_open_shapes_are_the_same(tmp_path: Path) -> None:
    model = conv_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    source = save(model, tmp_path / "model.onnx")
    target, _ = converted(source)
    assert outputs(source)[0].tobytes() == outputs(target.model)[0].tobytes()


def test_pooled_weights_are_lossy_and_say_so(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    weights = {"w": sparse((64, 64, 3, 3), "float32", zeros=0.0)}
    source = save(
        model_of(nodes, weights, [value("x", [1, 64, 4, 4])], [value("y", [1, 64, 1, 1])]), tmp_path / "m.onnx"
    )
    target, done = converted(source, "pool", pool=PoolSettings(size=16))
    (result,) = done.report.tensors
    assert result.method == "pool" and result.snr_db is not None and 0 < result.snr_db < 30
    inputs = random_samples(ports_of(read(source)), 2, 0)
    verification = verify_onnx(source, target.model, inputs)
    assert verification.passed and verification.lossy and not verification.outputs[0].equal
    assert not verify_onnx(target.model, target.model, inputs).lossy
    dense = Target.beside(tmp_path / "dense.onnx")
    assert "weights were pooled" in restore(read(target.model), dense)[0]
    assert outputs(dense.model)[0].tobytes() == outputs(target.model)[0].tobytes()
