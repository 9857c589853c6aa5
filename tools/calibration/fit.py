"""Fits the cost model: non-negative weights of what layers are described by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from wpconvert.model.layer import Layer
from wpconvert.plan.decoding import Features
from wpconvert.plan.features import describe

# A layer of so few instructions need not be right to the per cent: it is not what a model's time consists of.
SMALL = 2000.0
_DIGITS = 5
_WEIGHTED = "operators with weights"

Weights = dict[str, list[float]]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A layer and what it took on a board."""

    layer: Layer
    instructions: int
    cycles: int


def fit(samples: Sequence[Measured], core: str) -> tuple[Weights, list[str]]:
    """The weight of every feature, in the form of the cost file, and the families that were measured.

    What is done alike in several families binds them together: they are solved at once.
    """
    rows = [(*describe(sample.layer, core), sample) for sample in samples]
    parts: dict[str, list[tuple[Features, Measured]]] = {}
    for family, features, sample in rows:
        part = _WEIGHTED if sample.layer.weights is not None else family
        parts.setdefault(part, []).append((features, sample))
    weights: Weights = {}
    for members in parts.values():
        weights |= fit_part(members)
    return dict(sorted(weights.items())), sorted({family for family, _, _ in rows})


def fit_part(members: Sequence[tuple[Features, Measured]]) -> Weights:
    """Instructions and modelled cycles that each feature takes; those that take neither are left out."""
    names = list(dict.fromkeys(name for features, _ in members for name, value in features.items() if value))
    column = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(members), len(names)))
    for row, (features, _) in zip(table, members, strict=True):
        for name, value in features.items():
            if value:
                row[column[name]] = value
    targets = ([sample.instructions for _, sample in members], [sample.cycles for _, sample in members])
    solved = [_solve(table, np.array(target, np.float64)) for target in targets]
    pairs = zip(names, *solved, strict=True)
    return {name: [_rounded(first), _rounded(second)] for name, first, second in pairs if first > 0 or second > 0}


def _rounded(value: Any) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _solve(features: Vector, target: Vector) -> Vector:
    """Non-negative weights with the least squared relative error."""
    rows = features / (target + SMALL)[:, None]
    # Columns of one size: the solver's tolerance is absolute.
    size = np.maximum(np.abs(rows).max(axis=0), 1e-30)
    weights, _ = nnls(rows / size, target / (target + SMALL), maxiter=50 * rows.shape[1])
    return np.asarray(weights / size, np.float64)
