"""Convolutions whose weights are vectors of a pool, trained with a straight-through gradient.

A pooled convolution keeps its weights as trainable latent ones. In the forward pass every vector of 8 latent
weights along the input channels is replaced by the pool vector of highest cosine, times the least-squares scale of
its output channel. The pool is shared by all pooled layers. It stays unchanged, or is trained too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from wpconvert.transforms.pool import GROUP, cluster, cut, quantise, shift_for, sum_limits

from ...networks.layers import ConvBnRelu, matches

# The least gain of a batch normalisation after a pooled convolution. Folding it into the weights multiplies them by
# it, so a gain of another sign would ask for pool vectors that are not there.
LEAST_GAIN = 1e-3
# Layers that stay dense unless asked otherwise, as published: a shortcut has few weights, and all that the layers next
# to it drop has to pass through it.
DENSE = ("*.shortcut.*",)
# A channel's least scale, in ratios of the norms of its latent and of its pool weights.
_LEAST_SCALE = 2.0**-10
# A vector in centroids: the learning rate of the weights then suits them too.
_UNITS = 32.0


class WeightPool(nn.Module):  # type: ignore[misc]
    """A pool of `size` vectors of 8, whose look-up table fits entries of `lut_bits`.

    `centroids` float32 [size, 8] are what can be trained; the vectors are 32 times those, rounded.
    """

    def __init__(self, size: int, lut_bits: int) -> None:
        super().__init__()
        self.lut_bits = lut_bits
        self.centroids = nn.Parameter(torch.zeros(size, GROUP), requires_grad=False)
        self._limits = sum_limits(lut_bits, shift_for(lut_bits))

    def fill(self, vectors: NDArray[np.float64]) -> None:
        """Quantise real pool vectors, float64 [n, 8] with 1 <= n <= size, and keep them; too few are repeated."""
        integers, _ = quantise(vectors, self.lut_bits)
        rows = np.arange(len(self.centroids)) % len(integers)
        self.centroids.data.copy_(torch.from_numpy(integers[rows].astype(np.float32)) / _UNITS)

    @property
    def vectors(self) -> Tensor:
        """The pool vectors: whole numbers, float32 [size, 8], without gradient."""
        return self().detach()

    def forward(self) -> Tensor:
        """The pool vectors; their gradient passes through the rounding to the centroids.

        A vector that is too long for the table is shortened until it fits however it is rounded.
        """
        real = self.centroids * _UNITS
        with torch.no_grad():
            rounded = real.round()
            share = torch.ones_like(real[:, :1])
            for sign, limit in zip((-1, 1), self._limits, strict=True):
                most = abs(limit)
                sums = (sign * rounded).clamp_min(0).sum(dim=1, keepdim=True)
                # Rounding adds at most one half to each of the vector's numbers.
                fitting = (most - GROUP / 2) / (sign * real).clamp_min(0).sum(dim=1, keepdim=True)
                share = torch.where(sums > most, torch.minimum(share, fitting), share)
            rounded = (real * share).round()
        return real * share + (rounded - real * share).detach()


class PooledWeight(nn.Module):  # type: ignore[misc]
    """The parametrisation of a convolution's weight [out, in, kh, kw] by a pool; see the module.

    `assigned` int32 [out, kh, kw, groups] are indices that no longer follow the weights, −1 where they do; None: they
    all do.
    """

    assigned: Tensor | None

    def __init__(self, pool: WeightPool, assigned: Tensor | None = None) -> None:
        super().__init__()
        self.pool = pool
        self.register_buffer("assigned", assigned)

    def freeze(self, latent: Tensor) -> None:
        """Keep the indices that `latent` has. Raises ValueError when there is no `assigned`."""
        if self.assigned is None:
            raise ValueError("the indices of this layer cannot be frozen")
        self.assigned.copy_(self.indices(latent))

    def indices(self, latent: Tensor) -> Tensor:
        """Which pool vector stands for each vector of `latent`: int64 [out, kh, kw, groups]."""
        nearest = self._nearest(latent)
        return nearest if self.assigned is None else torch.where(self.assigned < 0, nearest, self.assigned.long())

    def _nearest(self, latent: Tensor) -> Tensor:
        pool = self.pool.vectors
        vectors = _grouped(latent)
        lanes = functional.pad(torch.ones(latent.shape[1], device=latent.device), (0, -latent.shape[1] % GROUP))
        # Of the last group only the lanes that have a channel count: [groups, size].
        norms = (lanes.reshape(-1, 1, GROUP) * pool).norm(dim=2)
        cosines = torch.where(norms > 0, vectors @ pool.T / norms.clamp_min(torch.finfo(norms.dtype).tiny), 0.0)
        return torch.where(vectors.any(dim=-1), cosines.argmax(dim=-1), norms.argmin(dim=-1))

    def integers(self, latent: Tensor) -> Tensor:
        """The pool vectors in the shape of `latent`."""
        joined = self.pool()[self.indices(latent)].flatten(3)[..., : latent.shape[1]]
        return joined.permute(0, 3, 1, 2)

    def scales(self, latent: Tensor, integers: Tensor) -> Tensor:
        """The least-squares scale of each output channel, positive: [out]."""
        energy = integers.square().sum(dim=(1, 2, 3))
        safe = torch.where(energy > 0, energy, 1.0)
        least = _LEAST_SCALE * latent.flatten(1).norm(dim=1).clamp_min(LEAST_GAIN) / safe.sqrt()
        best = (latent * integers).sum(dim=(1, 2, 3)) / safe
        return torch.where(energy > 0, torch.maximum(best, least), 1.0)

    def forward(self, latent: Tensor) -> Tensor:
        # In full precision, or training would choose other vectors than evaluation does.
        with torch.autocast(latent.device.type, enabled=False):
            integers = self.integers(latent)
            with torch.no_grad():
                scales = self.scales(latent, integers)[:, None, None, None]
            # Straight through to the latent weights; to the pool by the chain rule.
            return latent - latent.detach() + integers * scales


def _grouped(weight: Tensor) -> Tensor:
    """[out, in, kh, kw] as vectors [out, kh, kw, groups, 8], the last group filled up with zeros."""
    padded = functional.pad(weight.permute(0, 2, 3, 1), (0, -weight.shape[1] % GROUP))
    return padded.unflatten(-1, (-1, GROUP))


def poolable_layers(network: nn.Module, dense: Sequence[str] = DENSE) -> dict[str, nn.Conv2d]:
    """The convolutions worth pooling: not the first, none that is depthwise or grouped, no linear layers.

    Nor those whose name, or the name of a part that they belong to, matches a pattern of `dense`.
    """
    found = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    return {name: module for name, module in found[1:] if module.groups == 1 and not matches(name, dense)}


def pooled_layers(network: nn.Module) -> dict[str, nn.Conv2d]:
    """The convolutions whose weight is pooled."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
        and parametrize.is_parametrized(module)
        and isinstance(module.parametrizations.weight[0], PooledWeight)
    }


def latent_weight(layer: nn.Conv2d) -> Tensor:
    """The trainable weight of a convolution, pooled or not."""
    return layer.parametrizations.weight.original if parametrize.is_parametrized(layer) else layer.weight


def pooled_weight(layer: nn.Conv2d) -> PooledWeight:
    """The parametrisation of a pooled convolution."""
    parametrisation: PooledWeight = layer.parametrizations.weight[0]
    return parametrisation


def attach(layers: Iterable[nn.Conv2d], pool: WeightPool, freezable: bool = False) -> None:
    """Pool convolutions, in place; `freezable`: their indices can be frozen."""
    for layer in layers:
        assigned = torch.full(_grouped(layer.weight).shape[:-1], -1, dtype=torch.int32) if freezable else None
        parametrize.register_parametrization(layer, "weight", PooledWeight(pool, assigned))


def cluster_weights(layers: Iterable[nn.Conv2d], size: int, seed: int) -> NDArray[np.float64]:
    """Real pool vectors, float64 [at most `size`, 8], by k-means over the weights of convolutions, pooled or not.

    Each output channel counts with weights of mean square 1, as its scale is free.
    """
    parts = []
    for layer in layers:
        weight = latent_weight(layer).detach().cpu().double().permute(0, 2, 3, 1)
        root = weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        parts.append(cut((weight / torch.where(root > 0, root, 1.0)).numpy()))
    return cluster(np.concatenate(parts), size, seed)


def make_gains_positive(network: nn.Module) -> None:
    """Turn filters whose batch normalisation has a negative gain around; the network computes the same.

    Gains next to zero become LEAST_GAIN.
    """
    with torch.no_grad():
        for block in network.modules():
            if not isinstance(block, ConvBnRelu):
                continue
            sign = torch.where(block.bn.weight < 0, -1.0, 1.0)
            latent_weight(block.conv).mul_(sign[:, None, None, None])
            block.bn.running_mean.mul_(sign)
            block.bn.weight.mul_(sign).clamp_min_(LEAST_GAIN)
