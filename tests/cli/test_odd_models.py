"""Models that TFLM runs and other tools call malformed: they are converted, run where possible, and noted where odd."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.harness import Cli
from tests.support.models import ModelBuilder
from tests.tflite.harness import assert_same_outputs, conv_builder, converted, inputs_for, names, reference, sparse
from wpconvert.engines import ENGINES
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.inspect import inspect_model
from wpconvert.formats.tflite.schema import ActivationFunctionType, options
from wpconvert.reference.interpreter import Interpreter, unsupported


def with_state() -> ModelBuilder:
    """An SVDF, whose state no operator computes, behind a fully connected layer."""
    b = ModelBuilder()
    x = b.fully_connected(b.input((1, 16), 0.5), sparse(1, (32, 16), 0.95), scale=0.4, weight_scales=0.02)
    features = b.constant(sparse(2, (8, 32), 0.5), 0.03, name="features")
    times = b.constant(np.ones((8, 4), np.int16), 0.01, name="times")
    bias = b.constant(np.zeros(8, np.int32), 0.4 * 0.03, name="bias")
    state = b.tensor((1, 32), "int16", 0.02, name="state")
    b.graph.tensors[state].isVariable = True
    y = b.tensor((1, 8), "int8", 0.3)
    svdf = options("SVDFOptions", rank=1, fusedActivationFunction=ActivationFunctionType.RELU)
    b.output(b.op("SVDF", [x, features, times, bias, state], [y], svdf, version=3))
    return b


def to_scalar() -> ModelBuilder:
    """A sum that RESHAPE makes a scalar: the list of its dimensions is empty."""
    b = ModelBuilder()
    x = b.input((1, 64), 0.5)
    y = b.fully_connected(x, sparse(1, (1, 64), 0.5), scale=0.7, weight_scales=0.02)
    b.output(b.op("RESHAPE", [y, b.tensor((0,), "int32", name="empty")], [b.like(y, ())], options("ReshapeOptions")))
    return b


def with_foreign_scratch() -> ModelBuilder:
    """A custom operator of another tool, with a tensor that it uses as scratch."""
    b = ModelBuilder()
    y = b.fully_connected(b.input((1, 64), 0.5), sparse(1, (64, 64), 0.95), scale=0.7, weight_scales=0.02)
    scratch = b.tensor((256,), "uint8", name="scratch")
    b.output(b.op("foreign", [y, scratch], [b.like(y)], custom_options=b"\1"))
    return b


def with_bias_dimension() -> ModelBuilder:
    """A convolution whose bias claims to be quantised along a dimension that it does not have."""
    b, y = conv_builder()
    b.graph.tensors[b.graph.operators[0].inputs[2]].quantization.quantizedDimension = 3
    b.output(y)
    return b


def with_scales_on_codes() -> ModelBuilder:
    """Weights that an operator decodes; the codes carry the scales of the channels."""
    b = ModelBuilder()
    x = b.input((1, 8, 8, 4), 0.5)
    codes = b.constant(np.zeros(64, np.uint8), np.full(8, 0.02), name="codes")
    weights = b.tensor((8, 3, 3, 4), "int8", np.full(8, 0.02), name="weights")
    b.op("TFLM_DECODE", [codes], [weights], custom_options=b"\1")
    y = b.conv2d(b.conv2d(x, weights, scale=0.5), sparse(1, (16, 3, 3, 8), 0.95), scale=0.4, weight_scales=0.02)
    b.output(y)
    return b


Build = Callable[[], ModelBuilder]
ALL: list[Build] = [with_state, to_scalar, with_foreign_scratch, with_bias_dimension, with_scales_on_codes]


@pytest.mark.parametrize("build", ALL)
@pytest.mark.parametrize("method", ["none", "dcsr", "auto"])
def test_they_are_converted_and_what_is_foreign_stays(build: Build, method: str) -> None:
    data = build().to_bytes()
    result = converted(data, method)
    assert [name.removeprefix("WP_") for name in names(result.data)] == names(data)
    kept = {name for name in names(data) if name not in ("CONV_2D", "FULLY_CONNECTED")}
    assert kept <= {*names(result.data)}


def test_a_state_is_no_fault_of_the_model() -> None:
    data = with_state().to_bytes()
    assert unsupported(read_graph(parse(data))) == [
        "operator 1 (SVDF): the reference interpreter does not support this operator"
    ]


def test_verification_of_a_model_with_state_goes_on_in_litert(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "state.tflite"
    source.write_bytes(with_state().to_bytes())
    done = cli.ok(source, "-m", "dcsr", "-o", tmp_path / "out.tflite")
    assert "verified: identical outputs" in done.out and "litert engine" in done.out
    cli.ok("verify", source, tmp_path / "out.tflite")


@pytest.mark.parametrize("engine", ["reference", "native", "litert"])
def test_a_reshape_to_a_scalar_gives_the_same_everywhere(engine: str) -> None:
    data = to_scalar().to_bytes()
    samples = [inputs_for(data, seed) for seed in range(3)]
    found = ENGINES[engine].run(parse(data), samples, lambda: None)
    for one, sample in zip(found, samples, strict=True):
        x, w = sample[0].astype(np.int64), sparse(1, (1, 64), 0.5).astype(np.int64)
        assert one[0].shape == ()
        assert abs(int(one[0]) - np.clip(float((x @ w.T).item()) * 0.5 * 0.02 / 0.7, -128, 127)) <= 1


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_no_other_operand_may_be_empty(engine: str) -> None:
    for dtype, shape in (("int8", (0,)), ("int32", (0, 2)), ("int32", (0,))):
        b = ModelBuilder()
        x = b.input((1, 4), 0.5 if dtype == "int8" else None, dtype=dtype)
        b.output(b.op("ADD", [x, b.tensor(shape, dtype, 0.5)], [b.like(x)], options("AddOptions")))
        assert ENGINES[engine].unsupported(b.build())


def test_an_empty_list_that_an_operator_computes_is_no_constant() -> None:
    b = to_scalar()
    shape = b.input((2,), dtype="int32")
    b.graph.inputs.pop()
    b.graph.operators[1].inputs[1] = shape
    with pytest.raises(ModelError, match="before it is computed"):
        Interpreter(read_graph(b.build()))


def test_where_nobody_can_run_it_verification_says_so(cli: Cli, tmp_path: Path) -> None:
    source = tmp_path / "foreign.tflite"
    source.write_bytes(with_foreign_scratch().to_bytes())
    assert "--no-verify" in cli.refused(4, source, "-m", "dcsr", "-o", tmp_path / "out.tflite")
    cli.ok(source, "-m", "dcsr", "--no-verify", "-o", tmp_path / "out.tflite")


def test_reading_what_nothing_computes_is_a_fault_of_an_operator_that_is_known() -> None:
    b = ModelBuilder()
    b.output(b.op("RELU", [b.tensor((1, 4), "int8", 0.5)], [b.tensor((1, 4), "int8", 0.5)]))
    with pytest.raises(ModelError, match="before it is computed"):
        Interpreter(read_graph(b.build()))


def test_a_state_that_a_known_operator_reads_is_left_to_litert() -> None:
    b = ModelBuilder()
    x, state = b.input((1, 4), 0.5), b.tensor((1, 4), "int8", 0.5, name="state")
    b.graph.tensors[state].isVariable = True
    b.output(b.op("ADD", [x, state], [b.like(x)], options("AddOptions")), state)
    lines = unsupported(read_graph(b.build()))
    assert len(lines) == 2 and all("is a state tensor" in line for line in lines)


def test_a_tensor_that_is_written_twice_is_left_to_litert() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), 0.5)
    y = b.op("RELU", [x], [b.like(x)])
    b.output(b.op("RELU", [x], [y]))
    with pytest.raises(UnsupportedError, match="a second time"):
        Interpreter(read_graph(b.build()))


def test_the_dimension_of_a_bias_does_not_matter() -> None:
    data, plain = with_bias_dimension().to_bytes(), conv_builder()
    plain[0].output(plain[1])
    inputs = inputs_for(data)
    assert_same_outputs(reference(data, inputs), reference(plain[0].to_bytes(), inputs))
    native = ENGINES["native"].run(parse(data), [inputs], lambda: None)[0]
    assert_same_outputs(reference(data, inputs), native)


@pytest.mark.parametrize("build", [with_bias_dimension, with_scales_on_codes])
def test_what_is_odd_is_told(build: Build, cli: Cli, tmp_path: Path) -> None:
    data = build().to_bytes()
    (note,) = parse(data).notes
    assert inspect_model("m", data, parse(data)).notes == (note,)
    assert f"irregular: {note}" in converted(data, "dcsr").report.notes
    source = tmp_path / "odd.tflite"
    source.write_bytes(data)
    assert f"irregular: {note}" in cli.ok("inspect", source).out


def test_a_constant_with_more_bytes_than_elements_keeps_them() -> None:
    """LiteRT refuses it, TFLM reads the first ones; rewriting would lose the others."""
    b, y = conv_builder()
    b.output(y)
    plain = b.to_bytes()
    buffers = b.build().root.buffers
    for slot in (1, 2):
        index = b.graph.tensors[b.graph.operators[0].inputs[slot]].buffer
        longer = np.concatenate([buffers[index].data, np.full(16, 7, np.uint8)])
        before, buffers[index].data = buffers[index].data, longer
        data = b.to_bytes()
        result = converted(data, "dcsr")
        assert names(result.data) == ["CONV_2D"]
        assert f"has {longer.nbytes} bytes, but {before.nbytes} are used" in str(result.report.tensors[0].reason)
        inputs = inputs_for(data)
        for engine in ("reference", "native"):
            found = ENGINES[engine].run(parse(data), [inputs], lambda: None)[0]
            assert_same_outputs(found, reference(plain, inputs))
        buffers[index].data = before


def _scales(*scales: float) -> dict[str, object]:
    return {"scale": np.array(scales, np.float32), "zeroPoint": np.zeros(len(scales), np.int64)}


ODD: list[dict[str, object]] = [
    _scales(np.nan),
    _scales(np.inf),
    _scales(0.1, 0.2, 0.3),
    {"quantizedDimension": -1},
    {"quantizedDimension": 1 << 30},
    {"zeroPoint": np.array([1 << 40])},
    {"zeroPoint": np.array([-(1 << 40)])},
]


@pytest.mark.parametrize("fields", ODD, ids=repr)
@pytest.mark.parametrize("tensor", range(4))
def test_whoever_computes_with_a_tensor_checks_what_it_needs_of_it(tensor: int, fields: dict[str, object]) -> None:
    """Input, weights, bias and output: each is read and converted, or refused with one clear reason."""
    b, y = conv_builder()
    b.output(y)
    for name, value in fields.items():
        setattr(b.graph.tensors[tensor].quantization, name, value)
    data = b.to_bytes()
    for method in ("none", "dcsr", "auto"):
        result = converted(data, method)
        assert parse(result.data).notes or names(result.data) == ["WP_CONV_2D"]
    for engine in ("reference", "native"):
        try:
            problems = ENGINES[engine].unsupported(parse(data))
        except ModelError as error:
            problems = [str(error)]
        if not problems:
            outputs = [
                ENGINES[name].run(parse(data), [inputs_for(data)], lambda: None)[0] for name in (engine, "native")
            ]
            assert_same_outputs(*outputs)
