"""Pools as a method of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field, field_validator
from torch import nn

from wpconvert.transforms.pool import LUT_BITS, MAX_SIZE

from ...networks.layers import ConvBnRelu
from ...quantise.integers import IntegerLayer
from ...settings import Settings
from ..method import Entry, Method, Training
from .integers import integer_layers
from .weights import (
    DENSE,
    LEAST_GAIN,
    WeightPool,
    attach,
    cluster_weights,
    make_gains_positive,
    poolable_layers,
    pooled_layers,
    pooled_weight,
)


class PoolSettings(Settings):
    """`size`: vectors in the pool. `lut_bits`: of an entry of its look-up table.

    `refresh`: epochs after which the pool is made again from the latent weights; 0: never. `train`: the vectors of the
    pool are trained with the weights. `dense`: patterns of names of layers that are not pooled.
    """

    size: Annotated[int, Field(ge=1, le=MAX_SIZE)] = 64
    lut_bits: int = 8
    refresh: Annotated[int, Field(ge=0)] = 0
    train: bool = True
    dense: tuple[str, ...] = DENSE

    @field_validator("lut_bits")
    @classmethod
    def _possible(cls, bits: int) -> int:
        if bits not in LUT_BITS:
            raise ValueError(f"expected one of {', '.join(map(str, LUT_BITS))}")
        return bits


class Pool(Method):
    """Replaces weights by vectors of a shared pool; see `weights`. Gains of batch normalisations stay positive."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._network = nn.Module()
        self._seed = 0

    def attach(self, network: nn.Module) -> None:
        if pooled_layers(network):
            raise ValueError("already pooled, expected a dense network")
        layers = poolable_layers(network, self._settings.dense)
        if not layers:
            raise ValueError("has no convolution that can be pooled")
        attach(layers.values(), WeightPool(self._settings.size, self._settings.lut_bits))

    def prepare(self, network: nn.Module, training: Training) -> None:
        self._seed = training.seed
        make_gains_positive(network)
        self.attach(network)
        self.resume(network)
        self._fill()

    def resume(self, network: nn.Module) -> None:
        """Go on with a network that is pooled already."""
        self._network = network
        self._pool().centroids.requires_grad_(self._settings.train)

    def layers(self, network: nn.Module) -> tuple[str, ...]:
        return tuple(pooled_layers(network))

    def before_epoch(self, epoch: int) -> None:
        if self._settings.refresh and epoch and epoch % self._settings.refresh == 0:
            self._fill()

    def after_step(self) -> None:
        with torch.no_grad():
            for block in self._network.modules():
                if isinstance(block, ConvBnRelu):
                    block.bn.weight.clamp_min_(LEAST_GAIN)

    def finish(self, network: nn.Module) -> Mapping[str, IntegerLayer]:
        return integer_layers(network)

    def report(self, network: nn.Module) -> Mapping[str, str | int | float]:
        layers = pooled_layers(network).values()
        vectors = [pooled_weight(layer).indices(layer.parametrizations.weight.original).unique() for layer in layers]
        return {"pool": f"{self._settings.size} vectors", "vectors used": len(torch.cat(vectors).unique())}

    def _pool(self) -> WeightPool:
        return pooled_weight(next(iter(pooled_layers(self._network).values()))).pool

    def _fill(self) -> None:
        layers = pooled_layers(self._network).values()
        self._pool().fill(cluster_weights(layers, self._settings.size, self._seed))


ENTRY = Entry(PoolSettings, Pool, commands="wptrain.methods.pool.cli")
