"""Networks of the usual kinds that took no part in the calibration, to check it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tests.support.models import ModelBuilder
from tools.calibration.layers import weights_of
from wpconvert.formats.tflite.schema import Padding, options

_SCALE = 0.05
_LOW = -128


class _Builder(ModelBuilder):
    """Layers with a ReLU and pruned weights: of all but the first layer `density` are left."""

    def __init__(self, name: str, density: float, seed: int) -> None:
        super().__init__(name)
        self._density = density
        self._generator = np.random.default_rng(seed)

    def _pruned(self, shape: tuple[int, ...], prune: bool = True) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        return weights_of(self._generator, shape, self._density if prune else 1.0, scale=20)

    def _random_bias(self, channels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return self._generator.integers(-2000, 2000, channels)

    def image(self, height: int, width: int, depth: int) -> int:
        return self.input((1, height, width, depth), _SCALE, _LOW)

    def conv(self, x: int, channels: int, kernel: tuple[int, int], stride: int = 1, prune: bool = True) -> int:
        scales = np.linspace(0.002, 0.004, channels, dtype=np.float32)
        return self.conv2d(
            x, self._pruned((channels, *kernel, self.shape(x)[3]), prune), self._random_bias(channels), scale=_SCALE,
            zero_point=_LOW, weight_scales=scales, stride=(stride, stride), activation="RELU",
        )  # fmt: skip

    def depth(self, x: int, stride: int = 1, kernel: tuple[int, int] = (3, 3), multiplier: int = 1) -> int:
        channels = self.shape(x)[3] * multiplier
        scales = np.linspace(0.002, 0.004, channels, dtype=np.float32)
        return self.depthwise(
            x, self._pruned((1, *kernel, channels), prune=False), self._random_bias(channels), scale=_SCALE,
            zero_point=_LOW, weight_scales=scales, stride=(stride, stride), activation="RELU",
        )  # fmt: skip

    def full(self, x: int, units: int) -> int:
        columns = int(np.prod(self.shape(x)[1:]))
        return self.fully_connected(
            x,
            self._pruned((units, columns)),
            self._random_bias(units),
            scale=_SCALE,
            zero_point=_LOW,
            weight_scales=0.003,
        )

    def head(self, x: int, units: int) -> bytes:
        """Average, classes and probabilities."""
        _, height, width, channels = self.shape(x)
        fields = {"filterHeight": height, "filterWidth": width, "strideH": 1, "strideW": 1}
        pooled = self.tensor((1, 1, 1, channels), "int8", _SCALE, _LOW)
        x = self.op("AVERAGE_POOL_2D", [x], [pooled], options("Pool2DOptions", padding=Padding.VALID, **fields))
        x = self.full(self.reshape(x, (1, channels)), units)
        probabilities = self.tensor((1, units), "int8", 1 / 256, _LOW)
        self.output(self.op("SOFTMAX", [x], [probabilities], options("SoftmaxOptions", beta=1.0)))
        return self.to_bytes()


def _ds_cnn(channels: int, blocks: int, density: float, seed: int) -> bytes:
    b = _Builder("ds_cnn", density, seed)
    x = b.conv(b.image(49, 10, 1), channels, (10, 4), 2, prune=False)
    for _ in range(blocks):
        x = b.conv(b.depth(x), channels, (1, 1))
    return b.head(x, 12)


def _mobilenet(width: int, density: float, seed: int) -> bytes:
    b = _Builder("mobilenet", density, seed)
    x = b.conv(b.image(64, 64, 3), width, (3, 3), 2, prune=False)
    for factor, stride in ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), (16, 1)):
        x = b.conv(b.depth(x, stride), factor * width, (1, 1))
    return b.head(x, 10)


def _res_net(width: int, density: float, seed: int) -> bytes:
    b = _Builder("res_net", density, seed)
    x = b.conv(b.image(32, 32, 3), width, (3, 3), prune=False)
    for factor in (1, 2, 4):
        stride = 1 if factor == 1 else 2
        y = b.conv(b.conv(x, factor * width, (3, 3), stride), factor * width, (3, 3))
        x = x if factor == 1 else b.conv(x, factor * width, (1, 1), stride)
        x = b.op("ADD", [x, y], [b.like(y)], options("AddOptions"))
    return b.head(x, 10)


def _autoencoder(sizes: tuple[int, ...], density: float, seed: int) -> bytes:
    b = _Builder("autoencoder", density, seed)
    x = b.input((1, sizes[0]), _SCALE, _LOW)
    for units in sizes[1:]:
        x = b.full(x, units)
    b.output(x)
    return b.to_bytes()


def _words(multiplier: int, density: float, seed: int) -> bytes:
    """A wide depthwise layer and a large fully connected one, as in the speech example of TFLM."""
    b = _Builder("words", density, seed)
    x = b.depth(b.image(49, 40, 1), 2, (10, 8), multiplier)
    b.output(b.full(b.reshape(x, (1, int(np.prod(b.shape(x))))), 12))
    return b.to_bytes()


def networks() -> Iterator[tuple[str, bytes]]:
    """Names and `.tflite` files."""
    makers: dict[str, Callable[[], bytes]] = {
        "ds_cnn_64": lambda: _ds_cnn(64, 4, 1.0, 1),
        "ds_cnn_100_sparse_60": lambda: _ds_cnn(100, 4, 0.4, 2),
        "ds_cnn_172_sparse_70": lambda: _ds_cnn(172, 4, 0.3, 3),
        "ds_cnn_172_sparse_90": lambda: _ds_cnn(172, 4, 0.1, 4),
        "ds_cnn_276_sparse_80": lambda: _ds_cnn(276, 5, 0.2, 5),
        "mobilenet_8_sparse_50": lambda: _mobilenet(8, 0.5, 6),
        "mobilenet_16_sparse_80": lambda: _mobilenet(16, 0.2, 7),
        "res_net_12_sparse_75": lambda: _res_net(12, 0.25, 8),
        "res_net_24_sparse_90": lambda: _res_net(24, 0.1, 9),
        "autoencoder_sparse_50": lambda: _autoencoder((640, 128, 128, 8, 128, 128, 640), 0.5, 10),
        "autoencoder_sparse_85": lambda: _autoencoder((256, 64, 16, 64, 256), 0.15, 11),
        "words_8_sparse_70": lambda: _words(8, 0.3, 12),
    }
    for name, make in makers.items():
        yield name, make()
