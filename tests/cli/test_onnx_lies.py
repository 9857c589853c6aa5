"""Lies of .onnx models that need more than one wrong number: one line, a documented exit code, no file, no memory."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.cli.harness import Cli, untouched
from tests.onnx.harness import conv_model, model_of, save, sparse, value


@pytest.fixture
def small(cli: Cli, tmp_path: Path) -> Path:
    """A rewritten model."""
    save(conv_model(), tmp_path / "model.onnx")
    cli.ok(tmp_path / "model.onnx", "-m", "bitmap", "-o", tmp_path / "small.onnx", "--no-verify")
    return tmp_path / "small.onnx"


def _damaged(path: Path, change: Callable[[ModelProto], None]) -> Path:
    model = onnx.load(path, load_external_data=False)
    change(model)
    bad = path.with_name("bad.onnx")
    bad.write_bytes(model.SerializeToString())
    return bad


def _refused_by_all(cli: Cli, bad: Path, code: int, message: str, original: Path | None = None) -> None:
    commands: list[list[str | Path]] = [
        ["restore", bad, "-o", bad.with_name("out.onnx")],
        [bad, "-m", "rle", "-o", bad.with_name("out.onnx"), "--no-verify"],
    ]
    if original is not None:
        commands += [["inspect", bad], ["verify", original, bad]]
    with untouched(bad.parent):
        for command in commands:
            assert message in cli.refused(code, *command)


def _newer_operators(model: ModelProto) -> None:
    next(entry for entry in model.opset_import if entry.domain == "wpconvert").version = 2


def _no_operators(model: ModelProto) -> None:
    entry = next(entry for entry in model.opset_import if entry.domain == "wpconvert")
    model.opset_import.remove(entry)


def _decoder_in_a_function(model: ModelProto) -> None:
    node = next(node for node in model.graph.node if node.domain == "wpconvert")
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("wpconvert", 1)]
    model.functions.append(helper.make_function("mine", "F", list(node.input), list(node.output), [node], imports))


def _attribute(model: ModelProto) -> None:
    node = next(node for node in model.graph.node if node.domain == "wpconvert")
    node.attribute.append(helper.make_attribute("axis", 1))


def _weight_twice(model: ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(sparse((64, 3, 3, 3), "float32"), "conv.weight"))


def _node_twice(model: ModelProto) -> None:
    node = next(node for node in model.graph.node if node.domain == "wpconvert")
    model.graph.node.insert(0, node)


NODES: dict[str, tuple[Callable[[ModelProto], None], int, str]] = {
    "newer operators": (_newer_operators, 4, "operator set 'wpconvert' version 2, this version supports 1"),
    "no operators": (_no_operators, 3, "it has 'wpconvert' nodes, but does not import that operator set"),
    "decoder in a function": (_decoder_in_a_function, 3, "inside a function"),
    "attribute": (_attribute, 3, "has attributes, expected none"),
    "weight twice": (_weight_twice, 3, "'conv.weight' occurs twice"),
    "node twice": (_node_twice, 3, "occurs twice"),
}


@pytest.mark.parametrize(("change", "code", "message"), NODES.values(), ids=NODES.keys())
def test_decoders_that_are_not_as_they_are_written_are_refused(
    change: Callable[[ModelProto], None], code: int, message: str, cli: Cli, small: Path
) -> None:
    _refused_by_all(cli, _damaged(small, change), code, message, small.with_name("model.onnx"))


def _rest(**fields: Any) -> str:
    return base64.b64encode(TensorProto(**fields).SerializeToString()).decode()


_SCALAR = numpy_helper.from_array(np.array(1))


def _node(op_type: str, **attributes: Any) -> str:
    return base64.b64encode(helper.make_node(op_type, [], [], **attributes).SerializeToString()).decode()


def _constant_of(domain: str) -> str:
    node = helper.make_node("Constant", [], [], value=_SCALAR, domain=domain)
    node.attribute[0].ClearField("t")
    return base64.b64encode(node.SerializeToString()).decode()


RECORDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "huge index": lambda content: content["tensors"][0].update(index=10**30),
    "index behind the end": lambda content: content["tensors"][0].update(index=1 << 40),
    "negative index": lambda content: content["tensors"][0].update(index=-3),
    "huge IR version": lambda content: content.update(ir_version=10**30),
    "unknown IR version": lambda content: content.update(ir_version=1 << 40),
    "huge place of an input": lambda content: content.update(
        inputs=[10**30], values=base64.b64encode(onnx.GraphProto(input=[value("w", [1])]).SerializeToString()).decode()
    ),
    "data beside the data": lambda content: content["tensors"][0].update(rest=_rest(raw_data=b"1234")),
    "numbers beside the data": lambda content: content["tensors"][0].update(rest=_rest(float_data=[1.0])),
    "a place outside": lambda content: content["tensors"][0].update(rest=_rest(data_location=1)),
    "a segment": lambda content: content["tensors"][0].update(rest=_rest(segment=TensorProto.Segment(begin=0, end=1))),
    "no UTF-8": lambda content: content["tensors"][0].update(rest=base64.b64encode(b"\x62\x01\xff").decode()),
    "a node that is none": lambda content: content["tensors"][0].update(node="QUJD"),
    "a node of another operator": lambda content: content["tensors"][0].update(node=_node("Add", value_int=1)),
    "a node with a value": lambda content: content["tensors"][0].update(node=_node("Constant", value=_SCALAR)),
    "a node without attributes": lambda content: content["tensors"][0].update(node=_node("Constant")),
    "a node of ours": lambda content: content["tensors"][-1].update(node=_constant_of("wpconvert")),
    "a node as text": lambda content: content["tensors"][0].update(node="\x00"),
    "tensors are no list": lambda content: content.update(tensors=5),
    "a tensor is no object": lambda content: content.update(tensors=[[]]),
    "text for a number": lambda content: content.update(ir_version="8"),
}


@pytest.mark.parametrize("change", RECORDS.values(), ids=RECORDS.keys())
def test_records_that_no_one_wrote_are_refused(change: Callable[[dict[str, Any]], None], cli: Cli, small: Path) -> None:
    def lie(model: ModelProto) -> None:
        entry = next(entry for entry in model.metadata_props if entry.key == "wpconvert")
        content = json.loads(entry.value)
        change(content)
        entry.value = json.dumps(content)

    _refused_by_all(cli, _damaged(small, lie), 3, "metadata entry 'wpconvert' is malformed")


@pytest.mark.parametrize("dims", [[1 << 62] * 200_000, [3] * 500_000], ids=["huge", "small"])
def test_very_many_dimensions_take_no_time(dims: list[int], cli: Cli, tmp_path: Path) -> None:
    model = conv_model()
    model.graph.initializer[0].dims[:] = dims
    (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
    begin = time.monotonic()
    assert f"{len(dims)} dimensions" in cli.refused(3, "inspect", tmp_path / "bad.onnx")
    # With products of them it would be minutes.
    assert time.monotonic() - begin < 20


OTHER_TYPES = [
    "COMPLEX64", "COMPLEX128", "BOOL", "STRING", "INT16", "UINT16", "INT32", "INT64", "UINT64", "DOUBLE", "BFLOAT16",
    "FLOAT8E4M3FN", "FLOAT8E5M2", "FLOAT8E8M0", "FLOAT4E2M1", "UINT2", "INT2",
]  # fmt: skip


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_weights_of_other_types_stay_and_the_reason_is_said(name: str, cli: Cli, tmp_path: Path) -> None:
    code = TensorProto.DataType.Value(name)
    if name == "STRING":
        weight = helper.make_tensor("w", code, [64, 64], ["a"] * 4096)  # type: ignore[list-item]
    else:
        weight = TensorProto(name="w", data_type=code, dims=[64, 64])
        bits = {"FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}.get(name) or 8 * helper.tensor_dtype_to_np_dtype(code).itemsize
        weight.raw_data = bytes(4096 * bits // 8)
    nodes = [helper.make_node("Reshape", ["w", "s"], ["r"]), helper.make_node("MatMul", ["x", "r"], ["y"])]
    ends = [value("x", [1, 64])], [value("y", [1, 64])]
    model = model_of(nodes, {"s": np.array([64, 64])}, *ends, opset=25, ir_version=13)
    model.graph.initializer.append(weight)
    source = save(model, tmp_path / "model.onnx")
    done = cli.ok(source, "-v", "-o", tmp_path / "out.onnx", "--no-verify", "--report", tmp_path / "r.json")
    assert done.err == ""
    (tensor,) = json.loads((tmp_path / "r.json").read_text())["tensors"]
    assert tensor["method"] == "none" and (
        "not supported" in tensor["reason"] or "its elements have type" in tensor["reason"]
    )
    assert (tmp_path / "out.onnx").read_bytes() == source.read_bytes()
    assert cli.ok("inspect", source).err == ""
    cli.ok("inspect", source, "--json")
