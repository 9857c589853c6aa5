"""When the activations of a model are alive, and which of them the runtime lets share memory."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.codecs.alignment import aligned
from wpconvert.errors import UnsupportedError
from wpconvert.graph.structure import Graph, Tensor
from wpconvert.memory.buffers import Buffer

VIEWS = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
"""Operators whose output has the bytes of input 0: with both at one place nothing is copied."""
IN_PLACE = frozenset(
    {"ADD", "SUB", "MUL", "LOGISTIC", "TANH", "HARD_SWISH", "QUANTIZE", "RELU", "RELU6", "LEAKY_RELU", "WP_LOOKUP"}
)
"""Operators whose output may overwrite an input 0 of as many bytes that is not read later."""


@dataclass(frozen=True)
class Activations:
    """The tensors of subgraph 0 that are computed, in the order in which they come to be.

    `tensors` are their indices, `buffers` their bytes and lifetimes in operators, all of one length. `roots` are places
    in these lists: of the activation whose memory an activation shares, or its own.
    """

    tensors: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    roots: tuple[int, ...]

    def shared(self) -> tuple[list[int], list[Buffer]]:
        """The places of the roots, and their buffers: alive as long as one that shares their memory."""
        places = sorted(set(self.roots))
        lasts = dict.fromkeys(places, 0)
        for root, buffer in zip(self.roots, self.buffers, strict=True):
            lasts[root] = max(lasts[root], buffer.last)
        return places, [Buffer(self.buffers[p].nbytes, self.buffers[p].first, lasts[p]) for p in places]


def activations(graph: Graph, in_place: bool = True) -> Activations:
    """The activations of subgraph 0. Without `in_place`, only views share memory.

    Raises UnsupportedError for tensors whose size is not fixed or that are read before they are written.
    """
    return _Walk(graph, VIEWS | (IN_PLACE if in_place else frozenset())).result()


class _Walk:
    def __init__(self, graph: Graph, sharing: frozenset[str]) -> None:
        self._graph, self._sharing = graph.main, sharing
        self._nbytes: dict[int, int] = {}
        self._first: dict[int, int] = {}
        self._last: dict[int, int] = {}

    def result(self) -> Activations:
        operators = self._graph.operators
        for tensor in self._graph.inputs:
            self._begin(tensor, 0)
        for step, operator in enumerate(operators):
            for source in operator.inputs:
                self._use(source, step)
            for tensor in operator.outputs:
                self._begin(tensor, step)
        for tensor in self._graph.outputs:
            self._use(tensor, len(operators))
        tensors = tuple(self._first)
        place = {tensor: i for i, tensor in enumerate(tensors)}
        roots = self._roots()
        buffers = tuple(Buffer(aligned(self._nbytes[t]), self._first[t], self._last[t]) for t in tensors)
        return Activations(tensors, buffers, tuple(place[roots[t]] for t in tensors))

    def _begin(self, tensor: Tensor, step: int) -> None:
        index, dtype = tensor.index, tensor.dtype.numpy
        if dtype is None or tensor.is_variable or any(dim < 1 for dim in tensor.shape) or index in self._first:
            raise UnsupportedError(f"tensor {index} has no fixed size, is a variable, or is written twice")
        self._nbytes[index] = tensor.size * dtype.itemsize
        self._first[index] = self._last[index] = step

    def _use(self, tensor: Tensor | None, step: int) -> None:
        if tensor is None or tensor.is_constant:
            return
        index = tensor.index
        if index not in self._first:
            raise UnsupportedError(f"tensor {index} is read before it is written")
        self._last[index] = step

    def _roots(self) -> dict[int, int]:
        """Of each tensor; the rules are those of the runtime (ShareBuffer in runtime/core/graph.cc)."""
        roots = {tensor: tensor for tensor in self._first}
        ends = dict(self._last)
        for step, operator in enumerate(self._graph.operators):
            source = operator.optional(0)
            if operator.kind not in self._sharing or source is None or not operator.outputs:
                continue
            x, y = source.index, operator.outputs[0].index
            if self._nbytes.get(x) != self._nbytes[y]:
                continue
            if operator.kind in VIEWS or ends[roots[x]] == step:
                roots[y] = roots[x]
                ends[roots[x]] = max(ends[roots[x]], self._last[y])
        return roots
