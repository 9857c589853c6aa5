"""Whatever a model is made of: the rewritten one is sound, smaller, computes the same bits, and can be restored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

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
from wpconvert.formats.onnx.draft import METHODS
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.forms import OnnxForms
from wpconvert.formats.onnx.ports import ports_of
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.onnx.source import OnnxSource
from wpconvert.formats.onnx.weights import find_weights
from wpconvert.job.convert import convert_to
from wpconvert.job.verify import verdict
from wpconvert.model.rules import Rule, Rules
from wpconvert.model.settings import Settings


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


def test_names_in_training_graphs_are_not_taken_again(tmp_path: Path) -> None:
    model = conv_model()
    training = model.training_info.add()
    taken = "fc.weight/bits"
    training.algorithm.CopyFrom(helper.make_graph([], "step", [], [], [numpy_helper.from_array(sparse((2,)), taken)]))
    target, done = converted(save(model, tmp_path / "model.onnx"))
    assert done.changed
    names = {tensor.name for tensor in onnx.load(target.model).graph.initializer}
    assert taken not in names and f"{taken}.2" in names


@pytest.mark.parametrize(
    ("operator", "slot", "attributes", "axis"),
    [
        ("Gemm", 0, {}, 0),
        ("Gemm", 0, {"transA": 1}, 1),
        ("Gemm", 1, {}, 1),
        ("Gemm", 1, {"transB": 1}, 0),
        ("MatMul", 0, {}, 0),
        ("MatMul", 1, {}, 1),
        ("QLinearMatMul", 0, {}, 0),
        ("QLinearMatMul", 3, {}, 1),
        ("ConvTranspose", 1, {}, 1),
        ("Conv", 1, {}, 0),
    ],
)
def test_pools_know_the_axis_of_the_output_channels(
    operator: str, slot: int, attributes: dict[str, int], axis: int, tmp_path: Path
) -> None:
    inputs = ["w" if at == slot else f"x{at}" for at in range(8 if operator == "QLinearMatMul" else 2)]
    node = helper.make_node(operator, inputs, ["y"])
    node.attribute.extend(helper.make_attribute(name, one) for name, one in attributes.items())
    model = model_of([node], {"w": sparse((8, 8))}, [value(name, [8, 8]) for name in inputs if name != "w"], [])
    [found] = find_weights(read(save(model, tmp_path / "model.onnx")))
    assert found.place.channel_axis == axis


def test_zeros_with_a_sign_are_zeros_too(tmp_path: Path) -> None:
    weights = np.where(np.arange(4096).reshape(64, 64) % 4 == 0, 1.5, -0.0).astype(np.float32)
    target, done = converted(
        save(matmul_model(numpy_helper.from_array(weights, "w")), tmp_path / "model.onnx"), "bitmap"
    )
    assert done.report.tensors[0].sparsity == 0.75
    check(tmp_path / "model.onnx", target)


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
    dense = Target.next_to(target.model.with_name("dense.onnx"))
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
    assert reasons["fc.weight"] == "shares its data with fc.twin [0:fc.twin], which is unchanged"


def test_rules_threshold_and_plan(tmp_path: Path) -> None:
    source = save(conv_model(), tmp_path / "model.onnx")
    rules = [Rule(operator="Conv", method="rle"), Rule(tensor="0:fc.weight", method="bitmap", threshold=0.99)]
    _, done = converted(source, "none", rules)
    found = {tensor.name: tensor for tensor in done.report.tensors}
    assert found["conv.weight"].method == "rle"
    assert found["fc.weight"].reason is not None and "below the threshold 99.0 %" in found["fc.weight"].reason
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
    target, done = converted(source, "pool", options={"pool_size": 16})
    (result,) = done.report.tensors
    assert result.method == "pool" and result.snr_db is not None and 0 < result.snr_db < 30
    inputs = random_samples(ports_of(read(source)), 2, 0)
    verification = verdict(OnnxForms(read(source), read(target.model)), inputs)
    assert verification.passed and verification.lossy and not verification.outputs[0].equal
    assert not verdict(OnnxForms(read(target.model), read(target.model)), inputs).lossy
    dense = Target.next_to(tmp_path / "dense.onnx")
    assert "weights were changed" in restore(read(target.model), dense)[0]
    assert outputs(dense.model)[0].tobytes() == outputs(target.model)[0].tobytes()


@pytest.mark.parametrize("external", [False, True], ids=["inside", "outside"])
def test_processes_and_spooled_data_change_nothing(
    external: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save(if_model(), tmp_path / "model.onnx", external)
    first, _ = converted(source, "auto")
    monkeypatch.setattr("wpconvert.formats.onnx.encode.POOL_FROM_NBYTES", 0)
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        target = Target.next_to(folder / "out.onnx")
        convert_to(OnnxSource(read(source)), Settings("auto", Rules(rules=[]), processes=processes), target.model)
        assert [path.read_bytes() for path in target.files] == [path.read_bytes() for path in first.files]


@pytest.mark.parametrize("method", ["none", "bitmap", "auto", "pool"])
def test_pooled_weights_lose_nothing_more_when_a_model_is_converted_again(method: str, tmp_path: Path) -> None:
    weights = {"w": sparse((64, 64, 3, 3), "float32", zeros=0.0)}
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    model = model_of(nodes, weights, [value("x", [1, 64, 4, 4])], [value("y", [1, 64, 2, 2])])
    first, _ = converted(save(model, tmp_path / "m.onnx"), "pool", options={"pool_size": 16})
    second, done = converted(first.model, method, options={"pool_size": 16})
    assert [tensor.method for tensor in done.report.tensors] == ["pool"]
    assert outputs(second.model)[0].tobytes() == outputs(first.model)[0].tobytes()
    assert done.report.nbytes_after <= first.model.stat().st_size
