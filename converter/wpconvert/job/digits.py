"""How many signed digits each layer's weights have, so that a model is fast enough and loses least."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from wpconvert.accelerator.architecture import Architecture
from wpconvert.accelerator.mixed import least_error, published_order
from wpconvert.accelerator.search import DIGITS, Grid, Tiled, schedule_layers
from wpconvert.engines import ENGINES, Sample
from wpconvert.errors import BudgetError, UnsupportedError
from wpconvert.files import Workspace
from wpconvert.formats.protocol import Source
from wpconvert.graph.executable import Executable
from wpconvert.job.progress import Stage
from wpconvert.model.convolution import Convolution
from wpconvert.model.layer import PLAIN
from wpconvert.model.noise import snr_db
from wpconvert.model.plan import plan_of
from wpconvert.model.rules import Choice, Rules
from wpconvert.model.settings import Settings
from wpconvert.transforms.base import DenseModel
from wpconvert.transforms.msd import MsdTransform

MOST_SAMPLES = 64
"""A model runs on each of them three times a layer."""
_UNLIMITED = 1 << 62
_ENGINE = "native"
_MSD = MsdTransform()


@dataclass(frozen=True)
class Times:
    """Cycles of each layer with one digit first, and of the whole with DSP blocks alone."""

    cycles: list[list[int]]
    baseline: int

    def limit(self, speedup: float) -> int:
        """The most cycles that are so much faster."""
        # A speed-up near 0 makes the quotient infinite.
        return int(min(self.baseline / speedup, _UNLIMITED))

    def speedup(self, digits: Sequence[int]) -> float:
        """With these digits."""
        return self.baseline / sum(row[d - 1] for row, d in zip(self.cycles, digits, strict=True))


def with_every_count(layers: Sequence[Convolution], device: Architecture, grid: Grid) -> list[list[Tiled]]:
    """The tiles of each layer with every number of digits, one first."""
    every = [schedule_layers(layers, device, [digits] * len(layers), grid) for digits in DIGITS]
    return [list(row) for row in zip(*every, strict=True)]


def in_published_order(times: Times, speedup: float) -> list[int]:
    """Digits of layers of which only times are known: three, then fewer for the slowest until it is fast enough.

    BudgetError where one digit each is too slow.
    """
    digits = [DIGITS[2]] * len(times.cycles)
    if times.speedup(digits) >= speedup:
        return digits
    for step in published_order(times.cycles, times.baseline):
        digits[step.layer] = step.digits
        if step.speedup >= speedup:
            return digits
    raise _too_slow(times, [[0.0] * len(DIGITS)] * len(times.cycles), speedup)


def with_least_error(
    times: Times, errors: Sequence[Sequence[float]], weights: Sequence[str], speedup: float
) -> list[int]:
    """The digits with the least sum of errors, of which none is infinite. BudgetError where none are fast enough.

    errors: of each layer; weights: their keys. Layers that share a weight have the same digits.
    """
    limit = times.limit(speedup)
    shared: dict[str, list[int]] = {}
    for layer, weight in enumerate(weights):
        shared.setdefault(weight, []).append(layer)
    losses = [errors[layers[0]] for layers in shared.values()]
    together = [[sum(each) for each in zip(*(times.cycles[i] for i in one), strict=True)] for one in shared.values()]
    # What cannot be is too slow.
    cycles = [
        [time if math.isfinite(error) else limit + 1 for time, error in zip(*each, strict=True)]
        for each in zip(together, losses, strict=True)
    ]
    found = least_error(cycles, losses, limit)
    if found is None:
        raise _too_slow(times, errors, speedup)
    digits = dict(zip(shared, found, strict=True))
    return [digits[weight] for weight in weights]


def errors_of(
    source: Source, layers: Sequence[Convolution], samples: Sequence[Sample], stage: Stage
) -> list[list[float]]:
    """Noise over signal of each layer, with one digit first: of its weights, or, with samples, of the model's outputs
    where only this layer has so few.

    A layer whose weights cannot be changed has infinite errors below four digits. UnsupportedError for a format whose
    weights stay as they are, and where the native engine does not run the model.
    """
    with Workspace(None) as workspace:
        draft = source.draft(Settings(PLAIN, Rules([])), workspace)
        dense = draft.dense()
        if dense is None:
            raise UnsupportedError(
                f"{source.path}: its weights are real numbers; give the .tflite model that is made of it"
            )
        before = _outputs(dense.executable(), samples)
        found = []
        for layer in layers:
            choices = [Choice(w, _MSD.name if w.key == layer.weight else PLAIN, 0.0) for w in draft.weights]
            found.append([_error(dense, layer, choices, digits, samples, before) for digits in DIGITS[:-1]] + [0.0])
            stage.advance()
    return found


def rules_of(layers: Sequence[Convolution], digits: Sequence[int]) -> str:
    """A rules file that gives each layer's weights these digits."""
    found = {layer.weight: count for layer, count in zip(layers, digits, strict=True)}
    return plan_of((key, _MSD.name, {"effective_bits": count}) for key, count in found.items())


def _error(
    dense: DenseModel,
    layer: Convolution,
    choices: Sequence[Choice],
    digits: int,
    samples: Sequence[Sample],
    before: Sequence[Sample],
) -> float:
    model = dense.copy()
    changed = _MSD.apply(model, choices, {"effective_bits": digits}).changed.get(layer.weight)
    if changed is None:
        return float("inf")
    if not samples:
        return 0.0 if changed.snr_db is None else float(10 ** (-changed.snr_db / 10))
    after = _outputs(model.executable(), samples)
    signal = noise = 0.0
    for one, other in zip(chain.from_iterable(before), chain.from_iterable(after), strict=True):
        wide = one.astype(np.float64)
        # An output's zero point is no signal.
        signal += float(np.square(wide - wide.mean()).sum())
        noise += float(np.square(wide - other).sum())
    return float(10 ** (-snr_db(signal, noise) / 10))


def _outputs(model: Executable, samples: Sequence[Sample]) -> list[Sample]:
    return ENGINES[_ENGINE].run(model, samples, lambda: None) if samples else []


def _too_slow(times: Times, errors: Sequence[Sequence[float]], speedup: float) -> BudgetError:
    total = sum(
        min(time for time, error in zip(*each, strict=True) if math.isfinite(error))
        for each in zip(times.cycles, errors, strict=True)
    )
    return BudgetError(f"--speedup {speedup:g}: the most for this model is {times.baseline / total:.2f}")
