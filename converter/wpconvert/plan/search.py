"""One option for each item where code counts too: what a name brings is linked once, however many options need it.

Every set of names that may be linked is a problem of its own, in which code is a constant. A lower bound of each, by
Lagrangian relaxation of its limit, tells which of them can hold the best plan; only those are solved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.plan.costs import Code
from wpconvert.plan.relaxed import INF, Floats, Relaxed
from wpconvert.plan.solver import Picks, Solver

ROUNDING = 1e-9
_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of cycles, against instructions, in the one cost that a solver limits, until both keep to their limits."""
_BOUND_SHARES = (1.0, 0.0)
_PRICES = 24


@dataclass(frozen=True)
class Candidate:
    """An option in numbers: bytes, cycles and instructions as shares of the dense model's, and names to link."""

    nbytes: int
    cycles: float
    instructions: float
    code: frozenset[str]

    def mix(self, share: float) -> float:
        """Cycles and instructions as one cost."""
        return share * self.cycles + (1 - share) * self.instructions


@dataclass(frozen=True)
class Limits:
    """The most cycles and instructions of all items together, as shares of the dense model's."""

    cycles: float
    instructions: float

    def mix(self, share: float) -> float:
        """The limit of the same mix of costs."""
        return INF if self.cycles == INF else share * self.cycles + (1 - share) * self.instructions

    def hold(self, chosen: Sequence[Candidate]) -> bool:
        """Whether these candidates keep to them."""
        return (
            sum(c.cycles for c in chosen) <= self.cycles + ROUNDING
            and sum(c.instructions for c in chosen) <= self.instructions + ROUNDING
        )


class _Group:
    """Items whose options need the same names: what a set of names leaves of one, it leaves of all."""

    def __init__(self, rows: Sequence[int], masks: Sequence[int], sets: NDArray[np.int64]) -> None:
        self._rows, self._width = np.asarray(rows), len(masks)
        inside = _inside(np.asarray(masks), sets[:, None])
        # A number for each pattern: sorting numbers is quicker than sorting rows.
        numbers = inside @ (np.int64(1) << np.arange(len(masks), dtype=np.int64))
        _, first, self._inverse = np.unique(numbers, return_index=True, return_inverse=True)
        self._patterns = inside[first].T[:, :, None]

    def sums(self, values: Floats) -> Floats:
        """For each set of names the least sum of values."""
        own = values[self._rows, : self._width].T[:, None, :]
        least = np.where(self._patterns, own, INF).min(axis=0).sum(axis=1)
        return np.asarray(least[self._inverse], np.float64)


class Search:
    """Plans over items of candidates. `charges`: bytes by names; `always`: names that are linked in any case."""

    def __init__(
        self, items: Sequence[Sequence[Candidate]], charges: Sequence[Code], always: frozenset[str] = frozenset()
    ) -> None:
        self._items, self._charges = items, charges
        self._fixed = always.union(*(frozenset.intersection(*(c.code for c in item)) for item in items))
        free = sorted(frozenset[str]().union(*(c.code for item in items for c in item)) - self._fixed)
        bits = {name: 1 << index for index, name in enumerate(free)}
        self._masks = [[sum(bits.get(name, 0) for name in c.code) for c in item] for item in items]
        groups: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, masks in enumerate(self._masks):
            groups[tuple(masks)].append(row)
        self._sets = np.arange(1 << len(free), dtype=np.int64)
        for group in groups:
            self._sets = self._sets[_inside(np.asarray(group), self._sets[:, None]).any(axis=1)]
        self._groups = [_Group(rows, masks, self._sets) for masks, rows in groups.items()]
        self._code = np.zeros(len(self._sets))
        for charge in charges:
            mask = sum(bits.get(name, 0) for name in charge.used_by)
            self._code += charge.nbytes * (charge.needed(self._fixed) | ((self._sets & mask) != 0))
        shape = (len(items), max((len(item) for item in items), default=1))
        self._nbytes, self._cycles, self._instructions = np.full(shape, INF), np.zeros(shape), np.zeros(shape)
        self._needed = np.full(shape, -1, np.int64)
        # Most sets of names leave the same of an item.
        self._unbeaten: dict[tuple[int, tuple[bool, ...]], list[tuple[int, Candidate]]] = {}
        for row, item in enumerate(items):
            self._nbytes[row, : len(item)] = [c.nbytes for c in item]
            self._cycles[row, : len(item)] = [c.cycles for c in item]
            self._instructions[row, : len(item)] = [c.instructions for c in item]
            self._needed[row, : len(item)] = self._masks[row]
        span = sum(max(c.nbytes for c in item) for item in items)
        # What the dense model's time may be worth, in bytes: from next to nothing to more than all weights.
        self._prices = [float(price) for price in np.geomspace(1e-3 * max(1, span), 1e4 * max(1, span), _PRICES)]

    def smallest(self, limits: Limits, price: float = 0.0, *, linked: bool = True, room: float = INF) -> Picks | None:
        """The fewest bytes of options and code within the limits; None when there is no such plan.

        price: bytes that the dense model's cycles are worth, so that time is spent only where that many are saved.
        linked: whether code counts. room: most bytes with code, whether it counts or not. With a price, a set of names
        whose best plan takes more is left out, though another one of its plans might fit.
        """
        values = self._nbytes + price * self._cycles
        code = self._code if linked else np.zeros(len(self._code))
        nothing = np.zeros(len(code))
        if limits.cycles < INF:
            prices = [0.0, *self._prices]
            relaxed = [
                Relaxed(values, self._mixed(share), code, nothing + limits.mix(share)) for share in _BOUND_SHARES
            ]
        else:
            prices, relaxed = [0.0], [Relaxed(values, np.zeros_like(values), code, nothing)]

        def solve(index: int) -> tuple[float, Picks] | None:
            picks = self._within(index, limits, price)
            if picks is None:
                return None
            nbytes, own = sum(c.nbytes for c in self._chosen(picks)), self.code_nbytes(picks)
            if nbytes + own > room:
                return None
            return nbytes + price * sum(c.cycles for c in self._chosen(picks)) + (own if linked else 0), picks

        bounds = self._bounds(relaxed, prices)
        if price == 0:
            bounds[bounds - code + self._code > room] = INF
        return self._first(bounds, relaxed, prices, solve)

    def least(self, price: float = 0.0) -> Picks:
        """The same without limits: there is always such a plan, at worst one that links every name."""
        found = self.smallest(Limits(INF, INF), price)
        return self._best(self._left(len(self._sets) - 1), price) if found is None else found

    def cheapest(self, room: float) -> Picks | None:
        """The fewest cycles with at most `room` bytes of options and code; None when there is no such plan."""
        prices = [1 / price for price in reversed(self._prices)]
        relaxed = [Relaxed(self._cycles, self._nbytes, np.zeros(len(self._code)), room - self._code)]

        def solve(index: int) -> tuple[float, Picks] | None:
            left = self._left(index)
            solver = Solver([[(c.nbytes, c.cycles) for _, c in item] for item in left])
            found = solver.cheapest(room - self._code[index])
            if found is None:
                return None
            picks = _named(left, found)
            return sum(c.cycles for c in self._chosen(picks)), picks

        bounds = self._bounds(relaxed, prices)
        bounds[self._sums(self._nbytes) + self._code > room] = INF
        return self._first(bounds, relaxed, prices, solve)

    def front(self, *, linked: bool) -> list[Picks]:
        """Plans that are best where time has a price, the smallest first, at growing prices."""
        found: dict[Picks, None] = {}
        for price in (0.0, *self._prices, 1e3 * self._prices[-1]):
            values = self._nbytes + price * self._cycles
            index = int(np.argmin(self._sums(values) + (self._code if linked else 0.0)))
            found[self._best(self._left(index), price)] = None
        return list(found)

    def code_nbytes(self, picks: Picks) -> int:
        """Bytes of what these options need, and of what is linked in any case."""
        names = self._fixed.union(*(c.code for c in self._chosen(picks)))
        return sum(charge.nbytes for charge in self._charges if charge.needed(names))

    def _chosen(self, picks: Picks) -> list[Candidate]:
        return [item[pick] for item, pick in zip(self._items, picks, strict=True)]

    def _mixed(self, share: float) -> Floats:
        """Cycles and instructions of all options as one cost."""
        return share * self._cycles + (1 - share) * self._instructions

    def _sums(self, values: Floats) -> Floats:
        """For each set of names the least sum of values."""
        total = np.zeros(len(self._sets))
        for group in self._groups:
            total += group.sums(values)
        return total

    def _bounds(self, relaxed: Sequence[Relaxed], prices: Sequence[float]) -> Floats:
        """What no plan of a set of names is below."""
        bounds = np.full(len(self._sets), -INF)
        for problem in relaxed:
            for price in prices:
                values, added = problem.priced(price)
                bounds = np.maximum(bounds, self._sums(values) + added)
        return bounds

    def _ruled_out(self, relaxed: Sequence[Relaxed], prices: Sequence[float], index: int, best: float) -> bool:
        """Whether no plan of one set of names is below `best`."""
        outside = ~_inside(self._needed, self._sets[index])
        return any(problem.reaches(best, prices, index, outside) for problem in relaxed)

    def _first(
        self,
        bounds: Floats,
        relaxed: Sequence[Relaxed],
        prices: Sequence[float],
        solve: Callable[[int], tuple[float, Picks] | None],
    ) -> Picks | None:
        """The solution of least value over all sets of names whose bound does not rule them out."""
        best, found = INF, None
        for index in np.argsort(bounds, kind="stable"):
            if bounds[index] >= best - ROUNDING:
                break
            if best < INF and self._ruled_out(relaxed, prices, int(index), best - ROUNDING):
                continue
            solution = solve(int(index))
            if solution is not None and solution[0] < best:
                best, found = solution
        return found

    def _left(self, index: int) -> list[list[tuple[int, Candidate]]]:
        """What a set of names leaves of each item, without options that another one beats, and their numbers."""
        return [self._kept(row, tuple(inside)) for row, inside in enumerate(_inside(self._needed, self._sets[index]))]

    def _kept(self, row: int, inside: tuple[bool, ...]) -> list[tuple[int, Candidate]]:
        found = self._unbeaten.get((row, inside))
        if found is None:
            found = _unbeaten([(n, c) for n, c in enumerate(self._items[row]) if inside[n]])
            self._unbeaten[row, inside] = found
        return found

    def _best(self, left: Sequence[Sequence[tuple[int, Candidate]]], price: float) -> Picks:
        """The best options where only the price of time counts."""
        return tuple(min(item, key=lambda o: (o[1].nbytes + price * o[1].cycles, o[1].cycles))[0] for item in left)

    def _within(self, index: int, limits: Limits, price: float) -> Picks | None:
        """The fewest bytes, and priced cycles, of a set of names within the limits."""
        left = self._left(index)
        free = self._best(left, price)
        if limits.hold(self._chosen(free)):
            return free
        for share in _SHARES:
            table = [[(c.nbytes + round(price * c.cycles), c.mix(share)) for _, c in item] for item in left]
            found = Solver(table).smallest(limits.mix(share) + ROUNDING)
            if found is not None and limits.hold(self._chosen(picks := _named(left, found))):
                return picks
        return None


def _inside(masks: NDArray[np.int64], sets: NDArray[np.int64] | np.int64) -> NDArray[np.bool_]:
    """Whether sets of names have all that options need, both of shapes that go together."""
    return np.asarray((masks & ~sets) == 0)


def _named(left: Sequence[Sequence[tuple[int, Candidate]]], found: Picks) -> Picks:
    return tuple(item[pick][0] for item, pick in zip(left, found, strict=True))


def _unbeaten(options: Sequence[tuple[int, Candidate]]) -> list[tuple[int, Candidate]]:
    """Without those that take no fewer bytes, cycles and instructions than another one."""
    kept: list[tuple[int, Candidate]] = []
    for number, option in sorted(options, key=lambda o: (o[1].nbytes, o[1].cycles, o[1].instructions)):
        if not any(k.cycles <= option.cycles and k.instructions <= option.instructions for _, k in kept):
            kept.append((number, option))
    return kept
