"""Malformed and hostile models end in ModelError or UnsupportedError that name the operator."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reference.harness import int8
from tests.support.models import ModelBuilder
from wpconvert.errors import ModelError, UnsupportedError, UsageError
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel, shape_of
from wpconvert.formats.tflite.schema import BuiltinOptions, TensorType, options
from wpconvert.reference.interpreter import Interpreter, unsupported


def network() -> ModelBuilder:
    """One of most operators in a chain."""
    b = ModelBuilder()
    x = b.input((1, 8, 8, 4), dtype="float32")
    x = b.op("QUANTIZE", [x], [b.tensor((1, 8, 8, 4), "int8", 0.1, 3)], options("QuantizeOptions"))
    x = b.conv2d(x, int8(1, (6, 3, 3, 4)), [1] * 6, scale=0.2, weight_scales=[0.01] * 6, activation="RELU")
    y = b.depthwise(x, int8(2, (1, 3, 3, 6)), [1] * 6, scale=0.2, weight_scales=[0.01] * 6)
    x = b.op("ADD", [x, y], [b.like(x)], options("AddOptions"))
    x = b.op("MUL", [x, b.constant(int8(3, (6,)), 0.01, 1)], [b.like(x)], options("MulOptions"))
    pads = b.constant(np.array([[0, 0], [1, 1], [0, 2], [0, 0]], dtype=np.int32))
    x = b.op("PAD", [x, pads], [b.like(x, (1, 10, 10, 6))], options("PadOptions"))
    pool = options("Pool2DOptions", filterHeight=2, filterWidth=2, strideH=2, strideW=2)
    x = b.op("MAX_POOL_2D", [x], [b.like(x, (1, 5, 5, 6))], pool)
    x = b.op("AVERAGE_POOL_2D", [x], [b.like(x, (1, 3, 3, 6))], copy.copy(pool))
    slices = [b.constant(values) for values in ([0, 0, 0, 0], [1, 2, 3, 6], [1, 1, 1, 2])]
    x = b.op("STRIDED_SLICE", [x, *slices], [b.like(x, (1, 2, 3, 3))], options("StridedSliceOptions"))
    x = b.op("TRANSPOSE", [x, b.constant([0, 3, 1, 2])], [b.like(x, (1, 3, 2, 3))], options("TransposeOptions"))
    x = b.op("CONCATENATION", [x, x], [b.like(x, (1, 3, 2, 6))], options("ConcatenationOptions", axis=3))
    x = b.op("MEAN", [x, b.constant([1, 2])], [b.like(x, (1, 6))], options("ReducerOptions"))
    x = b.op("HARD_SWISH", [x], [b.like(x)])
    x = b.op("LEAKY_RELU", [x], [b.like(x)], options("LeakyReluOptions", alpha=0.1))
    x = b.fully_connected(x, int8(4, (5, 6)), [1] * 5, scale=0.3, weight_scales=0.01)
    x = b.op("SOFTMAX", [x], [b.tensor((1, 5), "int8", 1 / 256, -128)], options("SoftmaxOptions", beta=1.0))
    x = b.reshape(x, (5, 1))
    x = b.op("DEQUANTIZE", [x], [b.tensor((5, 1), "float32")], options("DequantizeOptions"))
    b.output(x)
    return b


def run(model: TfliteModel) -> None:
    graph = model.root.subgraphs[0]
    interpreter = Interpreter(read_graph(model))
    shape = shape_of(graph.tensors[graph.inputs[0]])
    interpreter.run([np.zeros(shape, np.float32)])


def test_the_network_itself_runs() -> None:
    run(network().build())


Draw = Callable[[st.SearchStrategy[Any]], Any]
"""Draws a value from a strategy."""

HOSTILE_INTEGERS = st.sampled_from([-(2**31), -7, -1, 0, 1, 2, 3, 5, 100, 2**16, 2**30, 2**31 - 1])
HOSTILE_FLOATS = st.sampled_from([0.0, -1.0, math.nan, math.inf, 1e-38, 1e38, 1e-30, 3.0])


def _mutate_tensor(draw: Draw, graph: Any) -> None:
    tensor = draw(st.sampled_from(graph.tensors))
    kind = draw(st.sampled_from(["dim", "rank", "type", "scale", "zero point", "no scale", "scales", "constant"]))
    if kind == "dim" and len(tensor.shape):
        tensor.shape[draw(st.integers(0, len(tensor.shape) - 1))] = draw(HOSTILE_INTEGERS)
    elif kind == "rank":
        tensor.shape = draw(st.lists(st.integers(0, 9), max_size=6))
    elif kind == "type":
        tensor.type = draw(st.integers(0, 20))
    elif kind == "constant":
        tensor.buffer = draw(st.sampled_from([0, 1, 2, 3]))
    elif tensor.quantization is not None:
        if kind == "scale":
            tensor.quantization.scale = np.array([draw(HOSTILE_FLOATS)], np.float32)
        elif kind == "zero point":
            tensor.quantization.zeroPoint = np.array([draw(HOSTILE_INTEGERS)], np.int64)
        elif kind == "scales":
            tensor.quantization.scale = np.ones(draw(st.integers(0, 7)), np.float32)
            tensor.quantization.quantizedDimension = draw(HOSTILE_INTEGERS)
        else:
            tensor.quantization = None


def _mutate_operator(draw: Draw, graph: Any) -> None:
    operator = draw(st.sampled_from(graph.operators))
    kind = draw(st.sampled_from(["options", "field", "field", "field", "inputs", "outputs", "order"]))
    if kind == "options":
        other = draw(st.sampled_from([None, options("AddOptions"), options("Conv2DOptions")]))
        operator.builtinOptions = other
    elif kind == "field" and operator.builtinOptions is not None:
        fields = sorted(vars(operator.builtinOptions))
        if fields:
            name = draw(st.sampled_from(fields))
            old = getattr(operator.builtinOptions, name)
            new = draw(HOSTILE_FLOATS if isinstance(old, float) else HOSTILE_INTEGERS)
            setattr(operator.builtinOptions, name, new if not isinstance(old, list) else [new])
    elif kind in {"inputs", "outputs"}:
        indices = list(getattr(operator, kind))
        position = draw(st.integers(0, len(indices)))
        indices[position : position + draw(st.integers(0, 1))] = draw(
            st.lists(st.integers(-2, len(graph.tensors)), max_size=2)
        )
        setattr(operator, kind, indices)
    else:
        graph.operators.reverse()


def _mutate_constant(draw: Draw, model: TfliteModel) -> None:
    """Replace an int32 parameter (axes, paddings, slices) by another value."""
    graph = model.root.subgraphs[0]
    # One that a mutation before this one made int32 may have bytes that are no such numbers.
    whole = [t for t in graph.tensors if t.buffer and not len(model.root.buffers[t.buffer].data) % 4]
    tensor = draw(st.sampled_from([t for t in whole if t.type == TensorType.INT32]))
    values = np.asarray(model.root.buffers[tensor.buffer].data, np.uint8).view(np.int32).copy()
    values[draw(st.integers(0, len(values) - 1))] = draw(HOSTILE_INTEGERS)
    model.root.buffers[tensor.buffer].data = values.view(np.uint8)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_models_run_or_are_refused(data: st.DataObject) -> None:
    model = network().build()
    draw = data.draw
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["tensor", "operator", "constant"]))
        if kind == "tensor":
            _mutate_tensor(draw, model.root.subgraphs[0])
        elif kind == "operator":
            _mutate_operator(draw, model.root.subgraphs[0])
        else:
            _mutate_constant(draw, model)
    try:
        run(model)
    except (ModelError, UnsupportedError) as error:
        assert str(error)
    except UsageError:
        # The mutation made the input something other than float32.
        pass


def conv_model(**changes: Any) -> ModelBuilder:
    """A valid convolution with changed options."""
    b = ModelBuilder()
    x = b.input((1, 8, 8, 4), 0.1, 0)
    b.output(b.conv2d(x, int8(1, (6, 3, 3, 4)), [1] * 6, weight_scales=[0.01] * 6))
    for name, value in changes.items():
        setattr(b.graph.operators[0].builtinOptions, name, value)
    return b


def set_tensor(index: int, **changes: Any) -> Callable[[ModelBuilder], None]:
    def change(b: ModelBuilder) -> None:
        for name, value in changes.items():
            target = b.graph.tensors[index]
            setattr(target if hasattr(target, name) else target.quantization, name, value)

    return change


INPUT, WEIGHTS, OUTPUT, BIAS = 0, 1, 2, 3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (set_tensor(OUTPUT, shape=[1, 8, 7, 6]), ModelError, "is declared with shape"),
        (set_tensor(OUTPUT, shape=[2, 8, 8, 6]), ModelError, "is declared with shape"),
        (set_tensor(OUTPUT, scale=[math.nan]), ModelError, "scale nan"),
        (set_tensor(OUTPUT, scale=[0.0]), ModelError, "scale 0"),
        (set_tensor(INPUT, scale=[-1.0]), ModelError, "scale -1"),
        (set_tensor(INPUT, scale=[math.inf]), ModelError, "scale inf"),
        (set_tensor(INPUT, zeroPoint=[300]), ModelError, "zero point 300"),
        (set_tensor(INPUT, quantization=None), ModelError, "without a scale"),
        (set_tensor(INPUT, type=TensorType.INT16), UnsupportedError, "INT16"),
        (set_tensor(INPUT, type=TensorType.UINT8), UnsupportedError, "UINT8"),
        (set_tensor(INPUT, type=TensorType.FLOAT32), UnsupportedError, "FLOAT32"),
        (set_tensor(WEIGHTS, zeroPoint=[1] * 6), UnsupportedError, "the zero point of weights must be 0"),
        (set_tensor(WEIGHTS, quantizedDimension=1), ModelError, "along axis 1"),
        (set_tensor(WEIGHTS, scale=[0.1] * 5, zeroPoint=[0] * 5), ModelError, "5 scales"),
        (set_tensor(INPUT, shape=[1, 8, 8, -1]), UnsupportedError, "dynamic"),
        (set_tensor(INPUT, shape=[1, 0, 8, 4]), UnsupportedError, "empty"),
    ],
)
def test_malformed_tensors_are_refused_at_construction(
    change: Callable[[ModelBuilder], None], error: type[Exception], message: str
) -> None:
    b = conv_model()
    change(b)
    with pytest.raises(error, match=rf"operator 0 \(CONV_2D\): .*{message}"):
        Interpreter(read_graph(b.build()))


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("strideH", 0, ModelError),
        ("strideW", -1, ModelError),
        ("dilationHFactor", 0, ModelError),
        ("padding", 7, ModelError),
        ("dilationWFactor", 2**30, UnsupportedError),
        ("fusedActivationFunction", 4, UnsupportedError),
    ],
)
def test_malformed_options_are_refused_at_construction(field: str, value: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"operator 0 \(CONV_2D\): "):
        Interpreter(read_graph(conv_model(**{field: value}).build()))


def test_options_of_another_operator_are_refused() -> None:
    b = conv_model()
    b.graph.operators[0].builtinOptions = options("AddOptions")
    b.graph.operators[0].builtinOptionsType = BuiltinOptions.AddOptions
    with pytest.raises(ModelError, match="options have type AddOptions, expected Conv2DOptions"):
        Interpreter(read_graph(b.build()))


def test_a_bias_with_a_scale_of_its_own_is_refused() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), 0.1, 0)
    b.output(b.fully_connected(x, int8(1, (3, 4)), [1, 2, 3], scale=0.2, weight_scales=0.01))
    b.graph.tensors[b.graph.operators[0].inputs[2]].quantization.scale = [0.5]
    with pytest.raises(UnsupportedError, match=r"dense/bias.*scale 0.5, expected 0.000999"):
        Interpreter(read_graph(b.build()))


def test_unknown_operators_are_listed() -> None:
    b = ModelBuilder()
    x = b.input((4,), 0.1, 0)
    y = b.op("MyOperator", [x], [b.like(x)], custom_options=b"")
    b.output(b.op("SIN", [y], [b.like(x)]))
    lines = unsupported(read_graph(b.build()))
    assert [line.split(":")[0] for line in lines] == ["operator 0 (MyOperator)", "operator 1 (SIN)"]


def test_huge_tensors_are_refused_before_memory_is_taken() -> None:
    b = ModelBuilder()
    x = b.input((1 << 15, 1 << 15), 0.1, 0)
    b.output(b.op("RELU", [x], [b.like(x)]))
    with pytest.raises(UnsupportedError, match="working memory"):
        Interpreter(read_graph(b.build()))
    b.output(b.op("RELU", [x], [b.like(x, (1 << 16, 1 << 16))]))
    with pytest.raises(UnsupportedError, match="tensors of the model take"):
        Interpreter(read_graph(b.build()))


def test_weights_of_a_hundred_million_elements_are_not() -> None:
    b = ModelBuilder()
    weights = np.zeros((4096, 25088), np.int8)
    b.output(b.fully_connected(b.input((1, 25088), 0.1, 0), weights))
    Interpreter(read_graph(b.build()))


def test_endless_work_is_refused() -> None:
    b = ModelBuilder()
    x = b.input((1, 2000, 2000, 1), 0.1, 0)
    weights = np.ones((1, 1000, 1000, 1), dtype=np.int8)
    b.output(b.conv2d(x, weights, [0]))
    with pytest.raises(UnsupportedError, match="operations"):
        Interpreter(read_graph(b.build()))


def test_an_operator_cannot_read_what_is_computed_later() -> None:
    b = ModelBuilder()
    x = b.input((4,), 0.1, 0)
    y, z = b.like(x), b.like(x)
    b.op("RELU", [z], [y])
    b.op("RELU", [x], [z])
    b.output(y)
    with pytest.raises(ModelError, match=r"operator 0 \(RELU\) reads"):
        Interpreter(read_graph(b.build()))


def test_inputs_are_checked() -> None:
    interpreter = Interpreter(read_graph(conv_model().build()))
    good = int8(0, (1, 8, 8, 4))
    with pytest.raises(UsageError, match="got 0 inputs, the model has 1"):
        interpreter.run([])
    with pytest.raises(UsageError, match=r"expected int8 \[1, 8, 8, 4\], got int8 \[2, 8, 8, 4\]"):
        interpreter.run([int8(0, (2, 8, 8, 4))])
    with pytest.raises(UsageError, match=r"got float32"):
        interpreter.run([good.astype(np.float32)])
    assert interpreter.run([good])[0].shape == (1, 8, 8, 6)


def test_runs_do_not_influence_each_other() -> None:
    """Weights and multipliers are kept across runs, activations are not."""
    model = network().build()
    interpreter = Interpreter(read_graph(model))
    first, second = (np.random.default_rng(i).normal(size=(1, 8, 8, 4)).astype(np.float32) for i in range(2))
    expected = Interpreter(read_graph(model)).run([second])[0]
    interpreter.run([first])[0].fill(0)
    assert np.array_equal(interpreter.run([second])[0], expected)
    assert np.array_equal(interpreter.run([second])[0], expected)
