"""The networks of the weight-pool literature as int8 `.tflite` models whose pooled weights are random pool vectors.

Instructions depend on shapes, not on what the weights were trained to, so that nothing is trained. The shapes are those
of `wptrain`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tests.support.models import ModelBuilder
from wpconvert.codecs.pool_table import LANES
from wpconvert.formats.tflite.schema import Padding, options
from wpconvert.transforms.pool import quantise

_SEED = 1
_ZERO_POINT = {"RELU": -128, "NONE": 0}
# Of every activation. Weights are scaled so that outputs spread like inputs.
_SCALE = 0.05


class NetworkBuilder:
    """Appends layers to a model. A tensor is an int. Pooled weights are vectors of one pool of `pool_size`."""

    def __init__(self, name: str, pool_size: int, input_shape: tuple[int, int, int]) -> None:
        self._rng = np.random.default_rng(_SEED)
        self._vectors, _ = quantise(self._rng.normal(size=(pool_size, LANES)), 8)
        self._model = ModelBuilder(name)
        self._count = 0
        self.input = self._model.input((1, *input_shape), _SCALE, -128, name="image")

    def conv(self, x: int, outputs: int, kernel: int, stride: int = 1, activation: str = "RELU") -> int:
        """CONV_2D with padding SAME; the first one has weights of its own, all others are pooled."""
        shape = (outputs, kernel, kernel, self._model.shape(x)[3])
        weights = self._pooled(shape) if self._count else self._random(shape)
        return self._model.conv2d(
            x, weights, self._bias(outputs), scale=_SCALE, zero_point=_ZERO_POINT[activation],
            weight_scales=self._scales(weights, 0), stride=(stride, stride), activation=activation,
            name=self._name("conv"),
        )  # fmt: skip

    def depthwise(self, x: int, stride: int) -> int:
        """DEPTHWISE_CONV_2D, 3 × 3 with ReLU."""
        channels = self._model.shape(x)[3]
        weights = self._random((1, 3, 3, channels))
        return self._model.depthwise(
            x, weights, self._bias(channels), scale=_SCALE, zero_point=-128, weight_scales=self._scales(weights, 3),
            stride=(stride, stride), activation="RELU", name=self._name("depthwise"),
        )  # fmt: skip

    def add(self, a: int, b: int, activation: str) -> int:
        """ADD of two tensors of the same shape."""
        y = self._model.tensor(self._model.shape(a), "int8", _SCALE, _ZERO_POINT[activation], self._name("add"))
        fused = {"NONE": 0, "RELU": 1}[activation]
        return self._model.op("ADD", [a, b], [y], options("AddOptions", fusedActivationFunction=fused))

    def pool(self, x: int, kind: str, side: int) -> int:
        """MAX_POOL_2D or AVERAGE_POOL_2D of squares that do not overlap."""
        batch, height, width, channels = self._model.shape(x)
        y = self._model.like(x, (batch, height // side, width // side, channels), self._name("pool"))
        settings = options(
            "Pool2DOptions", filterHeight=side, filterWidth=side, strideH=side, strideW=side, padding=Padding.VALID
        )
        return self._model.op(kind, [x], [y], settings)

    def classified(self, x: int, classes: int) -> bytes:
        """The model as a file, with a fully connected layer after this tensor."""
        x = self._model.reshape(x, (1, int(np.prod(self._model.shape(x)))))
        weights = self._random((classes, self._model.shape(x)[1]))
        y = self._model.fully_connected(
            x, weights, self._bias(classes), scale=_SCALE, weight_scales=self._scales(weights, 0), name="logits"
        )
        return self.finished(y)

    def finished(self, y: int) -> bytes:
        """The model with this output as a file."""
        self._model.output(y)
        return self._model.to_bytes()

    def shape(self, x: int) -> tuple[int, ...]:
        return self._model.shape(x)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _pooled(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        index = self._rng.integers(0, len(self._vectors), (*shape[:3], shape[3] // LANES))
        return self._vectors[index].reshape(shape)

    def _random(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        return np.clip(np.rint(self._rng.normal(0, 40, shape)), -127, 127).astype(np.int8)

    def _bias(self, channels: int) -> NDArray[np.int32]:
        return self._rng.integers(-500, 500, channels).astype(np.int32)

    def _scales(self, weights: NDArray[np.int8], axis: int) -> NDArray[np.float32]:
        channels = weights.shape[axis]
        energy = np.square(np.moveaxis(weights, axis, 0).reshape(channels, -1).astype(np.float64)).sum(axis=1)
        return np.asarray(1.0 / np.sqrt(energy + 1.0), np.float32)


def _basic_block(net: NetworkBuilder, x: int, outputs: int, stride: int) -> int:
    same = net.shape(x)[3] == outputs and stride == 1
    y = net.conv(net.conv(x, outputs, 3, stride), outputs, 3, activation="NONE")
    shortcut = x if same else net.conv(x, outputs, 1, stride, "NONE")
    return net.add(y, shortcut, "RELU")


def _resnet(stages: Sequence[int], halve: bool, name: str, pool_size: int) -> bytes:
    net = NetworkBuilder(name, pool_size, (32, 32, 3))
    x = net.conv(net.input, stages[0], 3)
    x = net.pool(x, "MAX_POOL_2D", 2) if halve else x
    for stage, outputs in enumerate(stages):
        for block in range(2):
            x = _basic_block(net, x, outputs, 2 if stage and not block else 1)
    return net.classified(net.pool(x, "AVERAGE_POOL_2D", net.shape(x)[1]), 10)


def _tiny_conv(name: str, pool_size: int) -> bytes:
    net = NetworkBuilder(name, pool_size, (32, 32, 1))
    x = net.pool(net.conv(net.input, 32, 5), "MAX_POOL_2D", 2)
    x = net.pool(net.conv(x, 32, 5), "AVERAGE_POOL_2D", 2)
    return net.classified(net.pool(net.conv(x, 64, 5), "AVERAGE_POOL_2D", 2), 100)


# Expansion, output channels, repeats, stride of the first.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def _mobilenet_v2(name: str, pool_size: int) -> bytes:
    net = NetworkBuilder(name, pool_size, (32, 32, 3))
    x = net.conv(net.input, 32, 3)
    for expansion, outputs, repeats, first in _STAGES:
        for repeat in range(repeats):
            stride = 1 if repeat else first
            inputs = net.shape(x)[3]
            y = net.conv(x, inputs * expansion, 1) if expansion > 1 else x
            y = net.conv(net.depthwise(y, stride), outputs, 1, activation="NONE")
            x = net.add(x, y, "NONE") if stride == 1 and inputs == outputs else y
    return net.classified(net.pool(net.conv(x, 1280, 1), "AVERAGE_POOL_2D", net.shape(x)[1]), 10)


NETWORKS: dict[str, Callable[[int], bytes]] = {
    "tiny-conv": partial(_tiny_conv, "tiny-conv"),
    "resnet-s": partial(_resnet, (16, 32, 64), True, "resnet-s"),
    "resnet-10": partial(_resnet, (64, 128), False, "resnet-10"),
    "resnet-14": partial(_resnet, (64, 128, 256), False, "resnet-14"),
    "mobilenet-v2": partial(_mobilenet_v2, "mobilenet-v2"),
}
"""By name; called with the vectors of the pool, they give the dense file."""
