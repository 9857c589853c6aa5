"""Weights on their int8 grid: symmetric, one scale for each output channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .fake import HIGHEST, power_of_two_above, straight_through

WeightLayer: TypeAlias = nn.Conv2d | nn.Linear
# A bias has at most so many steps of input scale times weight scale.
_BIAS_STEPS = float(1 << 24)


@runtime_checkable
class IntegerWeight(Protocol):
    """A parametrisation whose weights are whole numbers times a scale of the output channel."""

    def integers(self, latent: Tensor) -> Tensor: ...

    def scales(self, latent: Tensor, integers: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class OnGrid:
    """The weight of a layer on its grid, before the gain of a batch normalisation is folded in.

    `weight` is real, with a gradient; it equals `integers`, whole float32 −127…127, times `steps` [out].
    """

    weight: Tensor
    integers: Tensor
    steps: Tensor


def on_grid(layer: WeightLayer, gain: Tensor, power_of_two: bool) -> OnGrid:
    """The layer's weight on its grid; `gain` [out] multiplies its outputs.

    With `power_of_two` the steps are such that they become powers of two by the gain's magnitude.
    """
    weight: Tensor = layer.weight
    with torch.no_grad():
        exact = _integer_weight(layer)
        if exact is None:
            steps = weight.abs().flatten(1).amax(dim=1) / HIGHEST
        else:
            latent = layer.parametrizations.weight.original
            integers = exact.integers(latent)
            steps = exact.scales(latent, integers)
        steps = torch.where(steps > 0, steps, 1.0)
        if power_of_two:
            size = torch.where(gain == 0, 1.0, gain.abs())
            steps = power_of_two_above(steps * size) / size
        columns = steps.reshape(-1, *[1] * (weight.dim() - 1))
        if exact is None:
            integers = torch.round(weight / columns).clamp(-HIGHEST, HIGHEST)
        value = integers * columns
    return OnGrid(straight_through(weight, value), integers, steps)


def _integer_weight(layer: WeightLayer) -> IntegerWeight | None:
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    last = layer.parametrizations.weight[-1]
    return last if isinstance(last, IntegerWeight) else None


@dataclass(frozen=True)
class Folded:
    """A layer with gain and shift folded in: `integers` whole float32, `scales` and `bias` float64 [out]."""

    integers: Tensor
    scales: Tensor
    bias: Tensor


def folded(grid: OnGrid, gain: Tensor, bias: Tensor, input_scale: float) -> Folded:
    """The integers of a layer whose outputs are multiplied by `gain`, `bias` being what is then added; both [out].

    A channel's scale is its own, however small, unless its bias would not fit: 2^24 steps at most.
    """
    with torch.no_grad():
        gain, bias = gain.double(), bias.double()
        signs = gain.sign().to(grid.integers.dtype).reshape(-1, *[1] * (grid.integers.dim() - 1))
        integers = grid.integers * signs
        wanted = torch.where(integers.flatten(1).any(dim=1), grid.steps.double() * gain.abs(), 0.0)
        least = bias.abs() / (input_scale * _BIAS_STEPS)
        scales = torch.where(wanted >= least, wanted, power_of_two_above(least))
        scales = torch.where(scales > 0, scales, 1.0)
        columns = (wanted / scales).reshape(signs.shape)
        # Nothing changes where the scale is its own.
        integers = torch.round(integers.double() * columns).to(grid.integers.dtype)
        # As a file keeps it.
        return Folded(integers, scales.float().double(), bias)
