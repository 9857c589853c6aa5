"""A quantised ONNX network of every operator that the runtime has a kernel of its own for."""

from __future__ import annotations

import numpy as np
import onnx

from tests.onnx.lower.builder import Builder


def network() -> onnx.ModelProto:
    """The network, for images [batch, 3, 12, 12]."""
    b = Builder("uint8")
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        return random.integers(-127, 128, shape, dtype=np.int8)

    x = b.input("image", ("batch", 3, 12, 12))
    y = b.op("Conv", x, b.weights(weights(8, 3, 3, 3), np.full(8, 0.01)), strides=[2, 2], pads=[1, 1, 1, 1])
    y = b.rounded(b.op("HardSwish", b.rounded(y, 0.06, -4)), 0.05, -100)
    z = b.op("Relu", b.op("Conv", y, b.weights(weights(8, 1, 3, 3), np.full(8, 0.01)), group=8, pads=[1] * 4))
    y = b.rounded(b.op("Add", y, b.rounded(z, 0.05, -128)), 0.08, -70)
    gate = b.rounded(b.op("Sigmoid", b.rounded(b.op("GlobalAveragePool", y), 0.05, 0)), 1 / 256, -128)
    y = b.rounded(b.op("Mul", y, gate), 0.05, -50)
    y = b.rounded(b.op("Concat", y, b.rounded(b.op("Tanh", y), 1 / 128, 0), axis=1), 0.05, -50)
    y = b.rounded(b.op("LeakyRelu", y, alpha=0.2), 0.05, -80)
    y = b.rounded(b.op("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 0.05, -80)
    y = b.rounded(b.op("AveragePool", y, kernel_shape=[2, 2]), 0.04, -80)
    y = b.rounded(b.op("Gemm", b.op("Flatten", y), b.weights(weights(64, 10), np.full(10, 0.01), 1)), 0.1)
    b.output(b.rounded(b.op("Softmax", y, axis=1), 1 / 256, -128))
    return b.build()


def signal_network() -> onnx.ModelProto:
    """A network of one-dimensional layers and of functions without an operator, for signals [batch, 3, 64]."""
    b = Builder()
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        return random.integers(-127, 128, shape, dtype=np.int8)

    x = b.input("signal", ("batch", 3, 64))
    y = b.op("Relu", b.op("Conv", x, b.weights(weights(8, 3, 5), np.full(8, 0.01)), pads=[2, 2], strides=[2]))
    y = b.rounded(y, 0.04, -128)
    y = b.rounded(b.op("Conv", y, b.weights(weights(8, 1, 3), np.full(8, 0.01)), group=8, pads=[1, 1]), 0.06, 5)
    y = b.rounded(b.op("Mul", y, b.op("Sigmoid", y)), 0.05, -120)
    y = b.rounded(b.op("MaxPool", y, kernel_shape=[2], strides=[2]), 0.05, -120)
    y = b.rounded(b.op("Conv", y, b.weights(weights(8, 8, 1), np.full(8, 0.01))), 0.1, 0)
    y = b.rounded(b.op("HardSigmoid", y), 1 / 255, -128)
    y = b.rounded(b.op("GlobalMaxPool", y), 1 / 255, -128)
    y = b.rounded(b.op("Gemm", b.op("Flatten", y), b.weights(weights(8, 5), np.full(5, 0.01), 1)), 0.02)
    b.output(b.op("Softmax", y, axis=1))
    return b.build()
