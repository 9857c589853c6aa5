"""Two benchmarks side by side."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.benchmark.result import Benchmark
from wpconvert.graph.custom.operators import BUILTIN_NAMES


@dataclass(frozen=True)
class Pair:
    """The same operator in two models: instructions before and after. `operator` is that of the model after."""

    index: int
    operator: str
    name: str
    before: int
    after: int


def layer_pairs(model: Benchmark, against: Benchmark) -> list[Pair]:
    """The operators of both models in pairs; empty unless they are the same graph but for rewritten operators."""
    first = [BUILTIN_NAMES.get(layer.operator, layer.operator) for layer in against.layers]
    second = [BUILTIN_NAMES.get(layer.operator, layer.operator) for layer in model.layers]
    if first != second:
        return []
    return [
        Pair(after.index, after.operator, after.name or before.name, before.instructions, after.instructions)
        for before, after in zip(against.layers, model.layers, strict=True)
    ]
