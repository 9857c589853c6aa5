"""Fits the cost model: non-negative weights of features, in pieces where a kernel changes its way of working."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from wpconvert.model.layer import Layer
from wpconvert.plan.features import features_of, quantities_of

LEAST_SAMPLES = 24
"""Of a piece; and a cut must lessen the squared error by a fifth to be worth it."""
WORTH = 0.8
MAX_DEPTH = 4
STEP = 0.1
QUANTILES = np.arange(1, 10) * STEP
# A layer of so few instructions need not be right to the per cent: it is not what a model's time consists of.
SMALL = 2000.0


@dataclass(frozen=True)
class Measured:
    """A layer and what it took on a board."""

    layer: Layer
    instructions: int
    cycles: int


Piece = dict[str, Any]
Limits = dict[str, tuple[float | None, float | None]]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class _Table:
    """The samples of a family as arrays, one row for each."""

    names: list[str]
    features: Vector
    quantities: dict[str, Vector]
    targets: dict[str, Vector]

    def part(self, chosen: NDArray[np.bool_]) -> _Table:
        return _Table(
            self.names,
            self.features[chosen],
            {key: values[chosen] for key, values in self.quantities.items()},
            {key: values[chosen] for key, values in self.targets.items()},
        )


def fit_family(samples: Sequence[Measured]) -> list[Piece]:
    """The pieces of one family, in the form of the cost file. They cover all layers, and overlap nowhere."""
    rows = [features_of(sample.layer) for sample in samples]
    quantities = [quantities_of(sample.layer) for sample in samples]
    names = list(rows[0])
    table = _Table(
        names,
        np.array([[row[name] for name in names] for row in rows], np.float64),
        {key: np.array([row[key] for row in quantities], np.float64) for key in quantities[0]},
        {
            "instructions": np.array([sample.instructions for sample in samples], np.float64),
            "cycles": np.array([sample.cycles for sample in samples], np.float64),
        },
    )
    return list(_pieces(table, {}, MAX_DEPTH))


def _pieces(table: _Table, limits: Limits, depth: int) -> Iterator[Piece]:
    """The table in pieces: in two at the best cut, and those again, while that is worth it."""
    cut = _best_cut(table) if depth else None
    if cut is None:
        yield _piece(table, limits)
        return
    name, value = cut
    low = table.quantities[name] < value
    first, last = limits.get(name, (None, None))
    yield from _pieces(table.part(low), limits | {name: (first, value)}, depth - 1)
    yield from _pieces(table.part(~low), limits | {name: (value, last)}, depth - 1)


def _best_cut(table: _Table) -> tuple[str, float] | None:
    """Quantity and value whose two sides, fitted apart, leave the least error; None where that is not worth it."""
    found = [cut for name in table.quantities for cut in _cuts(table, name, QUANTILES)]
    best = min(found, default=None)
    if best is None or best[0] > WORTH * _error(table):
        return None
    # Where it is exactly, within a step to both sides.
    share = float((table.quantities[best[1]] < best[2]).mean())
    near = np.linspace(max(0.0, share - STEP), min(1.0, share + STEP), 13)
    return min([best, *_cuts(table, best[1], near)])[1:]


def _cuts(table: _Table, name: str, quantiles: NDArray[np.floating[Any]]) -> Iterator[tuple[float, str, float]]:
    """Cuts at these quantiles of a quantity, each with the error that it leaves."""
    values = table.quantities[name]
    for value in dict.fromkeys(float(f"{v:.4g}") for v in np.quantile(values, quantiles)):
        low = values < value
        if min(low.sum(), (~low).sum()) >= LEAST_SAMPLES:
            yield _error(table.part(low)) + _error(table.part(~low)), name, value


def _solve(features: Vector, target: Vector) -> tuple[Vector, float]:
    """Non-negative weights with the least squared relative error, and that error."""
    rows = features / (target + SMALL)[:, None]
    # Columns of one size: the solver's tolerance is absolute.
    size = np.maximum(np.abs(rows).max(axis=0), 1e-30)
    weights, residual = nnls(rows / size, target / (target + SMALL), maxiter=50 * rows.shape[1])
    return weights / size, float(residual) ** 2


def _error(table: _Table) -> float:
    return _solve(table.features, table.targets["cycles"])[1]


def _piece(table: _Table, limits: Limits) -> Piece:
    piece: Piece = {"limits": {name: list(pair) for name, pair in limits.items()}}
    for key, target in table.targets.items():
        weights, _ = _solve(table.features, target)
        used = [(name, float(weight)) for name, weight in zip(table.names, weights, strict=True) if weight > 0]
        piece[key] = {name: float(f"{weight:.5g}") for name, weight in used}
    return piece
