"""Converting by plan: until the file that is written keeps to the flash and the memory of the goal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from wpconvert.codecs import CODECS
from wpconvert.errors import BudgetError, UnsupportedError
from wpconvert.formats.protocol import Planned, Result
from wpconvert.job.settle import Settled, settle
from wpconvert.model.goal import BALANCED, FILE, SIZE, SPEED
from wpconvert.model.layer import PLAIN
from wpconvert.model.weight import Weight
from wpconvert.plan.options import Option, in_order
from wpconvert.plan.planner import Planner, Point
from wpconvert.units import quantity

_ROUNDS = 3
"""Plans that are written at most, each with what the one before has shown of the bytes other than weights."""

_NEAR = 0.01
"""How much more flash, as a share, is so near that both plans are written."""


@dataclass(frozen=True)
class WrittenPlan:
    """The plan that was written, its options as planned, and the arena, None where it is not known.

    planner: with the bytes that were found while writing.
    """

    planner: Planner
    point: Point
    chosen: tuple[Option, ...]
    settled: Settled
    arena_nbytes: int | None

    @property
    def flash_nbytes(self) -> int:
        """Of the file and the code that it needs."""
        return self.settled.nbytes + self.point.code_nbytes


@dataclass(frozen=True)
class _Input:
    """What a plan is made for."""

    draft: Planned
    weights: Sequence[Weight]


def write_planned(planner: Planner, draft: Planned, weights: Sequence[Weight]) -> WrittenPlan:
    """The best plan whose file keeps to the goal.

    BudgetError when there is none, UnsupportedError when memory is limited and the arena cannot be predicted.
    """
    source = _Input(draft, weights)
    goal, smallest = planner.goal, None
    if goal.flash_nbytes is not None:
        # The bytes of tables and options are estimates until a file is written: that with the least flash, so that what
        # any rewriting adds is there.
        smallest = _write(planner, planner.smallest().options, source)
        planner = planner.weighed(smallest.settled.nbytes, smallest.point)
    found = _write_best(planner, source, smallest)
    if goal.ram_nbytes is None or found.arena_nbytes is None or found.arena_nbytes <= goal.ram_nbytes:
        return found
    return _Memory(planner, source).narrowed(goal.ram_nbytes)


def arena_of(draft: Planned, result: Result | None, needed: bool) -> int | None:
    """The arena of a result, or of the dense model; None where it cannot be said, an error if it is `needed`."""
    try:
        return draft.arena(result)
    except UnsupportedError as error:
        if needed:
            raise UnsupportedError(f"the arena for --ram cannot be predicted: {error}") from error
        return None


def _write_best(planner: Planner, source: _Input, known: WrittenPlan | None = None) -> WrittenPlan:
    """The best plan whose file keeps to the flash. BudgetError when there is none. `known`: one that was written."""
    goal, best, rounds = planner.goal, None, 0
    while best is None or (rounds < _ROUNDS and goal.optimize in (BALANCED, SIZE)):
        try:
            chosen = planner.plan().options
        except BudgetError:
            if best is None:
                raise
            break
        if best is not None and _same(chosen, best):
            break
        if known is not None and _same(chosen, known):
            plan = replace(known, planner=planner, point=planner.point_of(known.settled.outcomes))
        else:
            plan = _write(planner, chosen, source)
        excess = 0 if goal.flash_nbytes is None else plan.flash_nbytes - goal.flash_nbytes
        if excess > 0:
            planner = replace(planner, rest_nbytes=planner.rest_nbytes + excess)
            continue
        rounds += 1
        best = plan if best is None else min(best, plan, key=lambda p: p.flash_nbytes + planner.time_nbytes(p.point))
        # What is beside the weights depends on which are rewritten: there can be a better plan with what was found.
        planner = planner.weighed(plan.settled.nbytes, plan.point)
    best = _or_near(best, source)
    before = planner.before_point()
    if planner.may_stay and best.flash_nbytes > source.draft.nbytes + before.code_nbytes:
        # The bytes that were estimated said otherwise.
        best = _write(planner, before.options, source)
    arena = arena_of(source.draft, best.settled.written.result, goal.ram_nbytes is not None)
    return replace(best, arena_nbytes=arena)


def _or_near(plan: WrittenPlan, source: _Input) -> WrittenPlan:
    """The plan, or one of those of other goals that is nearly as good and turns out better.

    Vectors that tensors share leave the file with the last of them: the more are rewritten, the more is saved beside.
    """
    planner, goal, best = plan.planner, plan.planner.goal, plan
    for optimize in (SIZE, FILE) if goal.optimize in (BALANCED, SIZE) else ():
        try:
            near = replace(planner, goal=replace(goal, optimize=optimize, max_slowdown=goal.slowdown)).plan()
        except BudgetError:
            continue
        if _same(near.options, plan) or _same(near.options, best):
            continue
        if near.flash_nbytes > plan.point.flash_nbytes + _NEAR * plan.flash_nbytes:
            continue
        other = _write(planner, near.options, source)
        if goal.flash_nbytes is None or other.flash_nbytes <= goal.flash_nbytes:
            best = min(best, other, key=lambda p: p.flash_nbytes + planner.time_nbytes(p.point))
    return best


def _same(chosen: tuple[Option, ...], plan: WrittenPlan) -> bool:
    """Whether a plan takes these options."""
    return all(one is other for one, other in zip(chosen, plan.chosen, strict=True))


def _write(planner: Planner, chosen: tuple[Option, ...], source: _Input) -> WrittenPlan:
    settled = settle(source.draft, in_order(chosen, source.weights))
    return WrittenPlan(planner, planner.point_of(settled.outcomes), chosen, settled, None)


class _Memory:
    """Takes away options until a plan keeps to the memory.

    Which plans are tried does not depend on how much is allowed: one that fits is found with all that is more, too.
    """

    def __init__(self, planner: Planner, source: _Input) -> None:
        self._planner, self._source = planner, source
        self._items = planner.items
        self._chosen: tuple[Option, ...] = ()
        self._needs = {
            id(option): need
            for number in range(max((len(item.options) for item in self._items), default=0))
            for option, need in self._measured(number)
        }

    def _measured(self, number: int) -> list[tuple[Option, int]]:
        """For the option with this number of each item, what it needs: the activations beside it, and scratch."""
        chosen = [item.options[min(number, len(item.options) - 1)] for item in self._items]
        outcomes = in_order(chosen, self._source.weights)
        needs = self._source.draft.needs(outcomes, [item.weights for item in self._items])
        return list(zip(chosen, needs, strict=True))

    def narrowed(self, allowed: int) -> WrittenPlan:
        """The first plan that fits. BudgetError when none of those that are tried does."""
        least = []
        for optimize, options in self._restrictions():
            # A goal gives way to the memory; a slowdown that was stated holds.
            items = tuple(replace(item, options=kept) for item, kept in zip(self._items, options, strict=True))
            planner = replace(self._planner, goal=replace(self._planner.goal, optimize=optimize), items=items)
            try:
                found = _write_best(planner, self._source)
            except BudgetError:
                # What is left does not keep to the flash or the slowdown.
                self._chosen = ()
                continue
            self._chosen = found.chosen
            arena = found.arena_nbytes
            if arena is None or arena <= allowed:
                return replace(found, planner=self._planner)
            least.append(arena)
        missing, plan = min(least) - allowed, "the smallest plan" if self._has_choice() else "the model"
        raise BudgetError(
            f"needs {quantity(missing, 'byte')} more RAM than --ram {allowed:,} allows; "
            f"{plan} takes an arena of {min(least):,} bytes"
        )

    def _has_choice(self) -> bool:
        return any(len(item.options) > 1 for item in self._items)

    def _restrictions(self) -> Iterator[tuple[str | None, list[tuple[Option, ...]]]]:
        """What to optimise, and the options of each item: less and less need, but always the least; single methods."""
        own, full = self._planner.goal.optimize, [item.options for item in self._items]
        if not self._has_choice():
            yield own, full
            return
        needs = [[self._needs[id(option)] for option in options] for options in full]
        for optimize in dict.fromkeys((own, SIZE, SPEED)):
            yield optimize, full
            while worst := self._worst(needs):
                yield (
                    optimize,
                    [
                        tuple(o for o, need in zip(options, of, strict=True) if need < worst or need == min(of))
                        for options, of in zip(full, needs, strict=True)
                    ],
                )
        # What stays in the arena beside buffers can be less with them.
        for method in (PLAIN, *CODECS):
            yield SIZE, [_with_method(options, method) for options in full]

    def _worst(self, needs: Sequence[Sequence[int]]) -> int:
        """The largest need of the last plan where an item has an option that needs less; 0 if there is none."""
        taken = zip((self._needs[id(option)] for option in self._chosen), needs, strict=False)
        return max((need for need, of in taken if need > min(of)), default=0)


def _with_method(options: tuple[Option, ...], method: str) -> tuple[Option, ...]:
    """Those that -m METHOD would take."""
    for name in (method, PLAIN):
        if found := tuple(option for option in options if name in option.methods):
            return found
    return options
