"""Which weights can be rewritten, and the reason given for each that cannot; such files stay valid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.models import ModelBuilder
from tests.tflite.harness import conv_builder, converted, inputs_for, litert, names, obstacles, sparse
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.schema import (
    ActivationFunctionType,
    BufferT,
    TensorType,
    options,
)
from wpconvert.formats.tflite.weights import find_weights, rewritable_weights
from wpconvert.model.weight import Fixed

Change = Callable[[ModelBuilder], None]


def conv(change: Change) -> bytes:
    """One worthwhile convolution, changed."""
    b, y = conv_builder()
    b.output(y)
    change(b)
    return b.to_bytes()


def field(path: str, value: Any) -> Change:
    """Sets a field of the graph, `tensors.1.type`."""

    def change(b: ModelBuilder) -> None:
        node: Any = b.graph
        *parents, last = path.split(".")
        for name in parents:
            node = node[int(name)] if name.isdigit() else getattr(node, name)
        setattr(node, last, value)

    return change


def both(*changes: Change) -> Change:
    def change(b: ModelBuilder) -> None:
        for one in changes:
            one(b)

    return change


def _retype(tensor: int, kind: int, content: Any) -> Change:
    """Another type, and content of that type."""

    def change(b: ModelBuilder) -> None:
        b.graph.tensors[tensor].type = kind
        buffers: Any = b.build().root.buffers
        buffers[b.graph.tensors[tensor].buffer] = BufferT(data=np.frombuffer(content.tobytes(), np.uint8))

    return change


_WEIGHTS = 32 * 3 * 3 * 16
_OPTIONS = "operators.0.builtinOptions."

CONV_OBSTACLES: list[tuple[str, Change, str]] = [
    ("float", _retype(1, TensorType.FLOAT32, np.zeros(_WEIGHTS, np.float32)), "float32 weights; only int8"),
    ("uint8", field("tensors.1.type", TensorType.UINT8), "uint8 weights; only int8"),
    ("int4", _retype(1, TensorType.INT4, np.zeros(_WEIGHTS // 2, np.uint8)), "int4 weights; only int8"),
    (
        "int16 activations",
        both(field("tensors.0.type", TensorType.INT16), field("tensors.2.type", TensorType.INT16)),
        "int16 activations with int8 weights",
    ),
    ("hybrid", field("tensors.0.type", TensorType.FLOAT32), "hybrid: float32 activations with int8 weights"),
    ("zero point", field("tensors.1.quantization.zeroPoint", np.full(32, 1)), "a zero point other than 0"),
    ("no scale", field("tensors.1.quantization", None), "the weights has no scale"),
    ("scale 0", field("tensors.0.quantization.scale", np.zeros(1, np.float32)), "the input has a scale that is not"),
    (
        "output zero point",
        field("tensors.2.quantization.zeroPoint", np.array([200])),
        "the output has a zero point outside int8",
    ),
    (
        "other axis",
        both(
            field("tensors.1.quantization.quantizedDimension", 3),
            field("tensors.1.quantization.scale", np.ones(16, np.float32)),
            field("tensors.1.quantization.zeroPoint", np.zeros(16, np.int64)),
        ),
        "16 scales along dimension 3, expected 32 along 0",
    ),
    ("int64 bias", _retype(3, TensorType.INT64, np.zeros(32, np.int64)), "bias is not a constant of 32 int32"),
    ("dynamic bias", field("tensors.3.buffer", 0), "bias is not a constant"),
    ("variable", field("tensors.1.isVariable", True), "is a variable tensor"),
    ("graph output", lambda b: b.output(1), "is an input or output of the model"),
    (
        "TANH",
        field(_OPTIONS + "fusedActivationFunction", ActivationFunctionType.TANH),
        "fused activation TANH is not supported",
    ),
    ("activation 77", field(_OPTIONS + "fusedActivationFunction", 77), "fused activation 77 is not one of the schema"),
    ("padding 9", field(_OPTIONS + "padding", 9), "padding 9 is not one of the schema"),
    ("stride 0", field(_OPTIONS + "strideW", 0), "is not positive"),
    (
        "no options",
        both(field("operators.0.builtinOptions", None), field("operators.0.builtinOptionsType", 0)),
        "no Conv",
    ),
    ("four inputs", field("operators.0.inputs", [0, 1, 2, 2]), "CONV_2D with 4 inputs"),
    ("dynamic", field("tensors.1.buffer", 0), "not a constant"),
]


@pytest.mark.parametrize(("change", "reason"), [c[1:] for c in CONV_OBSTACLES], ids=[c[0] for c in CONV_OBSTACLES])
@pytest.mark.parametrize("strip", [False, True], ids=["", "strip"])
def test_weight_that_cannot_be_rewritten_is_listed_with_the_reason_and_the_file_stays_valid(
    change: Change, reason: str, strip: bool
) -> None:
    data = conv(change)
    result = converted(data, strip=strip)
    (tensor,) = result.report.tensors
    assert (tensor.method, tensor.nbytes_after) == ("none", tensor.nbytes_before)
    assert tensor.reason is not None and reason in tensor.reason
    model = parse(result.data)
    assert names(result.data) == ["CONV_2D"]
    before = parse(data)
    for index, tensor_before in enumerate(before.root.subgraphs[0].tensors):
        old, new = before.buffer(tensor_before), model.buffer(model.root.subgraphs[0].tensors[index])
        assert (old is None and new is None) or np.array_equal(old, new)  # type: ignore[arg-type]


def test_the_unchanged_convolution_of_these_tests_is_rewritten() -> None:
    assert names(converted(conv(lambda _: None)).data) == ["WP_CONV_2D"]


def test_sparse_tensor_of_tflite_stays() -> None:
    def change(b: ModelBuilder) -> None:
        b.graph.tensors[1].sparsity = options("SparsityParameters", traversalOrder=np.arange(4, dtype=np.int32))

    assert "sparse format" in str(obstacles(conv(change))["conv/weights"])


def test_shuffled_fully_connected_weights_stay() -> None:
    b = ModelBuilder()
    b.output(b.fully_connected(b.input((1, 64), 0.5), sparse(0, (64, 64))))
    b.graph.operators[0].builtinOptions.weightsFormat = 1
    assert obstacles(b.to_bytes()) == {"dense/weights": "the shuffled weights format is not supported"}


def test_weights_computed_at_run_time_are_listed() -> None:
    b = ModelBuilder()
    x, w = b.input((1, 8), 0.5), b.input((4, 8), 0.25, name="computed")
    b.output(b.fully_connected(x, w, scale=0.5))
    (weight,) = find_weights(parse(b.to_bytes()))
    assert weight.nbytes == 0 and isinstance(weight, Fixed)
    assert "computed at run time" in weight.obstacle


def test_constants_of_other_operators_are_listed_from_256_bytes_on() -> None:
    b = ModelBuilder()
    x = b.input((1, 16, 16, 1), 0.5)
    large = b.constant(sparse(1, (1, 16, 16, 1)), 0.5, name="large")
    small = b.constant(sparse(2, (1, 1, 16, 1)), 0.5, name="small")
    for constant in (large, small):
        x = b.op("SUB", [x, constant], [b.like(x)], options("SubOptions"))
    b.output(x)
    assert obstacles(b.to_bytes()) == {"large": "constants of SUB are not rewritten"}


def test_transposed_convolution_stays_and_runs() -> None:
    b = ModelBuilder()
    x = b.input((1, 4, 4, 8), 0.5)
    shape = b.constant(np.array([1, 8, 8, 8], np.int32))
    weights = b.constant(sparse(1, (8, 2, 2, 8)), 0.02, name="transposed")
    y = b.tensor((1, 8, 8, 8), "int8", 0.4)
    b.output(b.op("TRANSPOSE_CONV", [shape, weights, x], [y], options("TransposeConvOptions", strideH=2, strideW=2)))
    data = b.to_bytes()
    assert obstacles(data) == {"transposed": "constants of TRANSPOSE_CONV are not rewritten"}
    inputs = inputs_for(data)
    assert np.array_equal(litert(converted(data).data, inputs)[0], litert(data, inputs)[0])


def two_users(second: Callable[[ModelBuilder, int, int], int]) -> bytes:
    """A convertible FULLY_CONNECTED and another operator that read one weight."""
    b = ModelBuilder()
    x = b.input((64, 64), 0.5)
    weights = b.constant(sparse(1, (64, 64), 0.97), 0.02, name="shared")
    b.output(b.fully_connected(x, weights, scale=0.5), second(b, x, weights))
    return b.to_bytes()


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (lambda b, x, w: b.op("ADD", [x, w], [b.like(x)], options("AddOptions")), "different weight layouts"),
        (lambda b, x, w: b.fully_connected(w, x), "used as input 0 of FULLY_CONNECTED"),
        (lambda b, x, w: b.fully_connected(x, w, activation="TANH"), "fused activation TANH"),
    ],
    ids=["ADD", "as activation", "not convertible"],
)
def test_weight_shared_with_an_operator_that_cannot_take_the_blob_stays(second: Any, reason: str) -> None:
    data = two_users(second)
    assert reason in str(obstacles(data)["shared"])
    assert not any(name.startswith("WP_") for name in names(converted(data).data))


def test_weight_read_in_two_layouts_stays() -> None:
    b = ModelBuilder()
    x = b.input((1, 4, 4, 1), 0.5)
    weights = b.constant(sparse(1, (1, 3, 3, 64)), 0.02, name="both")
    y = b.depthwise(x, weights, scale=0.5)
    b.output(b.conv2d(y, weights, scale=0.5))
    assert obstacles(b.to_bytes()) == {"both": "used by operators with different weight layouts"}


@pytest.mark.parametrize("owner", ["metadata", "small constant", "idle tensor", "bias"])
def test_weight_that_shares_its_buffer_with_something_else_stays(owner: str) -> None:
    """Putting a blob there would change that other thing."""
    b = ModelBuilder()
    x = b.input((1, 16), 0.5)
    weights = b.constant(np.zeros((4, 16), np.int8), 1.0, name="w")
    buffer = b.graph.tensors[weights].buffer
    y = b.fully_connected(x, weights, scale=0.5)
    if owner == "metadata":
        b.metadata("mine", b"")
        b.build().root.metadata[0].buffer = buffer
    elif owner == "small constant":
        alias = b.tensor((4, 16), "int8", 0.5, buffer=buffer)
        y = b.op(
            "ADD", [b.fully_connected(x, sparse(1, (16, 16)), scale=0.5), alias], [b.like(alias)], options("AddOptions")
        )
    elif owner == "idle tensor":
        b.tensor((64,), "int8", buffer=buffer)
    else:
        bias = b.tensor((16,), "int32", 0.5, buffer=buffer)
        y = b.fully_connected(y, np.ones((16, 4), np.int8), bias, scale=0.5)
    b.output(y)
    assert "shares its data" in str(obstacles(b.to_bytes())["w"])


def test_weights_come_in_execution_order_once_each_with_all_their_operators() -> None:
    b = ModelBuilder()
    x = b.input((1, 1, 1, 16), 0.5)
    pointwise = b.constant(sparse(1, (16, 1, 1, 16)), 0.02, name="pointwise")
    y = b.conv2d(b.conv2d(x, pointwise, scale=0.4), pointwise, scale=0.3)
    b.output(b.fully_connected(y, sparse(2, (4, 16)), name="classifier"))
    weights = rewritable_weights(parse(b.to_bytes()))
    assert [(w.name, w.operators, w.row_dims) for w in weights] == [
        ("pointwise", ("CONV_2D",), 1),
        ("classifier/weights", ("FULLY_CONNECTED",), 1),
    ]


@pytest.mark.parametrize("method", ["auto", "rle"])
@pytest.mark.parametrize("operator", ["CONV_2D", "FULLY_CONNECTED", "DEPTHWISE_CONV_2D"])
def test_weights_that_are_an_activation_stay_whatever_the_method(operator: str, method: str) -> None:
    b = ModelBuilder()
    shapes = {"CONV_2D": (8, 1, 1, 16), "FULLY_CONNECTED": (8, 16), "DEPTHWISE_CONV_2D": (1, 3, 3, 16)}
    w = b.input(shapes[operator], 0.02)
    x = b.input((1, 16) if operator == "FULLY_CONNECTED" else (1, 4, 4, 16), 0.5)
    layers: dict[str, Callable[..., int]] = {"CONV_2D": b.conv2d, "FULLY_CONNECTED": b.fully_connected}
    layers["DEPTHWISE_CONV_2D"] = b.depthwise
    b.output(layers[operator](x, w, scale=0.5, weight_scales=0.02))
    result = converted(b.to_bytes(), method)
    (tensor,) = result.report.tensors
    assert (tensor.method, names(result.data)) == ("none", [operator])
    assert tensor.reason == "not a constant: the weights are computed at run time or missing"
