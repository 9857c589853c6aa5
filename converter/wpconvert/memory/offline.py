"""The memory plan in a model: TFLM's metadata entry "OfflineMemoryAllocation" (docs/FORMAT.md, "Memory plan")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import UnsupportedError
from wpconvert.memory import exact
from wpconvert.memory.greedy import bundled, stock
from wpconvert.memory.lifetimes import activations
from wpconvert.tflite.model import TfliteModel, text
from wpconvert.tflite.schema import BufferT, MetadataT

NAME = "OfflineMemoryAllocation"
_VERSION = 1
_HEADER = 3
_ANYWHERE = -1
# Of the entry in the file beside an offset a tensor: its tables, its name, the header, and alignment.
_ENTRY_NBYTES = 112


@dataclass(frozen=True)
class MemoryPlan:
    """Offsets of the tensors of subgraph 0, int32[tensors], −1 for those that are not computed.

    `nbytes` is what the activations need so, `stock_nbytes` and `bundled_nbytes` what they need where TFLM and the
    bundled runtime plan by themselves.
    """

    offsets: NDArray[np.int32]
    nbytes: int
    stock_nbytes: int
    bundled_nbytes: int


def memory_plan(model: TfliteModel) -> MemoryPlan | None:
    """A plan for a model of whose arena it saves more bytes than it has, in TFLM or the bundled runtime; else None.

    None too for a model that has a plan already, and for one of several subgraphs, whose plans TFLM's versions read
    differently. Only views share memory: TFLM does not say of other operators that they may work in place.
    """
    if len(model.root.subgraphs) != 1 or find(model) is not None:
        return None
    try:
        alive = activations(model, in_place=False)
    except UnsupportedError:
        return None
    places, buffers = alive.shared()
    layout = exact.plan(buffers)
    at = dict(zip(places, layout.offsets, strict=True))
    offsets = np.full(len(model.root.subgraphs[0].tensors), _ANYWHERE, np.int32)
    for tensor, root in zip(alive.tensors, alive.roots, strict=True):
        offsets[tensor] = at[root]
    plan = MemoryPlan(
        offsets, layout.nbytes, stock(alive.buffers).nbytes, bundled(activations(model).shared()[1]).nbytes
    )
    saved = max(plan.stock_nbytes, plan.bundled_nbytes) - plan.nbytes
    return plan if saved > _ENTRY_NBYTES + offsets.nbytes else None


def write(model: TfliteModel, plan: MemoryPlan) -> None:
    """Add the entry, in place."""
    entry = MetadataT()
    entry.name = NAME
    entry.buffer = len(model.root.buffers)
    model.root.buffers.append(BufferT(data=_packed(0, plan.offsets)))
    model.root.metadata = [*(model.root.metadata or []), entry]


def find(model: TfliteModel) -> Any | None:
    """The metadata entry, None when there is none."""
    return next((entry for entry in model.root.metadata or [] if text(entry.name) == NAME), None)


def fit(model: TfliteModel) -> None:
    """Make an existing plan count the tensors that the model has now, in place: TFLM refuses any other number.

    Tensors come and go at the end of the list only, and are constants.
    """
    entry = find(model)
    data = None if entry is None else model.root.buffers[entry.buffer].data
    if data is None or len(model.root.subgraphs) != 1 or len(data) % 4 or len(data) < 4 * _HEADER:
        return
    words = np.asarray(data, np.uint8).view("<i4")
    if words[2] != len(words) - _HEADER:
        return
    count = len(model.root.subgraphs[0].tensors)
    offsets = np.full(count, _ANYWHERE, np.int32)
    offsets[: len(words) - _HEADER] = words[_HEADER : _HEADER + count]
    assert entry is not None
    model.root.buffers[entry.buffer].data = _packed(int(words[1]), offsets, int(words[0]))


def _packed(subgraph: int, offsets: NDArray[np.int32], version: int = _VERSION) -> NDArray[np.uint8]:
    header = np.array([version, subgraph, len(offsets)], "<i4")
    return np.concatenate([header, offsets.astype("<i4")]).view(np.uint8)
