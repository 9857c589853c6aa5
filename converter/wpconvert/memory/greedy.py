"""Greedy layouts: buffers are placed one after another, each into the lowest gap that is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wpconvert.memory.buffers import Buffer, Layout

_ATTEMPTS = 32


def place(buffers: Sequence[Buffer], order: Sequence[int], fixed: Mapping[int, int] | None = None) -> Layout:
    """The layout that placing buffers in this order gives; those in `fixed` (index to offset) lie there already."""
    offsets = dict(fixed or {})
    for index in order:
        buffer = buffers[index]
        offset = 0
        for start, end in sorted((at, at + buffers[i].nbytes) for i, at in offsets.items() if buffers[i].meets(buffer)):
            if start - offset >= buffer.nbytes:
                break
            offset = max(offset, end)
        offsets[index] = offset
    nbytes = max((at + buffers[i].nbytes for i, at in offsets.items()), default=0)
    return Layout(tuple(offsets[i] for i in range(len(buffers))), nbytes)


def stock(buffers: Sequence[Buffer], fixed: Mapping[int, int] | None = None) -> Layout:
    """The layout of upstream TFLM's GreedyMemoryPlanner: the largest first, of equals the last one first."""
    online = [i for i in reversed(range(len(buffers))) if i not in (fixed or {})]
    return place(buffers, sorted(online, key=lambda i: -buffers[i].nbytes), fixed)


def bundled(buffers: Sequence[Buffer]) -> Layout:
    """The layout of the bundled runtime's planner (runtime/core/planner.cc)."""
    return min(_improved(buffers, next(_orders(buffers))), key=lambda layout: layout.nbytes)


def greedy(buffers: Sequence[Buffer]) -> Layout:
    """The best of several orders, and of what moving the outermost buffer to the front of them makes of each."""
    return min((layout for order in _orders(buffers) for layout in _improved(buffers, order)), key=lambda x: x.nbytes)


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
