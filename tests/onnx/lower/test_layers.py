"""Every lowered operator agrees with ONNX Runtime to one step of its output, given the same integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators, steps_apart
from wpconvert.lowering import lower

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

dtypes = st.sampled_from(["int8", "uint8"])
seeds = st.integers(0, 2**32 - 1)


def feed(seed: int, *shape: int) -> dict[str, NDArray[Any]]:
    return {"x": np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)}


def integers(seed: int, *shape: int) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-127, 128, shape, dtype=np.int8)


def agrees(b: Builder, feeds: dict[str, NDArray[Any]]) -> None:
    steps = steps_apart(b.build(), feeds)
    assert max(steps.values()) <= 1, steps


def check_convolution(
    geometry: dict[str, Any], dtype: str, per_channel: bool, activation: str | None, seed: int
) -> None:
    """A Conv with a bias, of images or of signals: `shape`, that of `weights`, and `attributes`."""
    b = Builder(dtype)
    weights = integers(seed, *geometry["weights"])
    channels = int(geometry["weights"][0])
    scales = np.random.default_rng(seed).uniform(0.005, 0.02, channels if per_channel else ()).astype(np.float32)
    bias = np.random.default_rng(seed).integers(-3000, 3000, channels).astype(np.int32)
    x = b.input("x", geometry["shape"], 0.02, 3)
    y = b.op("Conv", x, b.weights(weights, scales), b.bias(bias, np.float32(0.02) * scales), **geometry["attributes"])
    if activation:
        y = b.op(activation, y)
    b.output(b.rounded(y, 0.02 * 0.01 * 73 * np.sqrt(weights[0].size), -5))
    agrees(b, feed(seed, *geometry["shape"]))


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    """Geometry of a Conv whose window fits into its input."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    depth = draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilations = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    size = [draw(st.integers(extent, extent + 6)) for extent in extents]
    pads = [draw(st.integers(0, 2)) for _ in range(4)]
    return {
        "shape": (1, groups * depth, *size),
        "weights": (groups * draw(st.integers(1, 3)), depth, *kernel),
        "attributes": {
            "group": groups,
            "strides": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
            "dilations": dilations,
            "pads": pads,
        },
    }


@few
@given(convolutions(), dtypes, st.booleans(), st.sampled_from([None, "Relu"]), seeds)
def test_convolutions(
    geometry: dict[str, Any], dtype: str, per_channel: bool, activation: str | None, seed: int
) -> None:
    check_convolution(geometry, dtype, per_channel, activation, seed)


@few
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 12), dtypes, st.booleans(), st.booleans(), seeds)
def test_dense_layers(
    rows: int, depth: int, units: int, dtype: str, per_channel: bool, units_first: bool, seed: int
) -> None:
    b = Builder(dtype)
    weights = integers(seed, units, depth)
    scales = np.random.default_rng(seed).uniform(0.005, 0.02, units if per_channel else ()).astype(np.float32)
    bias = np.random.default_rng(seed).integers(-3000, 3000, units).astype(np.int32)
    x = b.input("x", (rows, depth), 0.02, -4)
    matrix = b.weights(weights if units_first else weights.T, scales, 0 if units_first else 1)
    y = b.op("Gemm", x, matrix, b.bias(bias, np.float32(0.02) * scales), transB=int(units_first))
    b.output(b.rounded(y, 0.02 * 0.01 * 73 * np.sqrt(depth), 7))
    agrees(b, feed(seed, rows, depth))


def test_matmul_of_a_sequence() -> None:
    b = Builder()
    x = b.input("x", (1, 5, 12))
    b.output(b.rounded(b.op("MatMul", x, b.weights(integers(0, 12, 4), 0.01)), 0.05))
    agrees(b, feed(0, 1, 5, 12))


@few
@given(
    st.sampled_from(["Add", "Sub", "Mul"]),
    st.sampled_from([(2, 3, 4, 5), (1, 3, 1, 1), (3, 1, 1), (4, 5), (5,), (2, 1, 4, 1)]),
    dtypes,
    st.booleans(),
    seeds,
)
def test_sums_and_products_with_broadcasting(
    op: str, shape: tuple[int, ...], dtype: str, constant: bool, seed: int
) -> None:
    b = Builder(dtype)
    x = b.input("x", (2, 3, 4, 5), 0.02, 3)
    feeds = feed(seed, 2, 3, 4, 5)
    if constant:
        values = integers(seed, *shape).astype(np.int16)
        shift = 128 if dtype == "uint8" else 0
        y = b.weights((values + shift).astype(dtype), 0.015, zero_point=shift + 2)
    else:
        y = b.input("y", shape, 0.015, -2)
        feeds["y"] = np.random.default_rng(seed + 1).normal(0, 1, shape).astype(np.float32)
    b.output(b.rounded(b.op("Relu", b.op(op, x, y)), 0.04, -60))
    agrees(b, feeds)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(
    ("op", "attributes", "scale", "zero_point"),
    [
        ("Sigmoid", {}, 1 / 256, -128),
        ("Sigmoid", {}, 1 / 300, -120),
        ("Tanh", {}, 1 / 128, 0),
        ("Tanh", {}, 0.0079, 1),
        ("Relu", {}, 0.03, -128),
        ("Relu", {}, 0.025, -10),
        ("LeakyRelu", {"alpha": 0.1}, 0.02, -90),
        ("HardSwish", {}, 0.02, -110),
        ("Softmax", {"axis": 1}, 1 / 256, -128),
        ("Softmax", {"axis": 1}, 1 / 255, -128),
    ],
)
def test_activations(op: str, attributes: dict[str, Any], scale: float, zero_point: int, dtype: str) -> None:
    b = Builder(dtype)
    x = b.input("x", (1, 256), 0.03, 11)
    b.output(b.rounded(b.op(op, x, **attributes), scale, zero_point))
    every = ((np.arange(-128, 128) - 11) * 0.03).astype(np.float32)
    agrees(b, {"x": every[np.newaxis]})


@pytest.mark.parametrize(("low", "high", "scale", "zero_point"), [(0, 6, 0.03, -100), (-1, 1, 1 / 128, 0)])
def test_clips(low: float, high: float, scale: float, zero_point: int) -> None:
    b = Builder()
    x = b.input("x", (1, 256), 0.06, 0)
    y = b.op("Clip", x, b.constant(np.float32(low)), b.constant(np.float32(high)))
    b.output(b.rounded(y, scale, zero_point))
    agrees(b, {"x": (np.arange(-128, 128) * 0.06).astype(np.float32)[np.newaxis]})


@few
@given(
    st.sampled_from(["MaxPool", "AveragePool"]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.lists(st.integers(0, 1), min_size=4, max_size=4),
    st.booleans(),
    dtypes,
    st.sampled_from([(0.02, 3), (0.015, -20)]),
    seeds,
)
def test_pools(
    op: str,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: list[int],
    ceil: bool,
    dtype: str,
    quant: tuple[float, int],
    seed: int,
) -> None:
    pads = [min(pad, side - 1) for pad, side in zip(pads, kernel * 2, strict=True)]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": pads}
    if op == "AveragePool":
        attributes["count_include_pad"] = 1
    else:
        attributes["ceil_mode"] = int(ceil)
    b = Builder(dtype)
    x = b.input("x", (1, 2, 7, 8), 0.02, 3)
    b.output(b.rounded(b.op(op, x, **attributes), *quant))
    agrees(b, feed(seed, 1, 2, 7, 8))


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("op", ["Conv", "MaxPool"])
def test_paddings_that_the_operator_computes(op: str, auto_pad: str) -> None:
    b = Builder()
    x = b.input("x", (1, 2, 7, 8), 0.02, 3)
    attributes: dict[str, Any] = {"auto_pad": auto_pad, "strides": [2, 2]}
    if op == "Conv":
        y = b.op(op, x, b.weights(integers(1, 3, 2, 3, 2)), **attributes)
    else:
        y = b.op(op, x, kernel_shape=[3, 2], **attributes)
    b.output(b.rounded(y, 0.03))
    agrees(b, feed(0, 1, 2, 7, 8))


@pytest.mark.parametrize("scale", [0.02, 0.003])
def test_means_of_whole_images(scale: float) -> None:
    for op, attributes in (
        ("GlobalAveragePool", {}),
        ("AveragePool", {"kernel_shape": [6, 5]}),
        ("ReduceMean", {"axes": [2, 3], "keepdims": 0}),
        ("ReduceMean", {"axes": [1]}),
    ):
        b = Builder()
        x = b.input("x", (1, 3, 6, 5), 0.02, 3)
        b.output(b.rounded(b.op(op, x, **attributes), scale, 0))
        agrees(b, feed(0, 1, 3, 6, 5))


def test_a_mean_with_a_scale_of_its_own_is_rounded_once() -> None:
    b = Builder()
    x = b.input("x", (1, 2, 8, 8), 0.0373, -128)
    b.output(b.rounded(b.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), 0.0211, -128))
    assert set(steps_apart(b.build(), feed(0, 1, 2, 8, 8)).values()) == {0}


@pytest.mark.parametrize("fill", [None, 0.0, 0.5])
def test_padding(fill: float | None) -> None:
    b = Builder("uint8")
    x = b.input("x", (1, 3, 4, 5), 0.02, 3)
    value = [] if fill is None else [b.constant(np.float32(fill))]
    y = b.op("Pad", x, b.indices([0, 1, 0, 2, 0, 0, 3, 1]), *value)
    b.output(b.rounded(y, 0.03, 10))
    agrees(b, feed(0, 1, 3, 4, 5))


def test_concatenation_of_different_scales() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 4, 5), 0.02, 3)
    other = b.rounded(b.op("Relu", x), 0.03, -128)
    b.output(b.rounded(b.op("Concat", x, other, axis=1), 0.025, -7))
    agrees(b, feed(0, 1, 3, 4, 5))


def test_a_tensor_that_is_joined_twice_is_rescaled_once() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 4, 5), 0.02, 3)
    b.output(b.rounded(b.op("Concat", x, x, axis=1), 0.025, -7))
    agrees(b, feed(0, 1, 3, 4, 5))
    assert operators(lower(b.build(), "model")) == ["QUANTIZE", "CONCATENATION"]


def test_a_clip_that_the_output_range_implies_needs_no_operator() -> None:
    b = Builder()
    x = b.input("x", (1, 2, 5, 5))
    y = b.op("Conv", x, b.weights(integers(0, 4, 2, 1, 1)))
    y = b.op("Clip", y, b.constant(np.float32(0)), b.constant(np.float32(4)))
    b.output(b.rounded(y, 4 / 255, -128))
    model = b.build()
    assert operators(lower(model, "model")) == ["CONV_2D"]
    assert max(steps_apart(model, feed(0, 1, 2, 5, 5)).values()) <= 1


def test_4_bit_and_shifted_uint8_weights_become_int8() -> None:
    weights = integers(3, 6, 10)
    for values, zero_point in (
        ((weights.astype(np.int16) + 128).astype(np.uint8), 128),
        ((weights // 2).astype(np.int8), 5),
    ):
        b = Builder()
        y = b.op("Gemm", b.input("x", (1, 10)), b.weights(values, 0.01, 0, zero_point), transB=1)
        b.output(b.rounded(y, 0.05))
        agrees(b, feed(0, 1, 10))


def test_biases_in_float_and_in_a_scale_of_their_own() -> None:
    for kind in ("float", "coarse"):
        b = Builder()
        if kind == "float":
            bias = b.constant(np.linspace(-1, 1, 6).astype(np.float32))
        else:
            bias = b.bias(np.arange(-30, 30, 10).astype(np.int32), 0.03)
        y = b.op("Gemm", b.input("x", (1, 10)), b.weights(integers(3, 6, 10)), bias, transB=1)
        b.output(b.rounded(y, 0.05))
        agrees(b, feed(0, 1, 10))


def quantised_operator(dtype: str) -> onnx.ModelProto:
    """Conv, Add, pools and Gemm in QOperator form."""
    b = Builder(dtype)
    b.input("x", (1, 3, 8, 8))
    b.nodes.pop()
    x, scale, point = b.nodes[0].output[0], b.nodes[0].input[1], b.nodes[0].input[2]
    weights = (
        b.constant(integers(0, 4, 3, 3, 3)),
        b.constant(np.full(4, 0.01, np.float32)),
        b.constant(np.zeros(4, np.int8)),
    )
    quant = b.parameters(0.05, -10)
    bias = b.constant(np.arange(4, dtype=np.int32) * 500)
    y = b.op("QLinearConv", x, scale, point, *weights, *quant, bias, pads=[1, 1, 1, 1])
    own = b.parameters(0.06, 5)
    y = b.op("QLinearAdd", y, *quant, y, *quant, *own, domain="com.microsoft")
    y = b.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    rough = b.parameters(0.05, 0)
    y = b.op("QLinearMul", y, *own, y, *own, *rough, domain="com.microsoft")
    final = b.parameters(1 / 256, -128)
    y = b.op("QLinearSigmoid", y, *rough, *final, domain="com.microsoft")
    y = b.op("Flatten", y)
    dense = (b.constant(integers(1, 64, 5)), b.constant(np.float32(0.01)), b.constant(np.int8(0)))
    result = b.parameters(0.02, 1)
    y = b.op("QGemm", y, *final, *dense, "", *result, domain="com.microsoft")
    b.output(b.op("DequantizeLinear", y, *result))
    return b.build()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_the_qoperator_form(dtype: str) -> None:
    steps = steps_apart(quantised_operator(dtype), feed(0, 1, 3, 8, 8))
    assert len(steps) >= 6
    assert max(steps.values()) <= 1, steps


def test_weights_that_two_layers_share_are_stored_once() -> None:
    sizes = []
    for shared in (True, False):
        b = Builder()
        first = integers(0, 64, 64)
        names = [b.weights(first), b.weights(first if shared else integers(1, 64, 64))]
        y = b.input("x", (1, 64))
        for name in names:
            y = b.rounded(b.op("Gemm", y, name), 0.1)
        b.output(y)
        sizes.append(len(lower(b.build(), "model").data))
        agrees(b, feed(0, 1, 64))
    assert sizes[0] < sizes[1] - 4000


def test_integer_inputs_and_outputs_keep_their_integers() -> None:
    b = Builder("uint8")
    b.inputs.append(onnx.helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, (1, 4)))
    quant = b.parameters(0.02, 0)
    y = b.op("MatMul", b.op("DequantizeLinear", "x", *quant), b.weights(integers(0, 4, 3)))
    result, *_ = b.quantised(y, 0.03)
    b.output(result, onnx.TensorProto.UINT8)
    lowered = lower(b.build(), "model")
    assert (lowered.inputs[0].dtype, lowered.outputs[0].dtype) == ("uint8", "uint8")
    agrees(b, {"x": np.array([[0, 255, 128, 7]], np.uint8)})
