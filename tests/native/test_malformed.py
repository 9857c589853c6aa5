"""Malformed models end in the runtime's error, which names the operator or the tensor; never in wrong outputs.

Crashes and reads outside the model are what test_fuzz.py looks for, with sanitizers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.chains import elements, moves
from tests.reference.test_malformed import BIAS, INPUT, OUTPUT, WEIGHTS, conv_model, network, set_tensor
from tests.support.models import ModelBuilder
from tests.tflite.harness import METHODS, assert_same_outputs, forced, inputs_for, sparse
from tools.fuzz import Seed, damaged_inside
from tools.fuzz_native import damaged_structure
from wpconvert import _native
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.schema import TensorType
from wpconvert.reference.interpreter import Interpreter


@pytest.mark.parametrize(
    "change",
    [
        set_tensor(OUTPUT, shape=[1, 8, 7, 6]),
        set_tensor(OUTPUT, shape=[2, 8, 8, 6]),
        set_tensor(OUTPUT, scale=[math.nan]),
        set_tensor(OUTPUT, scale=[0.0]),
        set_tensor(OUTPUT, type=TensorType.INT16),
        set_tensor(INPUT, scale=[-1.0]),
        set_tensor(INPUT, scale=[math.inf]),
        set_tensor(INPUT, zeroPoint=[300]),
        set_tensor(INPUT, quantization=None),
        set_tensor(INPUT, type=TensorType.INT16),
        set_tensor(INPUT, type=TensorType.FLOAT32),
        set_tensor(WEIGHTS, zeroPoint=[1] * 6),
        set_tensor(WEIGHTS, quantizedDimension=1),
        set_tensor(WEIGHTS, scale=[0.1] * 5, zeroPoint=[0] * 5),
        set_tensor(BIAS, shape=[5]),
        set_tensor(BIAS, type=TensorType.FLOAT32),
        set_tensor(INPUT, shape=[1, 8, 8, -1]),
        set_tensor(INPUT, shape=[1, 0, 8, 4]),
        set_tensor(INPUT, shape=[1 << 30, 1 << 30, 8, 4]),
        set_tensor(WEIGHTS, buffer=1000),
    ],
)
def test_malformed_tensors_are_refused(change: Callable[[ModelBuilder], None]) -> None:
    b = conv_model()
    change(b)
    with pytest.raises(_native.Error, match=r"operator 0|tensor \d|buffer"):
        _native.Interpreter(b.to_bytes())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strideH", 0),
        ("strideW", -1),
        ("dilationHFactor", 0),
        ("padding", 7),
        ("dilationWFactor", 2**30),
        ("fusedActivationFunction", 4),
    ],
)
def test_malformed_options_are_refused(field: str, value: int) -> None:
    with pytest.raises(_native.Error, match=r"operator 0 \(CONV_2D\): "):
        _native.Interpreter(conv_model(**{field: value}).to_bytes())


@pytest.mark.parametrize("dilation", [(2**29 - 1, 1), (1, 2**29 - 1), (2**31 - 1, 2**31 - 1)])
@pytest.mark.parametrize("layer", [ModelBuilder.conv2d, ModelBuilder.depthwise])
def test_a_dilation_counts_only_where_there_are_taps(layer: Callable[..., int], dilation: tuple[int, int]) -> None:
    def model(kernel: tuple[int, int], dilation: tuple[int, int]) -> bytes:
        b = ModelBuilder()
        filters = (4, *kernel, 4) if layer is ModelBuilder.conv2d else (1, *kernel, 4)
        b.output(layer(b, b.input((1, 8, 8, 4), 1.0), sparse(1, filters, 0.1), None, dilation=dilation))
        return b.to_bytes()

    kernel = (3 if dilation[0] == 1 else 1, 3 if dilation[1] == 1 else 1)
    inputs = inputs_for(model(kernel, dilation))
    wanted, got = (_native.Interpreter(model(kernel, d)).run(inputs) for d in ((1, 1), dilation))
    assert_same_outputs(got, wanted)
    with pytest.raises(_native.Error, match=r"does not fit|spans more than"):
        _native.Interpreter(model((3, 3), dilation))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("payload", ["blob", "table", "options"])
def test_damaged_payloads_of_rewritten_operators_are_refused(method: str, payload: str) -> None:
    """The first byte of each payload is one that a reader has to check: magic, or the last one's type."""
    model = parse(forced(conv_model().to_bytes(), method))
    graph = model.root.subgraphs[0]
    operator = graph.operators[0]
    if payload == "options":
        operator.customOptions = np.zeros(len(operator.customOptions), np.uint8)
    else:
        buffer = model.root.buffers[graph.tensors[operator.inputs[1 if payload == "blob" else 2]].buffer]
        buffer.data = np.concatenate([[0], buffer.data[1:]]).astype(np.uint8)
    with pytest.raises(_native.Error, match=r"operator 0 \(WP_CONV_2D\): "):
        _native.Interpreter(serialise(model))


@pytest.mark.parametrize("build", [elements, moves, lambda: forced(elements(), "dcsr")])
def test_truncated_files_are_refused(build: Callable[[], bytes]) -> None:
    data = build()
    for length in range(0, len(data) - 64, 37):
        with pytest.raises(_native.Error):
            _native.Interpreter(data[:length])


def _run(data: bytes, inputs: list[Any]) -> list[bytes] | None:
    try:
        return [output.tobytes() for output in _native.Interpreter(data).run(inputs)]
    except (_native.Error, ValueError) as error:
        assert str(error)
        return None


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), inside=st.booleans(), which=st.sampled_from([*METHODS, "original"]))
def test_what_both_accept_gives_the_same_outputs(seed: int, inside: bool, which: str) -> None:
    rng = random.Random(seed)
    dense = rng.choice([elements, moves])()
    start = Seed(which, dense if which == "original" else forced(dense, which))
    data = damaged_inside(start, rng) if inside else damaged_structure(start, rng)
    try:
        model = parse(data)
        interpreter = Interpreter(read_graph(model))
        graph = model.root.subgraphs[0]
        shapes = [tuple(graph.tensors[index].shape) for index in graph.inputs]
        types = [graph.tensors[index].type for index in graph.inputs]
        if any(kind != TensorType.INT8 for kind in types):
            return
        inputs = [np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8) for shape in shapes]
        expected = [output.tobytes() for output in interpreter.run(inputs)]
    except (ModelError, UnsupportedError):
        return
    found = _run(data, inputs)
    assert found is None or found == expected


def test_the_chains_themselves_run() -> None:
    for data in (elements(), moves(), network().to_bytes()):
        assert _native.Interpreter(data).inputs
