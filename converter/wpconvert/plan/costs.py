"""The cost model of a core: instructions and modelled cycles of an operator before anything is built.

A file for each core in the folder costs/ holds what tools/calibrate.py fitted to measurements on its board.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from wpconvert.errors import ToolError, UnsupportedError
from wpconvert.model.goal import BUNDLED, TFLM
from wpconvert.model.layer import PLAIN, Layer
from wpconvert.plan import stock
from wpconvert.plan.decoding import Features
from wpconvert.plan.features import describe

FOLDER = Path(__file__).resolve().parent / "costs"
INTERPRETER = "interpreter"
"""The feature of what the interpreter itself does for every operator."""


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


Weights = Mapping[str, tuple[float, float]]
"""Instructions and modelled cycles that each feature takes."""


def weighed(features: Features, weights: Weights) -> Cost:
    """The weighted sums; features without a weight take nothing."""
    known = [(value, weights[name]) for name, value in features.items() if name in weights]
    return Cost(sum(value * pair[0] for value, pair in known), sum(value * pair[1] for value, pair in known))


def _part(feature: str) -> str:
    """The family of a feature, or what several families do alike."""
    return feature.partition(":")[0]


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
    """What is known of one core. Families and features as `describe` names them.

    uncertainty: by how much, relative to it, the predicted ratio of a rewritten model's cycles to those of the
    unconverted one may be too low; measured on models that took no part in the calibration. in_tflm: operators that
    are not rewritten run in TFLM's kernels.
    """

    core: str
    families: frozenset[str]
    weights: Weights
    code: tuple[Code, ...]
    uncertainty: float = 0.0
    in_tflm: bool = False

    def cost(self, layer: Layer) -> Cost | None:
        """Of one operator, without the interpreter's part; None when it was not calibrated."""
        family, features = self._describe(layer)
        if not self._knows(family, features):
            return None
        return weighed(features, self.weights)

    def _knows(self, family: str, features: Features) -> bool:
        """A family that was not calibrated itself is known where all that it does is known from others."""
        others = {_part(name) for name in features} - {family}
        return others <= self._parts and (family in self.families or bool(others))

    @cached_property
    def _parts(self) -> frozenset[str]:
        return frozenset(map(_part, self.weights))

    def family(self, layer: Layer) -> str:
        """What an operator was calibrated with."""
        return self._describe(layer)[0]

    def _describe(self, layer: Layer) -> tuple[str, Features]:
        return stock.describe(layer) if self.in_tflm and stock.is_stock(layer) else describe(layer, self.core)

    def name_of(self, layer: Layer) -> str:
        """How an operator that it lacks is called."""
        if layer.weights is not None and layer.weights.method != PLAIN:
            return f"{layer.operator} with {layer.weights.method}"
        return self.family(layer)

    def interpreter(self) -> Cost:
        """What the interpreter adds for each operator."""
        return weighed({INTERPRETER: 1}, self.weights)

    def code_nbytes(self, used: Iterable[str]) -> int:
        """Flash of kernels, runtime and C library for these operators (as the file names them) and codecs."""
        names = frozenset(used)
        return sum(code.nbytes for code in self.code if code.needed(names))

    def without_code(self, used: Iterable[str]) -> list[str]:
        """Those of these names whose code is not known and counts as nothing, sorted."""
        return sorted(frozenset(used).difference(*(code.used_by for code in self.code)))


@dataclass(frozen=True)
class Prediction:
    """Of one inference: every operator in order, and the whole with the interpreter. unknown: families left out."""

    layers: tuple[Cost, ...]
    total: Cost
    unknown: tuple[str, ...]


def predict(layers: Sequence[Layer], costs: CostModel) -> Prediction:
    """The cost of a model with these operators. Those without cost data count as nothing and are named."""
    found = [costs.cost(layer) for layer in layers]
    unknown = dict.fromkeys(costs.name_of(layer) for layer, cost in zip(layers, found, strict=True) if cost is None)
    known = tuple(NOTHING if cost is None else cost for cost in found)
    total = sum_of((*known, *(costs.interpreter() for _ in known)))
    return Prediction(known, total, tuple(unknown))


def cost_path(core: str) -> Path:
    """Where the file of a core is."""
    return FOLDER / f"{core.lower()}.json"


def stock_path(core: str) -> Path:
    """Where the file of TFLM's kernels on a core is."""
    return FOLDER / f"tflm-{core.lower()}.json"


@cache
def load_costs(core: str, runtime: str = BUNDLED) -> CostModel:
    """The cost model of a core where `runtime` runs the model; our operators take the same in each.

    UnsupportedError when it was not calibrated, ToolError when the file is damaged.
    """
    if runtime != TFLM:
        return _load(cost_path(core), f"no cost model for {core}; create one with tools/calibrate.py")
    ours = load_costs(core)
    theirs = _load(stock_path(core), f"no cost model for TFLM on {core}; create one with tools/calibrate_tflm.py")
    weights = {**ours.weights, **theirs.weights}
    return replace(
        theirs, families=ours.families | theirs.families, weights=weights, uncertainty=ours.uncertainty, in_tflm=True
    )


def _load(path: Path, missing: str) -> CostModel:
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UnsupportedError(missing) from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ToolError(f"{path}: not a cost model: {error}") from error


def _read(data: dict[str, Any]) -> CostModel:
    weights = {name: (float(pair[0]), float(pair[1])) for name, pair in data["weights"].items()}
    code = tuple(Code(entry["nbytes"], frozenset(entry["used_by"])) for entry in data["code"])
    return CostModel(data["core"], frozenset(data["families"]), weights, code, data.get("uncertainty", 0.0))
