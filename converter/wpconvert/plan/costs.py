"""The cost model of a core: instructions and modelled cycles of an operator before anything is built.

A file for each core in the folder costs/ holds what tools/calibrate.py fitted to measurements on its board.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wpconvert.errors import ToolError, UnsupportedError
from wpconvert.model.layer import PLAIN, Layer
from wpconvert.model.pooling import POOL
from wpconvert.plan.features import Features, family_of, features_of, quantities_of

FOLDER = Path(__file__).resolve().parent / "costs"
INTERPRETER = "interpreter"
"""The family of what the interpreter itself does for every operator."""


@dataclass(frozen=True)
class Cost:
    """Of one inference, or of a part of it."""

    instructions: float
    cycles: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.instructions - other.instructions, self.cycles - other.cycles)


NOTHING = Cost(0, 0)


def sum_of(costs: Iterable[Cost | None]) -> Cost:
    """Together; None, an unknown cost, counts as nothing."""
    total = NOTHING
    for cost in costs:
        total += cost or NOTHING
    return total


@dataclass(frozen=True)
class Piece:
    """The costs of a family as weights of features, where each quantity named in `limits` lies in [first, last)."""

    limits: Mapping[str, tuple[float, float]]
    instructions: Mapping[str, float]
    cycles: Mapping[str, float]

    def holds(self, quantities: Mapping[str, float]) -> bool:
        """Whether it is for a layer with these quantities."""
        return all(first <= quantities[name] < last for name, (first, last) in self.limits.items())

    def cost(self, features: Features) -> Cost:
        """The weighted sums."""
        sums = (
            sum(weight * features[name] for name, weight in part.items()) for part in (self.instructions, self.cycles)
        )
        return Cost(*sums)


@dataclass(frozen=True)
class Code:
    """Bytes of code that are linked when a model uses one of `used_by`: operators and codecs; always when empty."""

    nbytes: int
    used_by: frozenset[str]

    def needed(self, names: frozenset[str]) -> bool:
        """Whether a model with these operators and codecs links it."""
        return not self.used_by or not self.used_by.isdisjoint(names)


@dataclass(frozen=True)
class CostModel:
    """What is known of one core. Families as `family_of` names them.

    uncertainty: by how much, relative to it, the predicted ratio of a rewritten model's cycles to those of the
    unconverted one may be too low; measured on models that took no part in the calibration.
    """

    core: str
    families: Mapping[str, tuple[Piece, ...]]
    code: tuple[Code, ...]
    uncertainty: float = 0.0

    def cost(self, layer: Layer) -> Cost | None:
        """Of one operator, without the interpreter's part; None when an operator without blob was not calibrated.

        None too for pooled weights: how long those take is not known. Raises ToolError for a blob of another codec that
        was not: nothing can be planned with it.
        """
        pieces = self.families.get(family_of(layer))
        if pieces is None:
            if layer.weights is not None and layer.weights.method not in (PLAIN, POOL):
                raise ToolError(
                    f"the cost model of {self.core} lacks {layer.operator} with {layer.weights.method}: "
                    "make it anew with tools/calibrate.py"
                )
            return None
        quantities = quantities_of(layer)
        # The pieces of a family cover everything.
        return next(piece for piece in pieces if piece.holds(quantities)).cost(features_of(layer))

    def interpreter(self) -> Cost:
        """What the interpreter adds for each operator."""
        return self.families[INTERPRETER][0].cost({"once": 1})

    def code_nbytes(self, used: Iterable[str]) -> int:
        """Flash of kernels, runtime and C library for these operators (as the file names them) and codecs."""
        names = frozenset(used)
        return sum(code.nbytes for code in self.code if code.needed(names))


def cost_path(core: str) -> Path:
    """Where the file of a core is."""
    return FOLDER / f"{core.lower()}.json"


@cache
def load_costs(core: str) -> CostModel:
    """The cost model of a core. UnsupportedError when it was not calibrated, ToolError when the file is damaged."""
    path = cost_path(core)
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UnsupportedError(f"no cost model of {core}: tools/calibrate.py makes one") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{path}: not a cost model: {error}") from error


def _read(data: dict[str, Any]) -> CostModel:
    families = {
        name: tuple(
            Piece({key: _limits(pair) for key, pair in p["limits"].items()}, p["instructions"], p["cycles"])
            for p in pieces
        )
        for name, pieces in data["families"].items()
    }
    code = tuple(Code(entry["nbytes"], frozenset(entry["used_by"])) for entry in data["code"])
    return CostModel(data["core"], families, code, data.get("uncertainty", 0.0))


def _limits(limits: list[float | None]) -> tuple[float, float]:
    first, last = limits
    return 0.0 if first is None else first, float("inf") if last is None else last
