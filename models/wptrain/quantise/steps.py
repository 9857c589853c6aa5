"""What a quantised network does, one operator of the integer model after the other.

In training each step computes in floats and rounds its result to the grid. In evaluation it computes the integers that
TFLM's kernels compute, bit by bit, and gives what they stand for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .fake import HIGHEST, FakeQuantiser, straight_through
from .fixed_point import add, average, requantise
from .integers import IntegerLayer, bias_steps
from .weights import Folded, WeightLayer, folded, on_grid

# Sums of whole numbers below this are exact in float32.
_EXACT = 1 << 24
_SPAN = 255
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda x: x,
    "relu": functional.relu,
    "relu6": functional.relu6,
}


class Step(Protocol):
    """One operator; `inputs` are the results that it reads, by name."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    def run(self, network: nn.Module, *values: Tensor) -> Tensor: ...


def quantiser(network: nn.Module, name: str) -> FakeQuantiser:
    """The fake quantiser of a result."""
    found: FakeQuantiser = network.quantisers[name]
    return found


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer, its batch normalisation and its activation: modules of the network, by name."""

    name: str
    inputs: tuple[str, ...]
    layer: str
    norm: str
    activation: str
    read: str
    written: str
    power_of_two: bool

    def run(self, network: nn.Module, *values: Tensor) -> Tensor:
        (x,) = values
        layer: WeightLayer = network.get_submodule(self.layer)
        written = quantiser(network, self.written)
        if network.training:
            return written(_ACTIVATIONS[self.activation](self._real(network, layer, x)))
        with torch.autocast(x.device.type, enabled=False):
            value = written.real(self._stored(network, layer, x))
            if not torch.is_grad_enabled():
                return value
            return straight_through(written(_ACTIVATIONS[self.activation](self._real(network, layer, x))), value)

    def integers(self, network: nn.Module) -> IntegerLayer:
        """What is written into a file."""
        read, written = quantiser(network, self.read), quantiser(network, self.written)
        done = self._folded(network, network.get_submodule(self.layer))
        return IntegerLayer(
            done.integers.cpu().numpy().astype(np.int8),
            done.scales.cpu().numpy(),
            done.bias.cpu().numpy(),
            read.grid,
            written.grid,
        )

    def _real(self, network: nn.Module, layer: WeightLayer, x: Tensor) -> Tensor:
        norm = network.get_submodule(self.norm) if self.norm else None
        gain, shift = _affine(norm, layer)
        grid = on_grid(layer, gain.detach(), self.power_of_two)
        weight = grid.weight
        if norm is not None and norm.training:
            # Statistics of what the quantised weights give, which is what the folded layer will see.
            return norm(_apply(layer, x, weight, layer.bias))
        with torch.no_grad():
            step = quantiser(network, self.read).scale * grid.steps * gain.abs()
            stored = torch.where(step > 0, torch.round(shift / step) * step, shift)
        shift = straight_through(shift, stored)
        y = _apply(layer, x, weight * gain.reshape(-1, *[1] * (weight.dim() - 1)), None)
        return y + shift.reshape(-1, *[1] * (y.dim() - 2))

    def _folded(self, network: nn.Module, layer: WeightLayer) -> Folded:
        gain, shift = _affine(network.get_submodule(self.norm) if self.norm else None, layer)
        grid = on_grid(layer, gain, self.power_of_two)
        return folded(grid, gain, shift, float(quantiser(network, self.read).scale))

    def _stored(self, network: nn.Module, layer: WeightLayer, x: Tensor) -> Tensor:
        with torch.no_grad():
            read, written = quantiser(network, self.read), quantiser(network, self.written)
            done = self._folded(network, layer)
            largest = float(done.integers.abs().flatten(1).sum(dim=1).max()) * _SPAN
            # On other devices libraries may choose algorithms that round.
            narrow = x.device.type == "cpu" and largest < _EXACT
            exact = torch.float32 if narrow else torch.float64
            sums = _apply(layer, torch.round(x / read.scale).to(exact), done.integers.to(exact), None).round().long()
            scales = done.scales.cpu().numpy()
            bias, _ = bias_steps(done.bias.cpu().numpy(), float(read.scale), scales)
            sums = sums + torch.from_numpy(bias.astype(np.int64)).to(x.device).reshape(-1, *[1] * (sums.dim() - 2))
            grid = written.grid
            stored = requantise(sums, float(read.scale), scales.astype(np.float32), grid.scale, grid.zero_point)
            return stored.clamp(*_clamp(written, self.activation)).float()


@dataclass(frozen=True)
class Sum:
    """The sum of two results, and its activation."""

    name: str
    inputs: tuple[str, ...]
    activation: str
    read: tuple[str, str]
    written: str

    def run(self, network: nn.Module, *values: Tensor) -> Tensor:
        written = quantiser(network, self.written)
        if network.training:
            return written(_ACTIVATIONS[self.activation](values[0] + values[1]))
        with torch.no_grad():
            read = [quantiser(network, name) for name in self.read]
            steps = [torch.round(x / each.scale).long() for x, each in zip(values, read, strict=True)]
            grid = written.grid
            first, second = (float(each.scale) for each in read)
            total = add(steps[0], steps[1], first, second, grid.scale) + grid.zero_point
            value = written.real(total.clamp(*_clamp(written, self.activation)).float())
        if not torch.is_grad_enabled():
            return value
        return straight_through(written(_ACTIVATIONS[self.activation](values[0] + values[1])), value)


@dataclass(frozen=True)
class Average:
    """An average pool, which keeps its input's grid and rounds stored values."""

    name: str
    inputs: tuple[str, ...]
    window: tuple[int, int]
    stride: tuple[int, int]
    read: str

    def run(self, network: nn.Module, *values: Tensor) -> Tensor:
        (x,) = values
        read = quantiser(network, self.read)
        with torch.no_grad():
            sums = functional.avg_pool2d(read.stored(x.float()), self.window, self.stride, divisor_override=1)
            value = read.real(average(sums, self.window[0] * self.window[1]))
        if not torch.is_grad_enabled():
            return value
        return straight_through(functional.avg_pool2d(x.float(), self.window, self.stride), value)


@dataclass(frozen=True)
class Move:
    """An operator that only moves or selects values: it is computed as the network says."""

    name: str
    inputs: tuple[str, ...]
    call: Callable[..., Any] = field(repr=False)

    def run(self, network: nn.Module, *values: Tensor) -> Tensor:
        moved: Tensor = self.call(network, *values)
        return moved


@dataclass(frozen=True)
class ModuleCall:
    """A module of the network, by name."""

    target: str

    def __call__(self, network: nn.Module, x: Tensor) -> Tensor:
        result: Tensor = network.get_submodule(self.target)(x)
        return result


@dataclass(frozen=True)
class PlainCall:
    """A function, or a method of its first argument by name, with constants after the value."""

    target: Callable[..., Any] | str
    rest: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...]

    def __call__(self, network: nn.Module, x: Tensor) -> Tensor:
        del network
        function = getattr(type(x), self.target) if isinstance(self.target, str) else self.target
        result: Tensor = function(x, *self.rest, **dict(self.options))
        return result


def _affine(norm: nn.BatchNorm2d | None, layer: WeightLayer) -> tuple[Tensor, Tensor]:
    """Gain and shift [out] that batch normalisation and bias amount to once its statistics are fixed."""
    outputs = layer.weight.shape[0]
    bias = layer.bias if layer.bias is not None else torch.zeros(outputs, device=layer.weight.device)
    if norm is None:
        return torch.ones(outputs, device=layer.weight.device), bias
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return gain, norm.bias + (bias - norm.running_mean) * gain


def _apply(layer: WeightLayer, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if isinstance(layer, nn.Linear):
        return functional.linear(x, weight, bias)
    result: Tensor = functional.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)
    return result


def _clamp(written: FakeQuantiser, activation: str) -> tuple[int, int]:
    """What a fused activation leaves of int8, as the kernels compute it."""
    grid = written.grid
    low = grid.zero_point if activation else -128
    high = HIGHEST
    if activation == "relu6":
        high = min(high, grid.zero_point + int(np.floor(float(np.float32(6) / np.float32(grid.scale)) + 0.5)))
    return low, high
