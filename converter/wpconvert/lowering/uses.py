"""Which nodes of an ONNX graph matter, and how often a value is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import onnx

ALIASES = frozenset({"Identity", "Dropout"})
"""Operators whose first output is their first input."""


def live_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that outputs depend on, in their order; with them those that have no output at all."""
    wanted = {output.name for output in graph.output}
    live = []
    for node in reversed(graph.node):
        if not node.output or any(name in wanted for name in node.output):
            live.append(node)
            wanted.update(node.input)
    return live[::-1]


class Uses:
    """How often values are read, under any of their names; who asks for a shape alone does not count."""

    def __init__(self, nodes: Sequence[onnx.NodeProto], graph: onnx.GraphProto) -> None:
        self._sources = {n.output[0]: n.input[0] for n in nodes if n.op_type in ALIASES and n.input and n.output}
        readers = (node for node in nodes if node.op_type not in ALIASES | {"Shape"})
        self._counts = Counter(self._source(name) for node in readers for name in node.input)
        self._counts.update(self._source(output.name) for output in graph.output)

    def __getitem__(self, name: str) -> int:
        return self._counts[self._source(name)]

    def _source(self, name: str) -> str:
        # As many steps as there are aliases: a malformed graph may have a circle of them.
        for _ in range(len(self._sources)):
            if name not in self._sources:
                break
            name = self._sources[name]
        return name
