"""Recorded numbers of TFLM with CMSIS-NN on the dense networks, and the shapes of their layers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from tools.benchmark.numbers import TOOLS
from tools.pool_bench.measure import TYPICAL_SIZE
from tools.pool_bench.networks import NETWORKS
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.model import shape_of, text

STOCK: dict[str, Any] = json.loads((TOOLS / "stock_pool.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Stock:
    """A network on a board. layers: instructions by the name of a layer's output."""

    instructions: int
    modelled_cycles: int
    arena_nbytes: int
    layers: dict[str, int]


def stock_of(network: str, board: str) -> Stock:
    """The recorded numbers."""
    entry: dict[str, Any] = STOCK["networks"][network]
    column = STOCK["targets"].index(board)
    layers = {name: counts[column] for _, name, counts, _ in entry["layers"]}
    return Stock(entry["instructions"][column], entry["modelled_cycles"][column], entry["arena_nbytes"][column], layers)


@cache
def shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Of each convolution, by the name of its output: filters, kernel height and width, input channels, then height and
    width of the output.
    """
    model = parse(NETWORKS[network](TYPICAL_SIZE))
    graph = model.root.subgraphs[0]
    found = {}
    for operator in graph.operators:
        if model.operator_name(operator) == "CONV_2D":
            output = graph.tensors[operator.outputs[0]]
            weights = shape_of(graph.tensors[operator.inputs[1]])
            found[text(output.name)] = (*weights, *shape_of(output)[1:3])
    return found
