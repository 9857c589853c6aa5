"""Converting by plan: until the file that is written keeps to the flash and the memory of the goal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from wpconvert.codecs import CODECS
from wpconvert.errors import BudgetError, UnsupportedError
from wpconvert.formats.tflite.file import file_of, parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.rewrite import rewrite
from wpconvert.formats.tflite.weights import Site
from wpconvert.memory import ArenaPrediction, predict, predict_tflm
from wpconvert.memory.buffers import Buffer
from wpconvert.memory.lifetimes import activations
from wpconvert.model.layer import PLAIN
from wpconvert.model.plan import Outcome
from wpconvert.model.runtimes import TFLM
from wpconvert.model.weight import Weight
from wpconvert.plan.goal import BALANCED, FILE, SIZE, SPEED, Goal
from wpconvert.plan.options import Option, in_order
from wpconvert.plan.planner import Planner, Point

_ROUNDS = 3
"""Plans that are written at most, each with what the one before has shown of the bytes beside weights."""

_NEAR = 0.01
"""How much more flash, as a share, is so near that both plans are written."""


@dataclass(frozen=True)
class Written:
    """A file, what became of each weight in it, and what to say about it."""

    data: bytes
    outcomes: list[Outcome]
    notes: list[str]


@dataclass(frozen=True)
class Planned:
    """The plan that was written, its options as planned, and the arena, None where it is not known.

    planner: with the bytes that were found while writing.
    """

    planner: Planner
    point: Point
    chosen: tuple[Option, ...]
    written: Written
    arena_nbytes: int | None

    @property
    def flash_nbytes(self) -> int:
        """Of the file and the code that it needs."""
        return len(self.written.data) + self.point.code_nbytes


@dataclass(frozen=True)
class Input:
    """What a plan is made for. `restored` and `write` give a new dense model, and the file with these outcomes.

    data: the file as it is.
    """

    data: bytes
    weights: Sequence[Weight]
    sites: dict[str, Site]
    restored: Callable[[], TfliteModel]
    write: Callable[[list[Outcome]], Written]


def write_planned(planner: Planner, source: Input) -> Planned:
    """The best plan whose file keeps to the goal.

    BudgetError when there is none, UnsupportedError when memory is limited and the arena cannot be predicted.
    """
    goal, smallest = planner.goal, None
    if goal.flash_nbytes is not None:
        # The bytes of tables and options are estimates until a file is written: that with the least flash, so that what
        # any rewriting adds is there.
        smallest = _write(planner, planner.smallest().options, source)
        planner = planner.weighed(len(smallest.written.data), smallest.point)
    found = _write_best(planner, source, smallest)
    if goal.ram_nbytes is None or found.arena_nbytes is None or found.arena_nbytes <= goal.ram_nbytes:
        return found
    return _Memory(planner, source).narrowed(goal.ram_nbytes)


def arena_of(model: TfliteModel, goal: Goal, needed: bool) -> int | None:
    """The arena of a model on the goal's board; None where it cannot be said, which is an error if it is `needed`."""
    try:
        return _predicted(model, goal).nbytes
    except UnsupportedError as error:
        if needed:
            raise UnsupportedError(f"the arena for --ram cannot be predicted: {error}") from error
        return None


def _predicted(model: TfliteModel, goal: Goal) -> ArenaPrediction:
    one = predict_tflm if goal.runtime == TFLM else predict
    return one(read_graph(model), file_of(model), goal.core)


def _write_best(planner: Planner, source: Input, known: Planned | None = None) -> Planned:
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
            plan = replace(known, planner=planner, point=planner.point_of(known.written.outcomes))
        else:
            plan = _write(planner, chosen, source)
        excess = 0 if goal.flash_nbytes is None else plan.flash_nbytes - goal.flash_nbytes
        if excess > 0:
            planner = replace(planner, rest_nbytes=planner.rest_nbytes + excess)
            continue
        rounds += 1
        best = plan if best is None else min(best, plan, key=lambda p: p.flash_nbytes + planner.time_nbytes(p.point))
        # What is beside the weights depends on which are rewritten: there can be a better plan with what was found.
        planner = planner.weighed(len(plan.written.data), plan.point)
    best = _or_near(best, source)
    before = planner.before_point()
    if planner.may_stay and best.flash_nbytes > len(source.data) + before.code_nbytes:
        # The bytes that were estimated said otherwise.
        best = _write(planner, before.options, source)
    written = parse(best.written.data, as_is=True)
    return replace(best, arena_nbytes=arena_of(written, goal, goal.ram_nbytes is not None))


def _or_near(plan: Planned, source: Input) -> Planned:
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


def _same(chosen: tuple[Option, ...], plan: Planned) -> bool:
    """Whether a plan takes these options."""
    return all(one is other for one, other in zip(chosen, plan.chosen, strict=True))


def _write(planner: Planner, chosen: tuple[Option, ...], source: Input) -> Planned:
    written = source.write(in_order(chosen, source.weights))
    return Planned(planner, planner.point_of(written.outcomes), chosen, written, None)


class _Memory:
    """Takes away options until a plan keeps to the memory.

    Which plans are tried does not depend on how much is allowed: one that fits is found with all that is more, too.
    """

    def __init__(self, planner: Planner, source: Input) -> None:
        self._planner, self._source = planner, source
        self._items = planner.items
        self._chosen: tuple[Option, ...] = ()
        self._live = activations(read_graph(source.restored())).shared()[1]
        self._needs = {
            id(option): need
            for number in range(max((len(item.options) for item in self._items), default=0))
            for option, need in self._measured(number)
        }

    def _measured(self, number: int) -> list[tuple[Option, int]]:
        """For the option with this number of each item, what it needs: the activations beside it, and scratch."""
        chosen = [(item, item.options[min(number, len(item.options) - 1)]) for item in self._items]
        model = self._source.restored()
        rewrite(model, in_order([option for _, option in chosen], self._source.weights), strip=True)
        scratch = _predicted(model, self._planner.goal).scratch
        return [(option, self._need(item.weights, scratch)) for item, option in chosen]

    def _need(self, weights: Sequence[Weight], scratch: Mapping[int, int]) -> int:
        sites = [self._source.sites[weight.key] for weight in weights]
        # The arena is that of subgraph 0.
        uses = {use.operator for site in sites if site.subgraph == 0 for use in site.uses}
        return max((_beside(self._live, at) + scratch.get(at, 0) for at in uses), default=0)

    def narrowed(self, allowed: int) -> Planned:
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
            f"{missing:,} {'byte' if missing == 1 else 'bytes'} of RAM {'is' if missing == 1 else 'are'} missing: "
            f"{plan} takes an arena of {min(least):,}, --ram allows {allowed:,}"
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


def _beside(live: Sequence[Buffer], operator: int) -> int:
    """Bytes of activations that are alive while an operator runs."""
    return sum(buffer.nbytes for buffer in live if buffer.first <= operator <= buffer.last)
