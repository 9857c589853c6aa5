"""Fake quantisation: values stay real but lie on the grid that the integer model stores, gradients pass through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn

from .integers import Grid

LOWEST, HIGHEST = -128, 127
# Ranges tried, as shares of the values seen; the one with the least squared error is taken.
_SHARES = torch.linspace(0.1, 1.0, 46)
# So many values of a tensor decide on its range. They lie apart by the golden ratio, in step with no shape.
_SAMPLE = 4096
_APART = 0.6180339887498949
# Share of a new batch in the range.
_MOMENTUM = 0.05


class _Replaced(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, real: Tensor, value: Tensor, inside: Tensor | None) -> Tensor:
        del real
        ctx.save_for_backward(*() if inside is None else (inside,))
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        for inside in ctx.saved_tensors:
            gradient = gradient * inside
        return gradient, None, None


def straight_through(real: Tensor, value: Tensor, inside: Tensor | None = None) -> Tensor:
    """Exactly `value`, with the gradient of `real`, where `inside` if that is given."""
    replaced: Tensor = _Replaced.apply(real, value, inside)
    return replaced


def power_of_two_above(scale: Tensor) -> Tensor:
    """The least powers of two that are no less."""
    return torch.exp2(torch.ceil(torch.log2(scale)))


def _of_all_processes(low: Tensor, high: Tensor, whole: bool) -> tuple[Tensor, Tensor]:
    """One range of a batch that several processes share: one around all of theirs, or the mean."""
    if not distributed.is_available() or not distributed.is_initialized():
        return low, high
    ends = torch.stack([-low, high])
    distributed.all_reduce(ends, distributed.ReduceOp.MAX if whole else distributed.ReduceOp.SUM)
    if not whole:
        ends = ends / distributed.get_world_size()
    return -ends[0], ends[1]


class FakeQuantiser(nn.Module):  # type: ignore[misc]
    """The grid of one activation tensor.

    `one_sided`: the tensor follows a ReLU. It then has 2^`bits` levels, the uppermost ones of int8, so that the clamps
    of a stored model with a fused ReLU cut off the same values; other tensors have all 256. `power_of_two` restricts
    the scale. `whole`: the range holds all values seen, as an input's should; else it clips the rare ones.

    While `observing` and training, each batch moves the range.
    """

    def __init__(self, bits: int, *, one_sided: bool, power_of_two: bool, whole: bool = False) -> None:
        super().__init__()
        self.lowest = HIGHEST + 1 - (1 << bits) if one_sided else LOWEST
        self.one_sided, self.power_of_two, self.whole = one_sided, power_of_two, whole
        self.observing = True
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.ones(()))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("zero_point", torch.full((), float(self.lowest)))

    @property
    def grid(self) -> Grid:
        """What is stored in a file."""
        return Grid(float(self.scale), int(self.zero_point))

    def observe(self, x: Tensor) -> None:
        """Move the range towards that of `x`; the first one is taken as it is."""
        x = x.detach().float()
        low, high = x.amin().clamp_max(0.0), x.amax().clamp_min(0.0)
        if self.one_sided:
            low = torch.zeros_like(low)
        share = 1.0 if self.whole else self._share(x, low, high)
        low, high = _of_all_processes(low * share, high * share, self.whole)
        if self.whole:
            wider = torch.minimum(self.low, low), torch.maximum(self.high, high)
        else:
            wider = self.low.lerp(low, _MOMENTUM), self.high.lerp(high, _MOMENTUM)
        self.low.copy_(torch.where(self.seen, wider[0], low))
        self.high.copy_(torch.where(self.seen, wider[1], high))
        self.seen.fill_(True)
        scale, zero_point = self._grid(self.low, self.high)
        self.scale.copy_(scale)
        self.zero_point.copy_(zero_point)

    def _grid(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        scale = ((high - low) / (HIGHEST - self.lowest)).clamp_min(torch.finfo(torch.float32).tiny)
        if self.power_of_two:
            scale = power_of_two_above(scale)
        return scale, torch.round(self.lowest - low / scale).clamp(LOWEST, HIGHEST)

    def _share(self, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        values = x.flatten()
        if len(values) > _SAMPLE:
            places = torch.arange(_SAMPLE, dtype=torch.float64, device=x.device) * _APART % 1.0 * len(values)
            values = values[places.long()]
        shares = _SHARES.to(x.device)[:, None]
        scale, zero_point = self._grid(low * shares, high * shares)
        steps = (torch.round(values / scale) + zero_point).clamp(self.lowest, HIGHEST) - zero_point
        return shares[(steps * scale - values).square().sum(dim=1).argmin(), 0]

    def stored(self, x: Tensor) -> Tensor:
        """The int8 values of `x`, as whole floats."""
        return (torch.round(x / self.scale) + self.zero_point).clamp(self.lowest, HIGHEST)

    def real(self, stored: Tensor) -> Tensor:
        """What the int8 values stand for."""
        return (stored - self.zero_point) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """The nearest values of the grid; gradient 1 where nothing was clipped, else 0."""
        x = x.float()
        if self.training and self.observing:
            self.observe(x)
        with torch.no_grad():
            steps = torch.round(x / self.scale) + self.zero_point
            stored = steps.clamp(self.lowest, HIGHEST)
            value = self.real(stored)
        return straight_through(x, value, steps == stored)
