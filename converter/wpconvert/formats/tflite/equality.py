"""Whether two dense models have the same operators and constants."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.graph.arithmetic import rounding_shift_right
from wpconvert.graph.custom.rewritable import BIAS_INPUT


def weights_equal(
    original: TfliteModel,
    rewritten: TfliteModel,
    lossy: Collection[tuple[int, int]],
    units: Mapping[tuple[int, int], int],
) -> bool:
    """Whether every constant that an operator reads is the same in two dense models, but of those that are lossy.

    Biases of operators that have a unit, a power of two by its logarithm, need to be the same in that unit.
    """
    dense = (original, rewritten)
    if len(dense[0].root.subgraphs) != len(dense[1].root.subgraphs):
        return False
    for s, graphs in enumerate(zip(dense[0].root.subgraphs, dense[1].root.subgraphs, strict=True)):
        operators = [graph.operators or [] for graph in graphs]
        if len(operators[0]) != len(operators[1]):
            return False
        for index, pair in enumerate(zip(*operators, strict=True)):
            before, after = (
                _constants(model, graph, operator) for model, graph, operator in zip(dense, graphs, pair, strict=True)
            )
            same = (s, index) in lossy or _same(before, after, units.get((s, index), 0))
            if not same or dense[0].operator_name(pair[0]) != dense[1].operator_name(pair[1]):
                return False
    return True


def _constants(model: TfliteModel, graph: Any, operator: Any) -> list[NDArray[np.uint8] | None]:
    inputs = [int(index) for index in operator.inputs]
    # A trailing −1 is an absent input, the same as none.
    while inputs and inputs[-1] < 0:
        inputs.pop()
    return [None if index < 0 else model.buffer(graph.tensors[index]) for index in inputs]


def _same(first: Sequence[NDArray[np.uint8] | None], second: Sequence[NDArray[np.uint8] | None], unit: int) -> bool:
    if len(first) != len(second):
        return False
    for position, (a, b) in enumerate(zip(first, second, strict=True)):
        if a is None or b is None:
            if a is not b:
                return False
        elif unit and position == BIAS_INPUT and a.size == b.size:
            x, y = (rounding_shift_right(each.view(np.int32).astype(np.int64), unit) for each in (a, b))
            if not np.array_equal(x, y):
                return False
        elif not np.array_equal(a, b):
            return False
    return True
