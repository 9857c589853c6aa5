"""What a model will cost on a core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wpconvert.model.layer import Layer
from wpconvert.plan.costs import NOTHING, Cost, CostModel, sum_of


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
