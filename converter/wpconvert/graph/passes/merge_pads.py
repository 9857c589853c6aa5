"""Moves padding into the operators that read it, where SAME describes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from wpconvert.graph.attributes import SAME, VALID, Convolution, Pool2DOptions
from wpconvert.graph.structure import Graph, Operator, Subgraph, Tensor
from wpconvert.graph.types import INT8
from wpconvert.graph.windows import is_same

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_INT8_LOWEST = -128

_Sides = list[tuple[int, int]]
"""Elements before and after each axis of an image [batch, height, width, channels]."""


def merge_pads(graph: Graph) -> tuple[Graph, bool]:
    """Merge paddings of height and width that one operator alone reads; in place.

    Requires: a graph that the reference interpreter runs.
    Ensures: no VALID convolution reads a PAD, and no VALID maximum a PADV2 with the lowest value, whose padding is that
    of SAME; no VALID convolution reads a PAD of a PAD, except where the outer one shares its table. What was merged is
    read by nothing and still there: `drop_unread` removes it.
    """
    changed = [merged for subgraph in graph.subgraphs for merged in _Merger(subgraph).run()]
    return graph, any(changed)


class _Merger:
    """Merges the paddings of one subgraph."""

    def __init__(self, subgraph: Subgraph) -> None:
        self._operators = subgraph.operators
        self._makers = {tensor: operator for operator in subgraph.operators for tensor in operator.outputs}
        self._reads = Counter(tensor for operator in subgraph.operators for tensor in operator.inputs_given())
        self._reads.update(subgraph.outputs)

    def run(self) -> list[bool]:
        """For each operator, whether there was something to merge."""
        return [self._merged(operator) for operator in self._operators]

    def _merged(self, operator: Operator) -> bool:
        attributes = operator.attributes
        if operator.kind in _CONVOLUTIONS and isinstance(attributes, Convolution):
            window, dilation = operator.tensor(1).shape[1:3], attributes.dilation
        elif operator.kind == "MAX_POOL_2D" and isinstance(attributes, Pool2DOptions):
            window, dilation = attributes.window, (1, 1)
        else:
            return False
        pad, changed = self._pad(operator), False
        if attributes.padding != VALID or pad is None:
            return False
        while operator.kind in _CONVOLUTIONS and (inner := self._pad(pad, operator.kind)) is not None:
            if self._reads[pad.tensor(1)] != 1:
                break
            _set_sides(pad, [(a + c, b + d) for (a, b), (c, d) in zip(_sides(pad), _sides(inner), strict=True)])
            _set_source(pad, inner.tensor(0))
            changed = True
        source, sides = pad.tensor(0), _sides(pad)
        fits = (
            is_same(source.shape[1 + i], sides[1 + i], operator.outputs[0].shape[1 + i], window[i], stride, dilation[i])
            for i, stride in enumerate(attributes.stride)
        )
        if not all(fits):
            return changed
        _set_source(operator, source)
        operator.attributes = replace(attributes, padding=SAME)
        return True

    def _pad(self, reader: Operator, kind: str | None = None) -> Operator | None:
        """What pads an operator's image, for a reader of that kind, its own by default; None where it must stay."""
        pad = self._makers.get(reader.tensor(0))
        wanted = "PADV2" if (kind or reader.kind) == "MAX_POOL_2D" else "PAD"
        if pad is None or pad.kind != wanted or self._reads[pad.outputs[0]] != 1 or not _keeps_scale(pad):
            return None
        if wanted == "PADV2" and not _fills_with_lowest(pad):
            return None
        sides = _sides(pad)
        return pad if len(sides) == 4 and sides[0] == sides[3] == (0, 0) else None


def _sides(pad: Operator) -> _Sides:
    """Empty where they are computed at run time."""
    table = pad.tensor(1).constant()
    return [] if table is None else [(int(before), int(after)) for before, after in table.reshape(-1, 2)]


def _set_sides(pad: Operator, sides: _Sides) -> None:
    table = pad.tensor(1)
    table.data = np.array(sides, table.dtype.numpy).reshape(-1).view(np.uint8)


def _set_source(operator: Operator, source: Tensor) -> None:
    operator.inputs = (source, *operator.inputs[1:])


def _keeps_scale(pad: Operator) -> bool:
    one, other = pad.tensor(0).quantization, pad.outputs[0].quantization
    if one is None or other is None:
        return one is other
    return np.array_equal(one.scales, other.scales) and np.array_equal(one.zero_points, other.zero_points)


def _fills_with_lowest(pad: Operator) -> bool:
    value = pad.tensor(2).constant() if pad.outputs[0].dtype is INT8 else None
    return value is not None and bool((value == _INT8_LOWEST).all())
