"""Random small networks whose weights share what a file has once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.support.models import ModelBuilder
from wpconvert.formats.tflite.schema import options

_CHANNELS = (8, 16, 24, 48)
_ZEROS = (0.0, 0.3, 0.7, 0.9, 0.97)


class _Network:
    """A chain of operators in the making. Channel counts repeat, so that scales, zero points and shapes do, too."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.b = ModelBuilder()
        self.x = self.b.input((1, 4, 4, int(self.random.choice(_CHANNELS))), 0.5, -3)
        # Constants that a later operator may read, too: weights by shape, biases by length.
        self.weights: dict[tuple[int, ...], int] = {}
        self.biases: dict[int, int] = {}

    def values(self, *shape: int) -> NDArray[np.int8]:
        """int8 weights: spread out or few distinct ones, more or less of them 0."""
        high = int(self.random.choice((2, 8, 128)))
        values = self.random.integers(-high + 1, high, shape)
        return np.where(self.random.random(shape) < self.random.choice(_ZEROS), 0, values).astype(np.int8)

    def scales(self, channels: int) -> NDArray[np.float32]:
        """Scales of weights, sometimes one for all channels."""
        count = 1 if self.random.random() < 0.2 else channels
        return self.random.uniform(0.004, 0.04, count).astype(np.float32)

    def bias(self, channels: int) -> NDArray[np.int32] | int | None:
        """None, a new bias, or one that another operator has."""
        kind = self.random.random()
        if kind < 0.25:
            return None
        if kind < 0.45 and channels in self.biases:
            return self.biases[channels]
        return self.random.integers(-5000, 5000, channels, dtype=np.int32)

    def add(self, number: int) -> None:
        """One more operator."""
        channels = self.b.shape(self.x)[-1]
        kind = self.random.choice(("conv", "conv", "depthwise", "add"))
        if kind == "add":
            constant = self.b.constant(self.values(1, 4, 4, channels), 0.25, name=f"{number}/constant")
            y = self.b.like(self.x, name=f"{number}")
            self.x = self.b.op("ADD", [self.x, constant], [y], options("AddOptions"))
            return
        wide = int(self.random.choice(_CHANNELS)) if kind == "conv" else channels
        side = int(self.random.choice((1, 3)))
        shape = (wide, side, side, channels) if kind == "conv" else (1, side, side, wide)
        shared = self.weights.get(shape) if self.random.random() < 0.3 else None
        weights = self.values(*shape) if shared is None else shared
        scales = self.scales(wide)
        layer = self.b.conv2d if kind == "conv" else self.b.depthwise
        relu = "RELU" if self.random.random() < 0.3 else "NONE"
        before = len(self.b.graph.tensors)
        bias = self.bias(wide)
        self.x = layer(
            self.x, weights, bias, scale=0.4, zero_point=5, weight_scales=scales, activation=relu, name=f"{number}"
        )
        inputs = self.b.graph.operators[-1].inputs
        if len(self.b.graph.tensors) > before:
            self.weights[shape] = int(inputs[1])
        if len(inputs) > 2:
            self.biases[wide] = int(inputs[2])


def random_network(seed: int, operators: int) -> bytes:
    """A `.tflite` file of int8 convolutions, depthwise ones and additions, and a fully connected layer at the end."""
    network = _Network(seed)
    for number in range(operators):
        network.add(number)
    depth = int(np.prod(network.b.shape(network.x)))
    units = 10
    network.b.output(
        network.b.fully_connected(
            network.x, network.values(units, depth), network.bias(units), scale=0.7, weight_scales=network.scales(units)
        )
    )
    return network.b.to_bytes()
