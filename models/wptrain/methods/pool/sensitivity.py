"""Which layers a pool costs most for the bytes that it saves there; measured without training."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from wpconvert.transforms.pool import GROUP

from ...data.module import DataModule
from ...loop.evaluation import to_torch
from .weights import WeightPool, attach, cluster_weights, make_gains_positive

# Training samples that losses are measured on, so many at once.
SAMPLES = 2048
_BATCH = 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sensitivity:
    """A pool in this layer alone adds `loss` to the cross-entropy, and takes `saved` bytes from the file."""

    layer: str
    loss: float
    saved: int


def saved_bytes(layer: nn.Conv2d, size: int) -> int:
    """By how much the indices of a layer into a pool of `size` vectors are smaller than its int8 weights.

    Negative where they are larger.
    """
    outputs, inputs, height, width = layer.weight.shape
    bits = max(1, (size - 1).bit_length())
    row = -(-height * width * -(-inputs // GROUP) * bits // 8)
    return int(layer.weight.numel() - outputs * row)


def measure(
    network: nn.Module, names: Iterable[str], pool: WeightPool, data: DataModule, seed: int
) -> tuple[Sensitivity, ...]:
    """The sensitivity of the convolutions `names`, each pooled alone with vectors that all of them share.

    The network stays as it is. Losses are those of up to SAMPLES training samples, spread evenly.
    """
    network = copy.deepcopy(network).eval()
    make_gains_positive(network)
    layers = {name: network.get_submodule(name) for name in names}
    pool.fill(cluster_weights(layers.values(), len(pool.centroids), seed))
    dense = _loss(network, data)
    found = []
    for name, layer in layers.items():
        attach([layer], pool)
        loss = _loss(network, data) - dense
        # The latent weights are the dense ones.
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
        found.append(Sensitivity(name, loss, saved_bytes(layer, len(pool.centroids))))
        _log.info("%s: pooled alone, the loss rises by %.4f, for %d bytes less", name, loss, found[-1].saved)
    return tuple(found)


def most_sensitive(layers: Iterable[Sensitivity], budget: int) -> tuple[str, ...]:
    """The layers to keep dense, in the order given: those with the largest loss per byte, of `budget` bytes at most.

    One that needs more than is left is passed over; one that a pool makes no worse is not kept.
    """
    told = tuple(layers)
    kept = set()
    for each in sorted(told, key=_loss_per_byte, reverse=True):
        if each.loss > 0 and each.saved <= budget:
            kept.add(each.layer)
            budget -= max(0, each.saved)
    return tuple(each.layer for each in told if each.layer in kept)


def _loss_per_byte(sensitivity: Sensitivity) -> float:
    return sensitivity.loss / max(1, sensitivity.saved)


def _loss(network: nn.Module, data: DataModule) -> float:
    size = len(data.labels("train"))
    count = min(SAMPLES, size)
    indices = np.arange(count, dtype=np.int64) * size // count
    device = next(network.parameters()).device
    total = 0.0
    with torch.no_grad():
        for part in np.split(indices, range(_BATCH, count, _BATCH)):
            samples, labels = data.batch("train", part)
            logits = network(to_torch(samples, device))
            total += float(functional.cross_entropy(logits, torch.from_numpy(labels).to(device), reduction="sum"))
    return total / count
