"""The smallest layout, by branch and bound."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from wpconvert.codecs.alignment import ALIGNMENT
from wpconvert.memory.buffers import Buffer, Layout, peak
from wpconvert.memory.greedy import greedy

MAX_BUFFERS = 200
MAX_NODES = 100_000


def plan(buffers: Sequence[Buffer], max_nodes: int = MAX_NODES) -> Layout:
    """The smallest layout that greedy orders and a search of at most `max_nodes` nodes find."""
    return _plan(tuple(buffers), max_nodes)


# Cores that need the same scratch have the same buffers, and so have the files that a planner tries.
@lru_cache(maxsize=16)
def _plan(buffers: tuple[Buffer, ...], max_nodes: int) -> Layout:
    best = greedy(buffers)
    floor = peak(buffers)
    if best.nbytes == floor or len(buffers) > MAX_BUFFERS:
        return best
    return _Search(buffers, best, floor, max_nodes).run()


class _Search:
    """Places buffers by rising offset, each on what is below it; equal offsets by rising index.

    Every layout whose buffers have sunk as far as they can is met once, so the smallest is among them.
    """

    def __init__(self, buffers: Sequence[Buffer], best: Layout, floor: int, max_nodes: int) -> None:
        # Steps at which a buffer begins: in between nothing new can overlap.
        starts = sorted({buffer.first for buffer in buffers})
        self._spans = [[t for t, step in enumerate(starts) if b.first <= step <= b.last] for b in buffers]
        self._sizes = [buffer.nbytes for buffer in buffers]
        self._best, self._floor, self._left = best, floor, max_nodes
        self._tops = [0] * len(starts)
        self._pending = [sum(b.nbytes for b in buffers if b.first <= step <= b.last) for step in starts]
        self._offsets = [-1] * len(buffers)

    def run(self) -> Layout:
        self._visit(0, -1)
        return self._best

    def _visit(self, lowest: int, last: int) -> None:
        self._left -= 1
        waiting = [i for i, offset in enumerate(self._offsets) if offset < 0]
        if not waiting:
            self._best = Layout(tuple(self._offsets), max(self._tops))
            return
        offsets = {i: max(self._tops[t] for t in self._spans[i]) for i in waiting}
        # What starts above where a waiting buffer would end leaves a gap that it fills: it goes first.
        ceiling = min(max(offsets[i], lowest) + self._sizes[i] for i in waiting)
        for i in sorted(waiting, key=lambda i: (max(offsets[i], lowest), -self._sizes[i])):
            offset = max(offsets[i], lowest)
            if offset >= ceiling or self._left <= 0 or self._best.nbytes == self._floor:
                return
            if offset > offsets[i] or (offset == lowest and i < last):
                continue  # it would hang in the air, or was tried in the other order
            self._try(i, offset)

    def _try(self, i: int, offset: int) -> None:
        tops = [self._tops[t] for t in self._spans[i]]
        for t in self._spans[i]:
            self._tops[t] = offset + self._sizes[i]
            self._pending[t] -= self._sizes[i]
        self._offsets[i] = offset
        bound = max(top + pending for top, pending in zip(self._tops, self._pending, strict=True))
        if bound <= self._best.nbytes - ALIGNMENT:
            self._visit(offset, i)
        self._offsets[i] = -1
        for t, top in zip(self._spans[i], tops, strict=True):
            self._tops[t] = top
            self._pending[t] += self._sizes[i]
