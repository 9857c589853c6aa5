"""The forms an ONNX operator has: attributes or inputs, axes from either end, factors, defaults by opset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators
from tests.onnx.lower.test_layers import agrees, feed, integers
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.lowering import lower

IMAGE = (1, 3, 6, 5)
AXES = np.array([2, 3], np.int64)
FIRST = np.array([1], np.int64)


def built(
    op: str,
    shape: tuple[int, ...],
    constants: tuple[Any, ...] = (),
    quant: tuple[float, int] = (0.02, 3),
    opset: int = 17,
    **attributes: Any,
) -> Builder:
    """One operator on an input and constants; int8 matrices among these are dequantised."""
    b = Builder(opset=opset)
    x = b.input("x", shape, 0.02, 3)
    values = [np.asarray(value) for value in constants]
    others = [b.weights(value) if value.dtype == np.int8 else b.constant(value) for value in values]
    b.output(b.rounded(b.op(op, x, *others, **attributes), *quant))
    return b


@pytest.mark.parametrize(
    ("op", "opset", "constants", "attributes"),
    [
        ("ReduceMean", 17, (), {"axes": [2, 3]}),
        ("ReduceMean", 17, (), {"axes": [-1, -2], "keepdims": 0}),
        ("ReduceMean", 17, (), {"axes": [1, 3], "keepdims": 0}),
        ("ReduceMean", 17, (), {}),
        ("ReduceMean", 18, (AXES,), {"keepdims": 0}),
        ("ReduceMean", 18, (), {"keepdims": 0}),
        ("ReduceMax", 17, (), {"axes": [2, 3], "keepdims": 0}),
        ("ReduceMax", 18, (FIRST,), {}),
        ("GlobalMaxPool", 17, (), {}),
    ],
)
@pytest.mark.parametrize("quant", [(0.02, 3), (0.013, -20)])
def test_reductions(
    op: str, opset: int, constants: tuple[Any, ...], attributes: dict[str, Any], quant: tuple[float, int]
) -> None:
    agrees(built(op, IMAGE, constants, quant, opset, **attributes), feed(0, *IMAGE))


@pytest.mark.parametrize(
    ("op", "opset", "shape", "constants", "attributes"),
    [
        ("Flatten", 17, IMAGE, (), {"axis": 0}),
        ("Flatten", 17, IMAGE, (), {"axis": -1}),
        ("Reshape", 17, IMAGE, (np.array([0, -1, 5], np.int64),), {}),
        ("Reshape", 17, IMAGE, (np.array([-1, 15], np.int64),), {"allowzero": 1}),
        ("Squeeze", 11, (1, 3, 1, 5), (), {"axes": [-2]}),
        ("Squeeze", 17, (1, 3, 1, 5), (np.array([2], np.int64),), {}),
        ("Squeeze", 17, (1, 3, 1, 5), (), {}),
        ("Unsqueeze", 11, (1, 3, 5), (), {"axes": [2, -1]}),
        ("Unsqueeze", 17, (1, 3, 5), (np.array([0, 4], np.int64),), {}),
        ("Transpose", 17, IMAGE, (), {}),
        ("Pad", 11, IMAGE, (np.array([0, 0, 1, 1, 0, 0, 2, 2], np.int64), np.float32(0.5)), {}),
        ("Pad", 18, IMAGE, (np.array([1, 2], np.int64), np.float32(0), np.array([-1], np.int64)), {}),
    ],
)
def test_moves(
    op: str, opset: int, shape: tuple[int, ...], constants: tuple[Any, ...], attributes: dict[str, Any]
) -> None:
    agrees(built(op, shape, constants, opset=opset, **attributes), feed(0, *shape))


@pytest.mark.parametrize("opset", [11, 12, 13, 17])
@pytest.mark.parametrize("attributes", [{}, {"axis": 1}, {"axis": -1}, {"axis": 2}])
@pytest.mark.parametrize("shape", [(2, 8), (1, 3, 4, 5), (1, 8, 1, 1)])
def test_softmax(opset: int, attributes: dict[str, Any], shape: tuple[int, ...]) -> None:
    if attributes.get("axis", 0) < len(shape):
        agrees(built("Softmax", shape, quant=(1 / 256, -128), opset=opset, **attributes), feed(0, *shape))


@pytest.mark.parametrize("factors", [{}, {"alpha": 0.5}, {"alpha": -2.0, "beta": 0.25}, {"beta": 0.0}])
@pytest.mark.parametrize("bias", [None, np.float32(0.7), [0.5], [[1, -1, 2, -2]], [0.1, 0.2, 0.3, 0.4]])
def test_factors_and_biases_of_gemm(factors: dict[str, Any], bias: Any) -> None:
    constants = [integers(0, 4, 10)] + ([] if bias is None else [np.array(bias, np.float32)])
    agrees(built("Gemm", (2, 10), tuple(constants), (0.1, -3), transB=1, **factors), feed(0, 2, 10))


def test_a_gemm_of_a_transposed_input() -> None:
    b = built("Gemm", (10, 2), (integers(0, 10, 4), np.ones(4, np.float32)), (0.1, -3), transA=1)
    agrees(b, feed(0, 10, 2))


@pytest.mark.parametrize(
    ("shape", "weights"),
    [
        ((10,), (10, 4)),
        ((3, 10), (10,)),
        ((3, 10), (10, 4)),
        ((1, 3, 10), (10, 4)),
        ((2, 3, 10), (1, 10, 4)),
        ((1, 2, 5, 10), (10, 4)),
    ],
)
def test_matrices_of_any_rank(shape: tuple[int, ...], weights: tuple[int, ...]) -> None:
    agrees(built("MatMul", shape, (integers(0, *weights),), (0.1, -3)), feed(0, *shape))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("value", [np.float32(0.7), np.array([-0.7], np.float32), np.float32(1)])
@pytest.mark.parametrize("first", [True, False])
def test_single_numbers_on_either_side(op: str, value: NDArray[np.float32], first: bool) -> None:
    b = Builder()
    x, other = b.input("x", IMAGE, 0.02, 3), b.constant(value)
    operands = (other, x) if first else (x, other)
    b.output(b.rounded(b.op(op, *operands), 0.03, -20))
    agrees(b, feed(0, *IMAGE))


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 3, 1, 1)])
@pytest.mark.parametrize("first", [True, False])
def test_numbers_per_channel_are_exact(op: str, shape: tuple[int, ...], first: bool) -> None:
    if op == "Div" and first:
        return
    b = Builder()
    x, other = b.input("x", IMAGE, 0.02, 3), b.constant(np.array([0.01, -0.3, 1.7], np.float32).reshape(shape))
    b.output(b.rounded(b.op(op, *((other, x) if first else (x, other))), 0.03, -20))
    assert operators(lower(b.build(), "model")) == ["DEPTHWISE_CONV_2D"]
    agrees(b, feed(0, *IMAGE))


@pytest.mark.parametrize("zero_point", [-100, 0, 90])
@pytest.mark.parametrize("slopes", [[0.25, 0.1, 0.9], [-0.3, 0.5, 0.0], [0.0, 0.0, 0.0]])
def test_slopes_per_channel(zero_point: int, slopes: list[float]) -> None:
    b = Builder()
    x = b.input("x", (1, 3, 16, 16), 0.02, zero_point)
    y = b.op("PRelu", x, b.constant(np.array(slopes, np.float32).reshape(3, 1, 1)))
    every = ((np.arange(-128, 128) - zero_point) * 0.02).astype(np.float32).reshape(1, 1, 16, 16)
    lowest, highest = every.min() * max(slopes), max(every.max(), every.min() * min(slopes))
    scale = float(highest - lowest) / 255
    b.output(b.rounded(y, scale, round(-128 - lowest / scale)))
    agrees(b, {"x": np.repeat(every, 3, axis=1)})


def test_slopes_per_channel_before_a_finer_output() -> None:
    b = Builder()
    x = b.input("x", (1, 2, 16, 16), 0.02, 0)
    y = b.op("PRelu", x, b.constant(np.array([0.01, 4], np.float32).reshape(2, 1, 1)))
    b.output(b.rounded(y, 0.004, 0))
    agrees(b, {"x": np.random.default_rng(0).uniform(-1, 1, (1, 2, 16, 16)).astype(np.float32)})


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_strides_beyond_the_image(op: str, pads: list[int]) -> None:
    b = Builder()
    x = b.input("x", (1, 3, 8, 8))
    b.output(b.rounded(b.op(op, x, kernel_shape=[3, 3], strides=[1 << 40, 100], pads=pads), 0.02, 3))
    agrees(b, feed(0, 1, 3, 8, 8))


def test_a_padded_image_that_is_too_large_is_named() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 8, 8))
    pooled = b.op("MaxPool", x, kernel_shape=[3, 3], strides=[1 << 40, 1 << 40], pads=[1 << 40] * 4)
    b.output(b.rounded(pooled, 0.02, 3))
    with pytest.raises(UnsupportedError, match=r"\(MaxPool\): the padded image: shape \[2199023255560, "):
        lower(b.build(), "model")


@pytest.mark.parametrize(
    "bounds",
    [
        ([1], [3], [1], [1]),
        ([-4, 0], [99, -1], [2, 3], [1, 2]),
        ([0, 1, 2, 1], [1, 3, 6, 4]),
        ([1, 1], [4, 1 << 40], [2, -1], [2, 1 << 40]),
    ],
)
def test_slices(bounds: tuple[list[int], ...]) -> None:
    indices = tuple(np.array(values, np.int64) for values in bounds)
    agrees(built("Slice", IMAGE, indices), feed(0, *IMAGE))


@pytest.mark.parametrize(
    ("opset", "sizes", "attributes", "count"),
    [
        (13, [1, 2], {"axis": 1}, 2),
        (13, None, {"axis": 2}, 3),
        (11, None, {"axis": -2, "split": [4, 2]}, 2),
        (18, None, {"axis": 3, "num_outputs": 2}, 2),
    ],
)
def test_splits(opset: int, sizes: list[int] | None, attributes: dict[str, Any], count: int) -> None:
    b = Builder(opset=opset)
    x = b.input("x", IMAGE, 0.02, 3)
    operands = [x] if sizes is None else [x, b.indices(sizes)]
    first = b.op("Split", *operands, **attributes)
    b.nodes[-1].output.extend(f"part_{index}" for index in range(1, count))
    for index, part in enumerate([first, *b.nodes[-1].output[1:]]):
        b.output(b.rounded(b.op("Relu", part), 0.015, -20 - index))
    model = b.build()
    assert operators(lower(model, "model")).count("STRIDED_SLICE") == count
    agrees(b, feed(0, *IMAGE))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_constants_joined_to_activations(axis: int) -> None:
    b = Builder()
    x = b.input("x", IMAGE, 0.02, 3)
    shift = b.weights(integers(0, *IMAGE), 0.015)
    b.output(b.rounded(b.op("Concat", shift, x, b.rounded(b.op("Relu", x), 0.03, -128), axis=axis), 0.025, -7))
    agrees(b, feed(0, *IMAGE))


def test_squeeze_and_excitation() -> None:
    b = Builder("uint8")
    x = b.input("x", (1, 8, 6, 6))
    gate = b.rounded(b.op("ReduceMean", x, axes=[2, 3], keepdims=0), 0.01)
    gate = b.rounded(b.op("Relu", b.op("Gemm", gate, b.weights(integers(0, 8, 4)))), 0.02, -128)
    gate = b.rounded(b.op("Sigmoid", b.rounded(b.op("Gemm", gate, b.weights(integers(1, 4, 8))), 0.02)), 1 / 256, -128)
    gate = b.op("Unsqueeze", gate, b.indices([2, 3]))
    b.output(b.rounded(b.op("Mul", gate, x), 0.02))
    model = b.build()
    found = operators(lower(model, "model"))
    assert found == ["MEAN", "FULLY_CONNECTED", "FULLY_CONNECTED", "LOGISTIC", "RESHAPE", "MUL"]
    agrees(b, feed(0, 1, 8, 6, 6))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"ceil_mode": 1},
        {"pads": [1] * 4},
        {"pads": [2, 0, 0, 2]},
        {"pads": [1] * 4, "ceil_mode": 1},
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER"},
    ],
)
@pytest.mark.parametrize("counts", [0, 1])
@pytest.mark.parametrize("quant", [(0.02, 3), (0.013, -20)])
def test_means_of_windows(attributes: dict[str, Any], counts: int, quant: tuple[float, int]) -> None:
    b = built(
        "AveragePool",
        (1, 3, 8, 8),
        quant=quant,
        opset=19,
        kernel_shape=[3, 3],
        strides=[2, 2],
        count_include_pad=counts,
        **attributes,
    )
    agrees(b, feed(0, 1, 3, 8, 8))


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (
            built("Gemm", (2, 10), (integers(0, 10, 4), np.ones((2, 1), np.float32))),
            "a bias of shape .2, 1. does not match 4",
        ),
        (
            built("Gemm", (4, 10), (integers(0, 10, 4), np.ones((4, 1), np.float32))),
            "bias of shape .4, 1. does not match 4",
        ),
        (built("MatMul", (2, 3, 10), (integers(0, 2, 10, 4),)), r"weights \[2, 10, 4\]; supported: matrices"),
        (
            built("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[2, 2]),
            "dilations .2, 2. of a pool are not supported",
        ),
        (built("Pad", IMAGE, (np.zeros(8, np.int64),), mode="reflect"), "mode 'reflect'; supported: 'constant'"),
        (built("Pad", IMAGE, (np.full(8, -1, np.int64),)), "negative padding"),
        (built("Slice", IMAGE, tuple(np.array([v], np.int64) for v in (3, 0, 2, -1))), "supported: positive steps"),
        (built("Mul", IMAGE, (np.ones(5, np.float32),)), "is not quantised per tensor"),
        (built("Mul", IMAGE, (np.float32(np.inf),)), r"\(Mul\): the constant '.*' is inf, expected a finite value"),
        (built("Add", IMAGE, (np.float32(np.nan),)), r"\(Add\): the constant '.*' is nan, expected a finite value"),
        (built("PRelu", IMAGE, (np.ones(5, np.float32),)), "only PRelu of one quantised tensor"),
        (
            built("LogSoftmax", (1, 5)),
            "LogSoftmax is not supported, Softmax gives the same classes; supported",
        ),
    ],
)
def test_what_is_not_supported_is_named(b: Builder, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        lower(b.build(), "model")


@pytest.mark.parametrize("inputs", [(), ("",)])
@pytest.mark.parametrize("op", ["Relu", "Clip"])
def test_activations_of_nothing_are_named(op: str, inputs: tuple[str, ...]) -> None:
    b = Builder()
    b.input("x", IMAGE)
    b.output(b.rounded(b.op(op, *inputs), 0.02))
    with pytest.raises(ModelError, match=rf"\({op}\): input 0 is missing"):
        lower(b.build(), "model")


def test_a_padding_value_that_is_none_is_named() -> None:
    b = built("Pad", IMAGE, (np.ones(8, np.int64), np.float32(np.nan)))
    with pytest.raises(ModelError, match=r"\(Pad\): the padding value is nan, expected one number"):
        lower(b.build(), "model")
