"""Accuracy of a pooled network by bits of look-up entries and of activations."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...data.module import DataModule
from ...loop.evaluation import evaluate, to_torch
from ...loop.settings import LoopSettings
from ...loop.trainer import fit
from ...report.table import Measured
from ...trained import Trained
from . import activation
from .lut import attach as attach_lut
from .method import Pool, PoolSettings
from .weights import pooled_layers

# Images that activation ranges are measured on.
CALIBRATION_IMAGES = 512


def sweep_lut(
    trained: Trained, data: DataModule, lut_bits: Iterable[int], test: bool
) -> Iterator[tuple[str, Measured]]:
    """A pooled network whose convolutions add up entries of a look-up table of so many bits.

    Each number of bits quantises the network's own pool again; there is no retraining. Activations have 8 bits.

    Raises ValueError for a dense network.
    """
    for bits in lut_bits:
        changed = _copy(trained)
        calibrated(changed, data, 8)
        attach_lut(changed.network, bits)
        yield f"{bits} bits", _measured(changed, data, test)


def sweep_act(
    trained: Trained, data: DataModule, settings: LoopSettings | None, act_bits: Iterable[int], test: bool
) -> Iterator[tuple[str, Measured]]:
    """A pooled network whose pooled convolutions read activations of so many bits.

    Each is measured as it is and, with `settings`, after a training with those bits and a pool that is unchanged.
    Raises ValueError for a dense network.
    """
    for bits in act_bits:
        changed = _copy(trained)
        calibrated(changed, data, bits)
        yield f"{bits} bits", _measured(changed, data, test)
        if settings is not None:
            method = Pool(PoolSettings.model_validate({**trained.methods["pool"], "train": False, "refresh": 0}))
            method.resume(changed.network)
            fit(changed.network, data, settings, [method], teacher=trained.network, device=settings.device)
            changed.network.cpu()
            yield f"{bits} bits, {settings.epochs} epochs", _measured(changed, data, test)


def calibrated(trained: Trained, data: DataModule, bits: int) -> None:
    """Quantise the activations of a network in place: `bits` into pooled convolutions, 8 elsewhere."""
    activation.attach(trained.network, bits)
    device = next(trained.network.parameters()).device
    activation.calibrate(trained.network, to_torch(data.calibration(CALIBRATION_IMAGES), device))


def _copy(trained: Trained) -> Trained:
    if not pooled_layers(trained.network):
        raise ValueError(f"{trained.network_name}: has no weight pool, expected a pooled network")
    return replace(trained, network=copy.deepcopy(trained.network))


def _measured(trained: Trained, data: DataModule, test: bool) -> Measured:
    validation, _ = evaluate(trained.network, data, "validation")
    return Measured(0, validation, evaluate(trained.network, data, "test")[0] if test else None)
