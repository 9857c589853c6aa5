"""Fits the cost model: non-negative weights of features, in pieces where a kernel changes its way of working."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from wpconvert.plan.costs import density_of
from wpconvert.plan.features import features_of
from wpconvert.model.layer import PLAIN, Layer

PIXEL_CUTS = (2, 3, 4, 5, 8)
DENSITY_CUTS = tuple(round(0.2 + 0.05 * n, 2) for n in range(13))
LEAST_SAMPLES = 12
"""Of a piece; and a cut must lessen the squared error of its family by a fifth to be worth it."""
WORTH = 0.8
# A layer of so few instructions need not be right to the per cent: it is not what a model's time consists of.
SMALL = 2000.0
INF = float("inf")


@dataclass(frozen=True)
class Measured:
    """A layer and what it took on a board."""

    layer: Layer
    instructions: int
    cycles: int


Piece = dict[str, Any]


@dataclass(frozen=True)
class _Table:
    """The samples of a family as arrays; errors are relative, so rows are divided by their target."""

    names: list[str]
    features: NDArray[np.float64]
    pixels: NDArray[np.float64]
    density: NDArray[np.float64]
    targets: dict[str, NDArray[np.float64]]

    def part(self, chosen: NDArray[np.bool_]) -> _Table:
        return _Table(
            self.names,
            self.features[chosen],
            self.pixels[chosen],
            self.density[chosen],
            {key: values[chosen] for key, values in self.targets.items()},
        )


def fit_family(samples: Sequence[Measured]) -> list[Piece]:
    """The pieces of one family, in the form of the cost file. They cover all pixels and densities."""
    rows = [features_of(sample.layer) for sample in samples]
    names = list(rows[0])
    table = _Table(
        names,
        np.array([[row[name] for name in names] for row in rows]),
        np.array([sample.layer.pixels for sample in samples], np.float64),
        np.array([density_of(sample.layer) for sample in samples]),
        {
            "instructions": np.array([sample.instructions for sample in samples], np.float64),
            "cycles": np.array([sample.cycles for sample in samples], np.float64),
        },
    )
    weights = samples[0].layer.weights
    by_density = weights is not None and weights.method not in (PLAIN, "dense")
    pieces = []
    for pixels, part in _cut(table, "pixels", PIXEL_CUTS if weights is not None else ()):
        for density, leaf in _cut(part, "density", DENSITY_CUTS if by_density else ()):
            pieces.append(_piece(leaf, pixels, density))
    return pieces


def _cut(table: _Table, key: str, cuts: Sequence[float]) -> Iterator[tuple[tuple[float, float], _Table]]:
    """The table in two where that is worth it, else whole."""
    values = getattr(table, key)
    whole = _error(table)
    found = []
    for cut in cuts:
        low = values < cut
        if min(low.sum(), (~low).sum()) >= LEAST_SAMPLES:
            found.append((_error(table.part(low)) + _error(table.part(~low)), cut))
    best = min(found, default=(whole, None))
    limits = [-INF, INF] if best[1] is None or best[0] > WORTH * whole else [-INF, best[1], INF]
    for first, last in pairwise(limits):
        yield (first, last), table.part((values >= first) & (values < last))


def _solve(features: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Non-negative weights with the least squared relative error, and that error."""
    rows = features / (target + SMALL)[:, None]
    # Columns of one size: the solver's tolerance is absolute.
    size = np.maximum(np.abs(rows).max(axis=0), 1e-30)
    weights, residual = nnls(rows / size, target / (target + SMALL), maxiter=50 * rows.shape[1])
    return weights / size, float(residual) ** 2


def _error(table: _Table) -> float:
    return _solve(table.features, table.targets["cycles"])[1]


def _piece(table: _Table, pixels: tuple[float, float], density: tuple[float, float]) -> Piece:
    def limits(pair: tuple[float, float]) -> list[float | None]:
        return [None if abs(value) == INF else value for value in pair]

    piece: Piece = {"pixels": limits(pixels), "density": limits(density)}
    for key, target in table.targets.items():
        weights, _ = _solve(table.features, target)
        used = [(name, float(weight)) for name, weight in zip(table.names, weights, strict=True) if weight > 0]
        piece[key] = {name: float(f"{weight:.5g}") for name, weight in used}
    return piece
