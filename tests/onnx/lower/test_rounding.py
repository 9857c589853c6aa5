"""Biases make up for the first of the kernels' two roundings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import file_inputs, run_onnx, to_file
from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.lowering import Lowered, lower
from wpconvert.reference.interpreter import Interpreter

_CHANNELS = 16


def _layer(ratio: float, relu: bool, biased: bool) -> Builder:
    """A depthwise convolution whose sums are multiplied with about `ratio`; with steps so coarse much is rounded."""
    random = np.random.default_rng(0)
    b = Builder()
    scales = (ratio * np.exp2(random.uniform(0, 1, _CHANNELS))).astype(np.float32)
    weights = random.integers(-4, 5, (_CHANNELS, 1, 3, 3), dtype=np.int8)
    bias = [b.constant(random.integers(-9, 9, _CHANNELS).astype(np.float32) * scales)] if biased else []
    y = b.op(
        "Conv", b.input("x", (1, _CHANNELS, 16, 16), scale=1.0), b.weights(weights, scales), *bias, group=_CHANNELS
    )
    b.output(b.rounded(b.op("Relu", y), 1.0, -128) if relu else b.rounded(y, 1.0, 0))
    return b


def _differences(lowered: Lowered, b: Builder) -> NDArray[np.int16]:
    feeds = {"x": np.random.default_rng(1).normal(0, 6, (1, _CHANNELS, 16, 16)).astype(np.float32)}
    model = b.build()
    integers = model.graph.node[-2].output[0]
    [expected] = run_onnx(model, feeds, integers).values()
    [found] = Interpreter(read_graph(parse(lowered.data))).run(file_inputs(lowered, feeds))
    [mapping] = lowered.outputs
    return found.astype(np.int16) - to_file(expected, mapping)


def _biases(lowered: Lowered) -> NDArray[np.int32]:
    model = parse(lowered.data)
    graph = model.root.subgraphs[0]
    [operator] = graph.operators
    buffer = model.buffer(graph.tensors[operator.inputs[2]])
    assert buffer is not None
    return buffer.view(np.int32)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("ratio", [0.2, 0.03])
def test_results_of_a_relu_are_not_raised(ratio: float, biased: bool) -> None:
    b = _layer(ratio, relu=True, biased=biased)
    differences = _differences(lower(b.build(), "layer"), b)
    raised, lowered = (differences > 0).mean(), (differences < 0).mean()
    assert raised == 0 and lowered < ratio / 4, (raised, lowered)


def test_biases_of_results_of_both_signs_are_the_model_s_own() -> None:
    assert not _biases(lower(_layer(0.2, relu=False, biased=False).build(), "layer")).any()
    assert (_biases(lower(_layer(0.2, relu=True, biased=False).build(), "layer")) == -1).all()


def test_results_that_are_rounded_once_are_left_alone() -> None:
    assert not _biases(lower(_layer(1.0, relu=True, biased=False).build(), "layer")).any()


def _coarse(bias: Callable[[Builder], str]) -> Builder:
    """A convolution whose bias has steps of 1, twenty steps of its output."""
    b = Builder()
    weights = b.weights(np.ones((2, 1, 1, 1), np.int8), 1.0)
    b.output(b.rounded(b.op("Conv", b.input("x", (1, 1, 4, 4), scale=1.0), weights, bias(b)), 0.05))
    return b


def test_a_bias_that_loses_more_than_half_an_output_step_is_refused() -> None:
    b = _coarse(lambda b: b.constant(np.array([2.0, 3.4], np.float32)))
    with pytest.raises(
        UnsupportedError, match=r"'Conv_\d+' \(Conv\): its bias 'constant_\d+' .* off by 8 output steps"
    ):
        lower(b.build(), "layer")


@pytest.mark.parametrize(
    "bias",
    [
        lambda b: b.constant(np.array([2.0, 3.02], np.float32)),
        lambda b: b.bias(np.array([2, 3], np.int32), [1.0, 1.0]),
    ],
)
def test_a_bias_near_whole_steps_is_taken(bias: Callable[[Builder], str]) -> None:
    assert _biases(lower(_coarse(bias).build(), "layer")).tolist() == [2, 3]


def test_a_bias_that_is_no_number_is_refused() -> None:
    b = _coarse(lambda b: b.constant(np.array([2.0, np.nan], np.float32)))
    with pytest.raises(UnsupportedError, match="overflows int32"):
        lower(b.build(), "layer")
