"""Pool the weights of a trained network and retrain it with the pool."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from wpconvert.transforms.pool import LUT_BITS, MAX_SIZE

from ..data.module import DataModule
from ..loop.trainer import Checkpoint, Observer, Selected, TrainSettings, choose_device, fit, make_deterministic
from ..methods.pool.weights import PoolKeeper, WeightPool, attach, cluster_weights, make_gains_positive
from ..trained import Pooling, Trained


@dataclass(frozen=True)
class PoolSettings(TrainSettings):
    """What decides the result; each field is an option of the command.

    `refresh`: epochs after which the pool is made again from the latent weights; 0: never. `train_pool`: the vectors
    of the pool are trained with the weights. `distil`: share of the loss that asks for the dense network's outputs
    instead of the labels.
    """

    pool_size: int = 64
    lut_bits: int = 8
    refresh: int = 0
    train_pool: bool = True
    distil: float = 0.7
    epochs: int = 10
    learning_rate: float = 2e-3
    weight_decay: float = 0.01


def pooled(trained: Trained, settings: PoolSettings) -> tuple[Trained, WeightPool]:
    """A copy of a dense network with pooled weights, not retrained, and its pool.

    Raises ValueError when the network is pooled already or the settings are outside their ranges.
    """
    if trained.pooling is not None:
        raise ValueError(f"{trained.network_name}: already pooled, expected a dense network")
    if not 1 <= settings.pool_size <= MAX_SIZE:
        raise ValueError(f"pool size {settings.pool_size}: expected 1 to {MAX_SIZE}")
    if settings.lut_bits not in LUT_BITS:
        raise ValueError(f"LUT bits {settings.lut_bits}: expected one of {', '.join(map(str, LUT_BITS))}")
    network = copy.deepcopy(trained.network)
    make_gains_positive(network)
    pool = WeightPool(settings.pool_size, settings.lut_bits)
    pool.fill(cluster_weights(network, settings.pool_size, settings.seed))
    attach(network, pool)
    pooling = Pooling(settings.pool_size, settings.lut_bits)
    return Trained(trained.network_name, trained.image_shape, trained.classes, network, pooling), pool


def pool(
    trained: Trained,
    data: DataModule,
    settings: PoolSettings,
    *,
    checkpoint: Checkpoint | None = None,
    observer: Observer | None = None,
) -> tuple[Trained, Selected]:
    """The retrained pooled network and its best epoch. Raises ValueError as `pooled` does."""
    make_deterministic(settings.seed, settings.threads)
    result, vectors = pooled(trained, settings)
    vectors.centroids.requires_grad_(settings.train_pool)
    selected = retrain(result, data, settings, trained.network, checkpoint=checkpoint, observer=observer)
    return result, selected


def retrain(
    trained: Trained,
    data: DataModule,
    settings: PoolSettings,
    teacher: nn.Module,
    *,
    checkpoint: Checkpoint | None = None,
    observer: Observer | None = None,
) -> Selected:
    """Train a pooled network in place, `teacher` showing what its outputs should be; its best epoch."""
    selected = fit(
        trained.network,
        data,
        settings.config(settings.distil),
        PoolKeeper(trained.network, settings.refresh, settings.seed),
        teacher=teacher,
        checkpoint=checkpoint,
        observer=observer,
        device=choose_device(settings.device),
    )
    trained.network.cpu()
    return selected
