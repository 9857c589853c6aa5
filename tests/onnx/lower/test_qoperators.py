"""Operators that carry scales of their own, one by one, as ONNX Runtime's quantiser writes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators, steps_apart
from tests.onnx.lower.test_layers import feed, integers
from wpconvert.errors import UnsupportedError
from wpconvert.lowering import lower

MICROSOFT = "com.microsoft"
SHAPE = (1, 4, 6, 6)

Parameters = tuple[str, str]
Layer = Callable[[Builder, str, Parameters, Parameters], str]


def weights(b: Builder, *shape: int, scales: int = 1) -> tuple[str, str, str]:
    """int8 weights with scales and zero points."""
    scale = np.linspace(0.005, 0.02, scales).astype(np.float32) if scales > 1 else np.float32(0.01)
    return b.constant(integers(0, *shape)), b.constant(scale), b.constant(np.zeros(np.shape(scale), np.int8))


def bias(b: Builder, channels: int) -> str:
    return b.constant(np.arange(channels, dtype=np.int32) * 300)


def per_channel(b: Builder) -> tuple[str, str, str]:
    """A constant [1, 4, 1, 1] of the activations' type."""
    shift = 128 if b.dtype == np.uint8 else 0
    values = (np.array([-100, -3, 50, 90]) + shift).astype(b.dtype).reshape(1, 4, 1, 1)
    return b.constant(values), b.constant(np.float32(0.01)), b.constant(np.array(5 + shift, b.dtype))


def pool(b: Builder, x: str, q: Parameters, o: Parameters, **attributes: object) -> str:
    return b.op("QLinearAveragePool", x, *q, *o, domain=MICROSOFT, **attributes)


def microsoft(b: Builder, op: str, *inputs: str, **attributes: object) -> str:
    return b.op(op, *inputs, domain=MICROSOFT, **attributes)


LAYERS: dict[str, tuple[Layer, tuple[float, int]]] = {
    "conv": (
        lambda b, x, q, o: b.op(
            "QLinearConv", x, *q, *weights(b, 6, 4, 3, 3, scales=6), *o, bias(b, 6), strides=[2, 2], pads=[1] * 4
        ),
        (0.05, -3),
    ),
    "depthwise": (
        lambda b, x, q, o: b.op(
            "QLinearConv", x, *q, *weights(b, 8, 1, 3, 3, scales=8), *o, group=4, auto_pad="SAME_LOWER"
        ),
        (0.02, -3),
    ),
    "gemm": (
        lambda b, x, q, o: microsoft(
            b, "QGemm", b.op("Flatten", x), *q, *weights(b, 5, 144, scales=5), bias(b, 5), *o, transB=1
        ),
        (0.1, -3),
    ),
    "gemm with a factor": (
        lambda b, x, q, o: microsoft(
            b, "QGemm", b.op("Flatten", x), *q, *weights(b, 144, 5, scales=5), "", *o, alpha=0.5
        ),
        (0.05, -3),
    ),
    "gemm with a negative factor": (
        lambda b, x, q, o: microsoft(
            b, "QGemm", b.op("Flatten", x), *q, *weights(b, 144, 5, scales=5), bias(b, 5), *o, alpha=-0.5
        ),
        (0.05, -3),
    ),
    "matmul": (lambda b, x, q, o: b.op("QLinearMatMul", x, *q, *weights(b, 6, 5), *o), (0.1, -3)),
    "add": (lambda b, x, q, o: microsoft(b, "QLinearAdd", x, *q, x, *q, *o), (0.05, -3)),
    "add a constant": (lambda b, x, q, o: microsoft(b, "QLinearAdd", x, *q, *per_channel(b), *o), (0.05, -3)),
    "multiply by a constant": (lambda b, x, q, o: microsoft(b, "QLinearMul", *per_channel(b), x, *q, *o), (0.03, -3)),
    "mean of windows": (lambda b, x, q, o: pool(b, x, q, o, kernel_shape=[2, 2], strides=[2, 2]), (0.013, -3)),
    "mean that counts padding": (
        lambda b, x, q, o: pool(b, x, q, o, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1),
        (0.02, 3),
    ),
    "mean of what is inside": (lambda b, x, q, o: pool(b, x, q, o, kernel_shape=[3, 3], pads=[1] * 4), (0.02, 3)),
    "mean with a last window outside": (
        lambda b, x, q, o: pool(b, x, q, o, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        (0.013, 3),
    ),
    "mean that counts a last window outside": (
        lambda b, x, q, o: pool(b, x, q, o, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1),
        (0.02, 3),
    ),
    "mean of images": (lambda b, x, q, o: microsoft(b, "QLinearGlobalAveragePool", x, *q, *o), (0.007, -3)),
    "sigmoid": (lambda b, x, q, o: microsoft(b, "QLinearSigmoid", x, *q, *o), (1 / 256, -128)),
    "fine sigmoid": (lambda b, x, q, o: microsoft(b, "QLinearSigmoid", x, *q, *o), (0.001, -128)),
    "leaky relu": (lambda b, x, q, o: microsoft(b, "QLinearLeakyRelu", x, *q, *o, alpha=0.1), (0.02, -50)),
    "join channels": (lambda b, x, q, o: microsoft(b, "QLinearConcat", *o, x, *q, x, *q, axis=1), (0.03, -3)),
    "join columns": (lambda b, x, q, o: microsoft(b, "QLinearConcat", *o, x, *q, x, *q, axis=-1), (0.03, -3)),
    "softmax": (lambda b, x, q, o: microsoft(b, "QLinearSoftmax", x, *q, *o, axis=1, opset=13), (1 / 256, -128)),
    "softmax over several axes": (
        lambda b, x, q, o: microsoft(b, "QLinearSoftmax", x, *q, *o, axis=1, opset=12),
        (1 / 256, -128),
    ),
    "largest of windows": (lambda b, x, _q, _o: b.op("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4), (0.02, 3)),
    "transpose": (lambda b, x, _q, _o: b.op("Transpose", x, perm=[0, 2, 3, 1]), (0.02, 3)),
    "pad": (lambda b, x, q, _o: b.op("Pad", x, b.indices([0, 0, 1, 1, 0, 0, 1, 1]), q[1]), (0.02, 3)),
}


def start(dtype: str) -> tuple[Builder, str, Parameters]:
    """A quantised input: its integers, scale and zero point."""
    b = Builder(dtype)
    b.input("x", SHAPE, 0.02, 3)
    b.nodes.pop()
    return b, b.nodes[0].output[0], (b.nodes[0].input[1], b.nodes[0].input[2])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("name", LAYERS)
def test_every_operator_is_within_one_step(name: str, dtype: str) -> None:
    layer, quant = LAYERS[name]
    b, x, own = start(dtype)
    output = own if quant == (0.02, 3) else b.parameters(*quant)
    b.output(b.op("DequantizeLinear", layer(b, x, own, output), *output))
    steps = steps_apart(b.build(), feed(3, *SHAPE))
    assert max(steps.values()) <= 1, steps


def test_padding_of_integers_goes_into_the_convolution() -> None:
    b, x, own = start("uint8")
    output = b.parameters(0.05, -3)
    y = b.op("Pad", x, b.indices([0, 0, 1, 1, 0, 0, 1, 1]), own[1])
    y = b.op("QLinearConv", y, *own, *weights(b, 6, 4, 3, 3), *output)
    b.output(b.op("DequantizeLinear", y, *output))
    assert operators(lower(b.build(), "model")) == ["CONV_2D"]


def test_a_layer_that_gives_float32_is_named() -> None:
    b, x, own = start("int8")
    b.output(b.op("QGemm", b.op("Flatten", x), *own, *weights(b, 144, 5), "", domain=MICROSOFT))
    with pytest.raises(UnsupportedError, match=r"\(QGemm\): the output is float32; quantise it too"):
        lower(b.build(), "model")
