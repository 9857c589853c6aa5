"""One option for each item: fewest bytes within a limit on cost, or least cost within a limit on bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Item = Sequence[tuple[int, float]]
"""The options of an item: bytes and cost of each."""

Picks = tuple[int, ...]
"""The option taken for each item."""

_STEPS = 1 << 13


def totals(items: Sequence[Item], picks: Picks) -> tuple[int, float]:
    """Bytes and cost of a solution."""
    chosen = [item[pick] for item, pick in zip(items, picks, strict=True)]
    return sum(nbytes for nbytes, _ in chosen), sum(cost for _, cost in chosen)


class Solver:
    """The least cost for every sum of bytes, by dynamic programming over sums in steps.

    Exact while the sums span at most 2^13 bytes; above, each option's bytes are rounded to a step, and what a step
    hides, single exchanges at the end find again.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        least = [min(nbytes for nbytes, _ in item) for item in items]
        span = sum(max(nbytes for nbytes, _ in item) - low for item, low in zip(items, least, strict=True))
        step = max(1, -(-span // _STEPS))
        self._steps = [[round((n - low) / step) for n, _ in item] for item, low in zip(items, least, strict=True)]
        self._least, self._step = sum(least), step
        self._best = np.zeros(1)
        self._taken: list[NDArray[np.uint8]] = []
        for item, steps in zip(items, self._steps, strict=True):
            self._add(item, steps)

    def _add(self, item: Item, steps: Sequence[int]) -> None:
        before = self._best
        best = np.full(len(before) + max(steps), np.inf)
        taken = np.zeros(len(best), np.uint8)
        for index, ((_, cost), offset) in enumerate(zip(item, steps, strict=True)):
            part = best[offset : offset + len(before)]
            costs = before + cost
            better = costs < part
            np.copyto(part, costs, where=better)
            np.copyto(taken[offset : offset + len(before)], np.uint8(index), where=better)
        self._best = best
        self._taken.append(taken)

    def _picks(self, place: int) -> Picks:
        picks = []
        for taken, steps in zip(reversed(self._taken), reversed(self._steps), strict=True):
            picks.append(int(taken[place]))
            place -= steps[picks[-1]]
        return tuple(reversed(picks))

    def smallest(self, cost: float) -> Picks | None:
        """The fewest bytes with at most this cost; None when there is no such solution."""
        places = np.flatnonzero(self._best <= cost)
        return None if len(places) == 0 else self._improved(self._picks(int(places[0])), cost)

    def cheapest(self, nbytes: float) -> Picks | None:
        """The least cost with at most this many bytes; None when there is no such solution."""
        # Rounding moves each option by half a step at most.
        room = (nbytes - self._least) / self._step + len(self._items)
        near = self._best[: max(0, int(min(room, len(self._best)) + 1))]
        order = np.argsort(near, kind="stable")
        for place in order[np.isfinite(near[order])]:
            picks = self._picks(int(place))
            if totals(self._items, picks)[0] <= nbytes:
                return picks
        return None

    def _improved(self, picks: Picks, limit: float) -> Picks:
        """Exchange options one by one while that saves bytes within the limit."""
        current = list(picks)
        cost = totals(self._items, picks)[1]
        progress = True
        while progress:
            progress = False
            for index, item in enumerate(self._items):
                nbytes, price = item[current[index]]
                for other, (fewer, dearer) in enumerate(item):
                    if (fewer, dearer) < (nbytes, price) and cost + dearer - price <= limit:
                        cost += dearer - price
                        nbytes, price, current[index] = fewer, dearer, other
                        progress = True
        return tuple(current)
