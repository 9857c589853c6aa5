"""The memory plan in a model: TFLM's metadata entry "OfflineMemoryAllocation" (docs/FORMAT.md, "Memory plan")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import UnsupportedError
from wpconvert.graph.structure import Graph
from wpconvert.memory import exact
from wpconvert.memory.buffers import Buffer
from wpconvert.memory.greedy import stock
from wpconvert.memory.lifetimes import activations
from wpconvert.memory.tflm import Scratch, scratch_of

NAME = "OfflineMemoryAllocation"
_VERSION = 1
_HEADER = 3
_ANYWHERE = -1
# Of the entry in the file beside an offset a tensor: its tables, its name, the header, and alignment.
_ENTRY_NBYTES = 112


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets of the tensors of subgraph 0, int32[tensors], −1 for those that are not computed.

    What activations and scratch need, in bytes on the core that needs most, with the plan and without it: in TFLM, and
    in the bundled runtime, which takes no plan that needs more than its own.
    """

    offsets: NDArray[np.int32]
    tflm_nbytes: int
    tflm_before: int
    bundled_nbytes: int
    bundled_before: int


def memory_plan(graph: Graph, written: Callable[[], bytes], core: str | None = None) -> MemoryPlan | None:
    """A plan for a model of whose arena it saves more bytes than it has, in TFLM or the bundled runtime; else None.

    written: gives the model's file.

    For one core, or all that there are kernels for; where TFLM needs more on any of these, there is no plan.
    None too for a model that has a plan already, for one of several subgraphs, whose plans TFLM's versions read
    differently, and where not all scratch is known. Only views share memory: TFLM does not say of other operators that
    they may work in place.
    """
    if len(graph.subgraphs) != 1 or NAME in graph.metadata:
        return None
    try:
        alive = activations(graph, in_place=False)
        scratch = scratch_of(graph, written())
    except UnsupportedError:
        return None
    on = [found for name, found in scratch.items() if core in (None, name)]
    places, buffers = alive.shared()
    before = [stock([*alive.buffers, *found.tflm]).nbytes for found in on]
    layouts = [exact.plan([*buffers, *requests]).offsets[: len(buffers)] for requests in _candidates(on)]
    needs = [[stock([*buffers, *found.tflm], dict(enumerate(at))).nbytes for found in on] for at in layouts]
    after, fixed = min(zip(needs, layouts, strict=True), key=lambda each: max(each[0]))
    if any(new > old for new, old in zip(after, before, strict=True)):
        return None
    offsets = np.full(len(graph.main.tensors), _ANYWHERE, np.int32)
    at = dict(zip(places, fixed, strict=True))
    for tensor, root in zip(alive.tensors, alive.roots, strict=True):
        offsets[tensor] = at[root]
    plan = MemoryPlan(
        offsets,
        max(after),
        max(before),
        max(
            min(found.bundled_nbytes, stock([*buffers, *found.bundled], dict(enumerate(fixed))).nbytes) for found in on
        ),
        max(found.bundled_nbytes for found in on),
    )
    saved = max(plan.tflm_before - plan.tflm_nbytes, plan.bundled_before - plan.bundled_nbytes)
    return plan if saved > _ENTRY_NBYTES + offsets.nbytes else None


def _candidates(on: Sequence[Scratch]) -> list[tuple[Buffer, ...]]:
    """Scratch to leave room for: that of each core, and the most on any."""
    every = [found.tflm for found in on]
    return every if len(every) == 1 else [*every, tuple(_most(every))]


def _most(requests: Sequence[Sequence[Buffer]]) -> list[Buffer]:
    """For each operator, the requests of the core on which it asks for most."""
    steps = {buffer.first for buffers in requests for buffer in buffers}
    found: list[Buffer] = []
    for step in sorted(steps):
        by_core = [[buffer for buffer in buffers if buffer.first == step] for buffers in requests]
        found += max(by_core, key=lambda buffers: sum(buffer.nbytes for buffer in buffers))
    return found


def offsets_of(graph: Graph) -> NDArray[np.int32] | None:
    """The offsets of a plan for the tensors of subgraph 0, int32[tensors]; None where there is no such plan."""
    found = words_of(graph.metadata.get(NAME))
    return None if found is None or len(found) - _HEADER != len(graph.main.tensors) else found[_HEADER:]


def words_of(entry: NDArray[np.uint8] | None) -> NDArray[np.int32] | None:
    """The words of an entry, uint8[nbytes]; None where there is none and where it is malformed."""
    if entry is None or len(entry) % 4 or len(entry) < 4 * _HEADER:
        return None
    words: NDArray[np.int32] = entry.view("<i4")
    return words if words[2] == len(words) - _HEADER else None


def packed(offsets: NDArray[np.int32], subgraph: int = 0, version: int = _VERSION) -> NDArray[np.uint8]:
    """The bytes of the entry with these offsets, int32[tensors]."""
    header = np.array([version, subgraph, len(offsets)], "<i4")
    return np.concatenate([header, offsets.astype("<i4")]).view(np.uint8)


def fitted(words: NDArray[np.int32], count: int) -> NDArray[np.uint8]:
    """The bytes of an entry with these words that counts so many tensors: TFLM refuses any other number.

    Tensors come and go at the end of the list only, and are constants.
    """
    offsets = np.full(count, _ANYWHERE, np.int32)
    offsets[: len(words) - _HEADER] = words[_HEADER : _HEADER + count]
    return packed(offsets, int(words[1]), int(words[0]))
