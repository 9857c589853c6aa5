"""Greedy layouts: buffers are placed one after another, each into the lowest gap that is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from wpconvert.memory.buffers import Buffer, Layout, peak

_ATTEMPTS = 32


def place(buffers: Sequence[Buffer], order: Sequence[int], fixed: Mapping[int, int] | None = None) -> Layout:
    """The layout that placing buffers in this order gives; those in `fixed` (index to offset) lie there already."""
    offsets = dict(fixed or {})
    meeting, sizes = _meeting(tuple(buffers)), [buffer.nbytes for buffer in buffers]
    for index in order:
        nbytes = sizes[index]
        offset = 0
        for start, end in sorted([(offsets[i], offsets[i] + sizes[i]) for i in meeting[index] if i in offsets]):
            if start - offset >= nbytes:
                break
            offset = max(offset, end)
        offsets[index] = offset
    nbytes = max((at + sizes[i] for i, at in offsets.items()), default=0)
    return Layout(tuple(offsets[i] for i in range(len(buffers))), nbytes)


@lru_cache(maxsize=8)
def _meeting(buffers: tuple[Buffer, ...]) -> list[list[int]]:
    """The buffers that each one meets, itself among them: many orders are tried of the same ones."""
    first, last = (np.array([getattr(buffer, end) for buffer in buffers]) for end in ("first", "last"))
    return [np.flatnonzero((first <= buffer.last) & (last >= buffer.first)).tolist() for buffer in buffers]


def stock(buffers: Sequence[Buffer], fixed: Mapping[int, int] | None = None) -> Layout:
    """The layout of upstream TFLM's GreedyMemoryPlanner: the largest first, of equals the last one first."""
    online = [i for i in reversed(range(len(buffers))) if i not in (fixed or {})]
    return place(buffers, sorted(online, key=lambda i: -buffers[i].nbytes), fixed)


def greedy(buffers: Sequence[Buffer]) -> Layout:
    """The best of several orders, and of what moving the outermost buffer to the front of them makes of each."""
    least = peak(buffers)
    best: Layout | None = None
    for layout in (layout for order in _orders(buffers) for layout in _improved(buffers, order)):
        if best is None or layout.nbytes < best.nbytes:
            best = layout
        if best.nbytes == least:
            break
    return best or place(buffers, [])


def _orders(buffers: Sequence[Buffer]) -> Iterator[list[int]]:
    indices = range(len(buffers))
    yield sorted(indices, key=lambda i: -buffers[i].nbytes)
    yield sorted(indices, key=lambda i: (-buffers[i].nbytes, -i))
    yield sorted(indices, key=lambda i: -buffers[i].nbytes * (buffers[i].last - buffers[i].first + 1))
    yield sorted(indices, key=lambda i: (buffers[i].first - buffers[i].last, -buffers[i].nbytes))
    yield sorted(indices, key=lambda i: (buffers[i].first, -buffers[i].nbytes))


def _improved(buffers: Sequence[Buffer], order: list[int]) -> Iterator[Layout]:
    for _ in range(_ATTEMPTS + 1):
        layout = place(buffers, order)
        yield layout
        outermost = max(order, key=lambda i: layout.offsets[i] + buffers[i].nbytes, default=None)
        if outermost is None:
            return
        order = [outermost, *(i for i in order if i != outermost)]
