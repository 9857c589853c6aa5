"""Pooled convolutions as look-up kernels compute them: bit plane by bit plane, with entries of few bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from wpconvert.transforms.pool import GROUP, quantise

from .activation import level
from .weights import latent_weight, pooled_layers, pooled_weight


class LutConv(nn.Module):  # type: ignore[misc]
    """A pooled convolution whose input has been quantised: docs/FORMAT.md, look-ups of a pool.

    Every product of a vector of 8 levels and a pool vector is put together from rounded table entries once; the
    convolution then adds up products, which one-hot weights select.
    """

    def __init__(self, layer: nn.Conv2d, lut_bits: int) -> None:
        super().__init__()
        pooled = pooled_weight(layer)
        vectors, shift = quantise(pooled.pool.vectors.double().numpy(), lut_bits)
        latent = latent_weight(layer).detach()
        indices = pooled.indices(latent)
        integers = torch.from_numpy(vectors).float()[indices].flatten(3)[..., : latent.shape[1]].permute(0, 3, 1, 2)
        self.quantiser = layer.quantiser
        self.stride, self.padding = layer.stride, layer.padding
        self.scales = pooled.scales(latent, integers)
        patterns = torch.arange(256)[:, None] >> torch.arange(GROUP) & 1
        sums = patterns.double() @ torch.from_numpy(vectors).double().T
        # [256, size]: entry(P, s), rounded half up.
        self.entries = torch.floor((sums + ((1 << shift) >> 1)) / (1 << shift)).float() * (1 << shift)
        selected = functional.one_hot(indices, len(vectors)).float().flatten(3)
        self.register_buffer("selection", selected.permute(0, 3, 1, 2).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        bits, zero_point = self.quantiser.bits, int(self.quantiser.zero_point)
        stored = (torch.round(x / self.quantiser.scale) + zero_point).clamp(-128, 127)
        stored = functional.pad(stored, (self.padding[1],) * 2 + (self.padding[0],) * 2, value=float(zero_point))
        steps = level(stored.long(), bits, zero_point)
        zero = torch.full((x.shape[1], 1, 1), level(self.quantiser.zero_point.long(), bits, zero_point).item())
        products = self._products(steps, bits) - self._products(zero[None], bits)
        total = functional.conv2d(products, self.selection, stride=self.stride)
        return total * (self.scales * self.quantiser.scale * (1 << (8 - bits)))[:, None, None]

    def _products(self, steps: Tensor, bits: int) -> Tensor:
        """f(levels, vector) for levels [n, c, h, w], as [n, groups · size, h, w]."""
        lanes = functional.pad(steps.permute(0, 2, 3, 1), (0, -steps.shape[1] % GROUP)).unflatten(-1, (-1, GROUP))
        total = torch.zeros(())
        for bit in range(bits):
            pattern = ((lanes >> bit & 1) << torch.arange(GROUP)).sum(dim=-1)
            weight = -(1 << bit) if bit == bits - 1 else 1 << bit
            total = total + weight * self.entries[pattern]
        return total.flatten(3).permute(0, 3, 1, 2)


def attach(network: nn.Module, lut_bits: int) -> None:
    """Replace every pooled convolution of a network with quantised activations by its LutConv, in place."""
    for name, layer in pooled_layers(network).items():
        parent, _, attribute = name.rpartition(".")
        setattr(network.get_submodule(parent), attribute, LutConv(layer, lut_bits))
