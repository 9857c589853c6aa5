"""Predictions against measurements, of models that took no part in the calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.calibration.measure import Counts, counts_of
from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.job.convert import convert_bytes
from wpconvert.model.goal import DEFAULT_SLOWDOWN, Goal
from wpconvert.model.layer import PLAIN
from wpconvert.model.rules import AUTO, Rules
from wpconvert.model.settings import Settings
from wpconvert.plan.costs import CostModel, Prediction, load_costs, predict
from wpconvert.plan.layers import layers_of
from wpconvert.target.board import board_named

QUANTILE = 0.95
_PART = 0.01
"""Of a model's cycles: layers with less of them are not counted."""


@dataclass(frozen=True)
class Case:
    """A model by name, its file, and how it is converted: AUTO for the default plan, or a method."""

    name: str
    data: bytes
    method: str = AUTO


@dataclass(frozen=True)
class Checked:
    """Measured against predicted.

    ratios: instructions and cycles of the converted model to those of the unconverted one, as measured; errors: of
    those ratios as predicted, of the cycles of both models, and of the code of both. layers: errors of the ratios of
    the cycles of layers that were rewritten.
    """

    target: str
    name: str
    method: str
    ratios: tuple[float, float]
    ratio_error: float
    cycle_errors: tuple[float, float]
    code_errors: tuple[float, float]
    layers: tuple[float, ...]
    unknown: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """Whether a default plan is as fast as it promises."""
        return max(self.ratios) <= DEFAULT_SLOWDOWN


def check(target: str, case: Case) -> Checked | str:
    """A model on a board; the reason why it cannot be checked there."""
    board = board_named(target)
    load_costs.cache_clear()
    costs = load_costs(board.core)
    goal = Goal(board.name, board.core) if case.method == AUTO else None
    converted = convert_bytes(case.data, Settings(case.method, Rules(rules=[]), goal=goal)).data
    try:
        measured = counts_of(target, case.data), counts_of(target, converted)
    except UnsupportedError as error:
        return f"{target:12} {case.name} {case.method}: skipped, {error}"
    predicted = _predicted(case.data, costs), _predicted(converted, costs)
    (before, plain), (after, rewritten) = measured[0].total, measured[1].total
    totals = [prediction.total.cycles for prediction, _ in predicted]
    return Checked(
        target,
        case.name,
        case.method,
        (after / before, rewritten / plain),
        totals[1] / totals[0] / (rewritten / plain) - 1,
        (totals[0] / plain - 1, totals[1] / rewritten - 1),
        (predicted[0][1] / measured[0].code_nbytes - 1, predicted[1][1] / measured[1].code_nbytes - 1),
        _layers(converted, measured, (predicted[0][0], predicted[1][0])),
        predicted[1][0].unknown,
    )


def _predicted(data: bytes, costs: CostModel) -> tuple[Prediction, int]:
    layers = layers_of(read_graph(parse(data)))
    return predict(layers, costs), costs.code_nbytes(name for layer in layers for name in layer.code)


def _layers(
    converted: bytes, measured: tuple[Counts, Counts], predicted: tuple[Prediction, Prediction]
) -> tuple[float, ...]:
    layers = layers_of(read_graph(parse(converted)))
    if not len(layers) == len(measured[0].operators) == len(measured[1].operators):
        return ()
    errors = []
    for index, layer in enumerate(layers):
        if layer.weights is None or layer.weights.method == PLAIN:
            continue
        plain, rewritten = (counts.operators[index][1] for counts in measured)
        first, second = (prediction.layers[index].cycles for prediction in predicted)
        if plain > _PART * measured[0].total[1] and first > 0:
            errors.append(second / first / (rewritten / plain) - 1)
    return tuple(errors)


def line(checked: Checked) -> str:
    """One line of what was found."""
    errors = {
        "ratio": checked.ratio_error,
        "cycles": checked.cycle_errors[1],
        "unconverted": checked.cycle_errors[0],
        "code": checked.code_errors[1],
        "unconverted code": checked.code_errors[0],
    }
    texts = " ".join(f"{what} {error:+6.1%}" for what, error in errors.items())
    missing = f"; not predicted: {', '.join(checked.unknown)}" if checked.unknown else ""
    kept = "" if checked.kept or checked.method != AUTO else "; OVER THE LIMIT"
    ratios = "× {:.3f} instructions, × {:.3f} cycles".format(*checked.ratios)
    return f"{checked.target:12} {checked.name:34} {checked.method:8} {ratios}; errors: {texts}{kept}{missing}"


def summary(found: Sequence[Checked]) -> list[str]:
    """What all of it comes to."""
    plans = [checked for checked in found if checked.method == AUTO]
    ratios = np.abs([checked.ratio_error for checked in found])
    layers = np.abs([error for checked in found for error in checked.layers])
    code = np.abs([error for checked in found for error in checked.code_errors])
    lines = [
        f"limit of {DEFAULT_SLOWDOWN} kept by {sum(plan.kept for plan in plans)} of {len(plans)} default plans",
        _quantiles("ratios of models", ratios),
    ]
    if len(layers):
        lines.append(_quantiles("ratios of layers", layers))
    return [*lines, _quantiles("code", code)]


def _quantiles(what: str, errors: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    within = float((errors <= 0.05).mean())
    return (
        f"{what}: {len(errors)}, median error {np.median(errors):.1%}, {QUANTILE:.0%} within "
        f"{np.quantile(errors, QUANTILE):.1%}, {within:.1%} within 5 %, largest {errors.max():.1%}"
    )


def uncertainty(found: Sequence[Checked]) -> float:
    """By how much, relative to it, the predicted ratio of a plan was too low at most."""
    return round(max([0.0, *(1 / (1 + checked.ratio_error) - 1 for checked in found)]), 4)
