"""The published tables: accuracy by pool size, by LUT bits and by activation bits."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ..data.module import DataModule
from ..loop.trainer import evaluate, to_torch
from ..methods.pool.lut import attach as attach_lut
from ..quantise import activation
from ..trained import Trained
from .pool import PoolSettings, pool, pooled, retrain

# Images that activation ranges are measured on.
CALIBRATION_IMAGES = 512


@dataclass(frozen=True)
class Row:
    """One setting: accuracies in [0, 1] on the validation and the test split; `retrained`: epochs of retraining."""

    setting: str
    retrained: int
    validation: float
    test: float


def sweep_pool(trained: Trained, data: DataModule, settings: PoolSettings, sizes: Iterable[int]) -> Iterator[Row]:
    """Table 4: the dense network, then for each pool size the pooled one before and after retraining."""
    yield _row("dense", 0, trained, data)
    for size in sizes:
        chosen = replace(settings, pool_size=size)
        yield _row(f"pool of {size}", 0, pooled(trained, chosen)[0], data)
        yield _row(f"pool of {size}", chosen.epochs, pool(trained, data, chosen)[0], data)


def sweep_lut(trained: Trained, data: DataModule, lut_bits: Iterable[int]) -> Iterator[Row]:
    """Table 5: a pooled network whose convolutions add up entries of a look-up table of so many bits.

    Each number of bits quantises the network's own pool again; there is no retraining. Activations have 8 bits.

    Raises ValueError for a dense network.
    """
    for bits in lut_bits:
        changed = _copy(trained)
        calibrated(changed, data, 8)
        attach_lut(changed.network, bits)
        yield _row(f"{bits} bits", 0, changed, data)


def sweep_act(trained: Trained, data: DataModule, settings: PoolSettings, act_bits: Iterable[int]) -> Iterator[Row]:
    """Table 6: a pooled network whose pooled convolutions read activations of so many bits.

    Each is measured as it is and, where `settings` has epochs, after so many of training with those bits and a pool
    that is unchanged. Raises ValueError for a dense network.
    """
    for bits in act_bits:
        changed = _copy(trained)
        calibrated(changed, data, bits)
        yield _row(f"{bits} bits", 0, changed, data)
        if settings.epochs:
            retrain(changed, data, settings, trained.network)
            yield _row(f"{bits} bits", settings.epochs, changed, data)


def calibrated(trained: Trained, data: DataModule, bits: int) -> None:
    """Quantise the activations of a network in place: `bits` into pooled convolutions, 8 elsewhere."""
    activation.attach(trained.network, bits)
    device = next(trained.network.parameters()).device
    activation.calibrate(trained.network, to_torch(data.calibration(CALIBRATION_IMAGES), device))


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table, accuracies in percent."""
    lines = ["| Setting | Epochs of retraining | Validation | Test |", "|---|---|---|---|"]
    lines += [
        f"| {row.setting} | {row.retrained} | {100 * row.validation:.2f} % | {100 * row.test:.2f} % |" for row in rows
    ]
    return "\n".join(lines)


def _copy(trained: Trained) -> Trained:
    if trained.pooling is None:
        raise ValueError(f"{trained.network_name}: has no weight pool, expected a pooled network")
    return replace(trained, network=copy.deepcopy(trained.network))


def _row(setting: str, epochs: int, trained: Trained, data: DataModule) -> Row:
    validation, _ = evaluate(trained.network, data, "validation")
    test, _ = evaluate(trained.network, data, "test")
    return Row(setting, epochs, validation, test)
