"""Pools as a method of training."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field, field_validator
from torch import nn

from wpconvert.transforms.pool import LUT_BITS, MAX_SIZE

from ...data.module import DataModule
from ...networks.layers import ConvBnRelu
from ...quantise.integers import IntegerLayer
from ...settings import Settings
from ..method import Entry, Method, Training
from .integers import integer_layers
from .sensitivity import measure, most_sensitive
from .weights import (
    DENSE,
    LEAST_GAIN,
    WeightPool,
    attach,
    cluster_weights,
    latent_weight,
    make_gains_positive,
    poolable_layers,
    pooled_layers,
    pooled_weight,
)

_log = logging.getLogger(__name__)


class PoolSettings(Settings):
    """`size`: vectors in the pool. `lut_bits`: of an entry of its look-up table.

    `refresh`: epochs after which the pool is made again from the latent weights; 0: never. `train`: the vectors of the
    pool are trained with the weights. `dense`: patterns of names of layers, or of parts of the network, that are not
    pooled. `dense_bytes`: so many bytes the file may grow for further layers that are not: those that a pool costs most
    for the bytes it saves, see `sensitivity`. `freeze_assignments`: in the last part of the epochs each vector of
    weights keeps its pool vector, and the pool is not made again.
    """

    size: Annotated[int, Field(ge=1, le=MAX_SIZE)] = 64
    lut_bits: int = 8
    refresh: Annotated[int, Field(ge=0)] = 0
    train: bool = True
    dense: tuple[str, ...] = DENSE
    dense_bytes: Annotated[int, Field(ge=0)] = 0
    freeze_assignments: Annotated[float, Field(ge=0, le=1)] = 0.0

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
        # The first epoch with frozen assignments; none before a training is prepared.
        self._frozen: int | None = None

    def choose(self, network: nn.Module, data: DataModule, seed: int) -> Mapping[str, object]:
        settings = self._settings
        if not settings.dense_bytes:
            return {}
        layers = self._poolable(network)
        pool = WeightPool(settings.size, settings.lut_bits).to(next(network.parameters()).device)
        kept = most_sensitive(measure(network, layers, pool, data, seed), settings.dense_bytes)
        if len(kept) == len(layers):
            raise ValueError(f"dense_bytes {settings.dense_bytes}: no layer would be left to pool; allow fewer")
        _log.info("kept dense, of at most %d bytes: %s", settings.dense_bytes, ", ".join(kept) or "none")
        return {"dense": [*settings.dense, *kept], "dense_bytes": 0}

    def attach(self, network: nn.Module) -> None:
        if self._settings.dense_bytes:
            raise ValueError("dense_bytes: the layers that stay dense have not been chosen, which choose does")
        if pooled_layers(network):
            raise ValueError("already pooled, expected a dense network")
        layers = self._poolable(network)
        pool = WeightPool(self._settings.size, self._settings.lut_bits)
        attach(layers.values(), pool, freezable=self._settings.freeze_assignments > 0)

    def prepare(self, network: nn.Module, training: Training) -> None:
        self._seed = training.seed
        if share := self._settings.freeze_assignments:
            self._frozen = training.epochs - max(1, round(share * training.epochs))
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
        if self._frozen is not None and epoch >= self._frozen:
            if epoch == self._frozen:
                for layer in pooled_layers(self._network).values():
                    pooled_weight(layer).freeze(latent_weight(layer))
        elif self._settings.refresh and epoch and epoch % self._settings.refresh == 0:
            self._fill()

    def after_step(self) -> None:
        with torch.no_grad():
            for block in self._network.modules():
                if isinstance(block, ConvBnRelu):
                    block.bn.weight.clamp_min_(LEAST_GAIN)

    def finish(self, network: nn.Module) -> Mapping[str, IntegerLayer]:
        return integer_layers(network)

    def report(self, network: nn.Module) -> Mapping[str, str | int | float]:
        pooled = pooled_layers(network)
        vectors = [pooled_weight(layer).indices(latent_weight(layer)).unique() for layer in pooled.values()]
        dense = [name for name in poolable_layers(network, ()) if name not in pooled]
        return {
            "pool": f"{self._settings.size} vectors",
            "vectors used": len(torch.cat(vectors).unique()),
            **({"kept dense": ", ".join(dense)} if dense else {}),
        }

    def _poolable(self, network: nn.Module) -> Mapping[str, nn.Conv2d]:
        layers = poolable_layers(network, self._settings.dense)
        if not layers:
            raise ValueError("has no convolution that can be pooled")
        return layers

    def _pool(self) -> WeightPool:
        return pooled_weight(next(iter(pooled_layers(self._network).values()))).pool

    def _fill(self) -> None:
        layers = pooled_layers(self._network).values()
        self._pool().fill(cluster_weights(layers, self._settings.size, self._seed))


ENTRY = Entry(PoolSettings, Pool, commands="wptrain.methods.pool.cli")
