"""What ONNX models are verified with: inputs and outputs of all kinds, given samples, accuracy."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tests.cli.harness import Cli, untouched
from tests.onnx.harness import model_of, save, sparse, value

ROW = value("x", [1, 64])


def _product(data: str = "x", output: str = "y") -> NodeProto:
    return helper.make_node("MatMul", [data, "w"], [output])


def _model(
    *nodes: NodeProto, inputs: Sequence[ValueInfoProto] = (ROW,), output: ValueInfoProto | None = None
) -> ModelProto:
    """A model of these nodes that has the weights they read."""
    weights = {"w": sparse((64, 64), "float32"), "e": sparse((10, 64), "float32", zeros=0.1)}
    model = model_of(nodes, weights, [], [value("y", [1, 64])], opset=21, ir_version=10)
    for tensor in model.graph.initializer[1:]:
        if not any(tensor.name in node.input for node in nodes):
            model.graph.initializer.remove(tensor)
    model.graph.input.extend(inputs)
    if output is not None:
        model.graph.output[0].CopyFrom(output)
    return model


def _cast_input(kind: int) -> ModelProto:
    cast = helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)
    return _model(cast, _product("f"), inputs=(value("x", [1, 64], kind),))


def _of_type(kind: int) -> ModelProto:
    cast = helper.make_node("Cast", ["a"], ["y"], to=kind)
    return _model(_product(output="a"), cast, output=value("y", [1, 64], kind))


def _tokens(name: str = "tokens", kind: int = TensorProto.INT64) -> ModelProto:
    nodes = [helper.make_node("Gather", ["e", name], ["g"]), _product("g")]
    return _model(*nodes, inputs=(value(name, ["n", 3], kind),), output=value("y", ["n", 3, 64]))


def _chosen() -> ModelProto:
    nodes = [helper.make_node("Where", ["c", "x", "z"], ["a"]), _product("a")]
    return _model(*nodes, inputs=(value("c", [1], TensorProto.BOOL), ROW, value("z", ["n", 64])))


def _unknown_output() -> ModelProto:
    model = _model(_product())
    model.graph.output[0].ClearField("type")
    return model


RUN: dict[str, Callable[[], ModelProto]] = {
    "token numbers": _tokens,
    "int32 numbers": lambda: _tokens(kind=TensorProto.INT32),
    "bool and several inputs": _chosen,
    "float16": lambda: _cast_input(TensorProto.FLOAT16),
    "double": lambda: _cast_input(TensorProto.DOUBLE),
    "uint8": lambda: _cast_input(TensorProto.UINT8),
    "open batch": lambda: _model(_product(), inputs=(value("x", ["n", 64]),), output=value("y", ["n", 64])),
    "no type of the output": _unknown_output,
    "bool output": lambda: _of_type(TensorProto.BOOL),
    "int64 output": lambda: _of_type(TensorProto.INT64),
}


@pytest.mark.parametrize("make", RUN.values(), ids=RUN.keys())
def test_random_inputs_suit_models_of_many_kinds(make: Callable[[], ModelProto], cli: Cli, tmp_path: Path) -> None:
    source = save(make(), tmp_path / "model.onnx")
    done = cli.ok(source, "-m", "bitmap", "-o", tmp_path / "out.onnx")
    assert "identical outputs, bit for bit, on 4 samples (onnxruntime engine); all weights equal" in done.out


def _sequence_input() -> ModelProto:
    nodes = [helper.make_node("SequenceAt", ["q", "i"], ["x"]), _product()]
    sequence = helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, [1, 64])
    model = _model(*nodes, inputs=(sequence,))
    model.graph.initializer.append(numpy_helper.from_array(np.array(0), "i"))
    return model


def _sequence_output() -> ModelProto:
    nodes = [_product(output="a"), helper.make_node("SequenceConstruct", ["a"], ["y"])]
    return _model(*nodes, output=helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [1, 64]))


def _text_input() -> ModelProto:
    cast = helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)
    return _model(cast, _product("f"), inputs=(value("x", [1, 64], TensorProto.STRING),))


NOT_RUN: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "bfloat16": (lambda: _cast_input(TensorProto.BFLOAT16), "input 'x' cannot be verified: its type is BFLOAT16"),
    "float8": (lambda: _cast_input(TensorProto.FLOAT8E5M2), "its type is FLOAT8E5M2"),
    "int4": (lambda: _cast_input(TensorProto.INT4), "its type is INT4"),
    "text": (_text_input, "input 'x' cannot be verified: its type is STRING"),
    "sequence": (_sequence_input, "input 'q' cannot be verified: it is not a tensor"),
    "open rank": (
        lambda: _model(_product(), inputs=(helper.make_tensor_value_info("x", TensorProto.FLOAT, None),)),
        "its number of dimensions is unknown",
    ),
    "bfloat16 output": (lambda: _of_type(TensorProto.BFLOAT16), "output 'y' cannot be verified"),
    "text output": (lambda: _of_type(TensorProto.STRING), "output 'y' cannot be verified: its type is STRING"),
    "sequence output": (_sequence_output, "output 'y' cannot be verified: it is not a tensor"),
}


@pytest.mark.parametrize(("make", "message"), NOT_RUN.values(), ids=NOT_RUN.keys())
def test_models_that_cannot_be_verified_are_told_apart_and_converted_without(
    make: Callable[[], ModelProto], message: str, cli: Cli, tmp_path: Path
) -> None:
    source = save(make(), tmp_path / "model.onnx")
    with untouched(tmp_path):
        line = cli.refused(4, source, "-m", "bitmap", "-o", tmp_path / "out.onnx")
        assert line.startswith(f"{source}: ") and message in line and "--no-verify" in line
    cli.ok(source, "-m", "bitmap", "-o", tmp_path / "out.onnx", "--no-verify")
    assert (tmp_path / "out.onnx").stat().st_size < source.stat().st_size


def test_model_that_does_not_take_random_inputs_asks_for_others(cli: Cli, tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["x", "s"], ["r"]), _product("r")]
    model = _model(*nodes, inputs=(value("x", ["n", "m"]),), output=value("y", ["k", 64]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 64]), "s"))
    source = save(model, tmp_path / "model.onnx")
    line = cli.refused(4, source, "-m", "bitmap", "-o", tmp_path / "out.onnx")
    assert line.startswith(f"{source}: ONNX Runtime") and line.endswith("give others with --inputs")
    np.savez(tmp_path / "x.npz", x=np.ones((5, 2, 32), np.float32))
    done = cli.ok(source, "-m", "bitmap", "-o", tmp_path / "out.onnx", "--inputs", tmp_path / "x.npz")
    assert "on 5 samples" in done.out


def test_output_that_no_input_moves_is_named(cli: Cli, tmp_path: Path) -> None:
    model = _model(
        _product(output="a"), helper.make_node("Sub", ["a", "far"], ["b"]), helper.make_node("Relu", ["b"], ["y"])
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(1e6, np.float32), "far"))
    source = save(model, tmp_path / "model.onnx")
    done = cli.ok(source, "-m", "bitmap", "-o", tmp_path / "out.onnx")
    assert "not exercised: y: constant or clamped in all samples; provide typical inputs with --inputs" in done.out
    np.savez(tmp_path / "x.npz", x=np.array([[[1e7] * 64], [[-1e7] * 64]], np.float32))
    assert "not exercised" not in cli.ok("verify", source, tmp_path / "out.onnx", "--inputs", tmp_path / "x.npz").out


def test_model_that_draws_random_numbers_is_told_apart(cli: Cli, tmp_path: Path) -> None:
    nodes = [
        _product(output="a"),
        helper.make_node("RandomNormalLike", ["a"], ["r"]),
        helper.make_node("Add", ["a", "r"], ["y"]),
    ]
    source = save(_model(*nodes), tmp_path / "model.onnx")
    with untouched(tmp_path):
        done = cli(source, "-m", "bitmap", "-o", tmp_path / "out.onnx")
    assert (
        done.code == 1 and "RandomNormalLike generates random numbers: two runs of the original differ, too" in done.out
    )


def test_given_token_numbers_may_have_another_integer_type(cli: Cli, tmp_path: Path) -> None:
    source = save(_tokens("labels", TensorProto.INT32), tmp_path / "model.onnx")
    samples = tmp_path / "x.npz"
    np.savez(samples, labels=np.array([[1, 9, 0], [3, 3, 3]]))
    assert "on 2 samples" in cli.ok("verify", source, source, "--inputs", samples).out
    np.savez(samples, labels=np.array([[1, 1 << 40, 0]]))
    assert "has values out of the range of int32" in cli.refused(2, "verify", source, source, "--inputs", samples)


def test_accuracy_of_a_model_that_gives_the_class_itself(cli: Cli, tmp_path: Path) -> None:
    argmax = helper.make_node("ArgMax", ["y"], ["class"], axis=1, keepdims=0)
    model = _model(_product(), argmax)
    model.graph.output.append(value("class", [1], TensorProto.INT64))
    source = save(model, tmp_path / "model.onnx")
    cli.ok(source, "-m", "bitmap", "-o", tmp_path / "out.onnx")
    rows = np.random.default_rng(0).normal(size=(8, 1, 64)).astype(np.float32)
    found = (rows[:, 0] @ sparse((64, 64), "float32")).argmax(1)
    np.savez(tmp_path / "data.npz", x=rows, labels=found)
    done = cli.ok("verify", source, tmp_path / "out.onnx", "--eval", tmp_path / "data.npz", "--json")
    assert [output["accuracy"] for output in json.loads(done.out)["outputs"]] == [[1.0, 1.0]] * 2
    np.savez(tmp_path / "data.npz", x=rows)
    assert "no array `labels`" in cli.refused(2, "verify", source, source, "--eval", tmp_path / "data.npz")
