"""Converting by plan: until the file that is written keeps to the flash and the memory of the goal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wpconvert.errors import BudgetError, UnsupportedError
from wpconvert.memory import ArenaPrediction, predict
from wpconvert.memory.buffers import Buffer
from wpconvert.memory.lifetimes import activations
from wpconvert.model.plan import Outcome
from wpconvert.model.weight import Weight
from wpconvert.plan.options import Option, in_order
from wpconvert.plan.planner import Planner, Point
from wpconvert.tflite.file import parse
from wpconvert.tflite.model import TfliteModel
from wpconvert.tflite.rewrite import rewrite
from wpconvert.tflite.weights import Site


@dataclass(frozen=True)
class Written:
    """A file, what became of each weight in it, and what to say about it."""

    data: bytes
    outcomes: list[Outcome]
    notes: list[str]


@dataclass(frozen=True)
class Planned:
    """The plan that was written, its outcomes as planned and as written, and the arena, None where it is not known."""

    point: Point
    outcomes: list[Outcome]
    written: Written
    arena_nbytes: int | None


@dataclass(frozen=True)
class Input:
    """What a plan is made for. `restored` and `write` give a new dense model, and the file with these outcomes."""

    weights: Sequence[Weight]
    sites: dict[str, Site]
    restored: Callable[[], TfliteModel]
    write: Callable[[list[Outcome]], Written]


def write_planned(planner: Planner, source: Input) -> Planned:
    """The best plan whose file keeps to the goal. BudgetError when there is none."""
    goal, memory = planner.goal, None
    if goal.flash_nbytes is not None:
        smallest = planner.smallest()
        # The bytes of tables and options are estimates until a file is written.
        written = source.write(in_order(smallest.options, source.weights))
        planner.rest_nbytes = len(written.data) - planner.point_of(written.outcomes).nbytes
    while True:
        outcomes = in_order(planner.plan().options, source.weights)
        written = source.write(outcomes)
        point = planner.point_of(written.outcomes)
        if goal.flash_nbytes is not None and (excess := len(written.data) + point.code_nbytes - goal.flash_nbytes) > 0:
            planner.rest_nbytes += excess
            continue
        arena = arena_of(parse(written.data), goal.target, goal.ram_nbytes is not None)
        if arena is None or goal.ram_nbytes is None or arena <= goal.ram_nbytes:
            return Planned(point, outcomes, written, arena)
        memory = memory or _Memory(planner, source)
        memory.narrow(arena)


def arena_of(model: TfliteModel, target: str, needed: bool) -> int | None:
    """The arena of a model on a board; None where it cannot be said, which is an error if it is `needed`."""
    try:
        return predict(model, target).nbytes
    except UnsupportedError:
        if needed:
            raise
        return None


class _Memory:
    """Takes from the planner's options those whose scratch does not fit beside the activations."""

    def __init__(self, planner: Planner, source: Input) -> None:
        self._planner, self._sites = planner, source.sites
        model = source.restored()
        self._live = activations(model).shared()[1]
        self._predictions: dict[int, ArenaPrediction] = {}
        self._needs = {
            id(option): need
            for number in range(max(len(item.options) for item in planner.items))
            for option, need in self._measured(source, number)
        }
        assert planner.goal.ram_nbytes is not None
        self._limit = self._allowed = planner.goal.ram_nbytes

    def _measured(self, source: Input, number: int) -> list[tuple[Option, int]]:
        """For the option with this number of each item, what it needs: the activations beside it, and scratch."""
        chosen = [(item, item.options[min(number, len(item.options) - 1)]) for item in self._planner.items]
        model = source.restored()
        rewrite(model, in_order([option for _, option in chosen], source.weights), strip=True)
        found = predict(model, self._planner.goal.target)
        return [(option, self._need(item.weights, found)) for item, option in chosen]

    def _need(self, weights: Sequence[Weight], found: ArenaPrediction) -> int:
        uses = [use.operator for weight in weights for use in self._sites[weight.key].uses]
        return max(_beside(self._live, at) + found.scratch.get(at, 0) for at in uses) + found.persistent

    def narrow(self, arena_nbytes: int) -> None:
        """Take away options, at least one; `arena_nbytes` is what the last plan takes. BudgetError when none can go."""
        items = self._planner.items
        while True:
            kept = [[o for o in item.options if self._needs[id(o)] <= self._limit] for item in items]
            if any(not options for options in kept):
                needed = max(arena_nbytes, self._allowed + 1)
                raise BudgetError(
                    f"{needed - self._allowed:,} bytes of RAM are missing: the best plan takes an arena of "
                    f"{needed:,}, --ram allows {self._allowed:,}, and no method needs less scratch"
                )
            if any(len(options) < len(item.options) for options, item in zip(kept, items, strict=True)):
                self._planner.restrict([tuple(options) for options in kept])
                return
            # What lies between buffers is not in the sum of those that live together.
            self._limit -= max(16, arena_nbytes - self._allowed)


def _beside(live: Sequence[Buffer], operator: int) -> int:
    """Bytes of activations that are alive while an operator runs."""
    return sum(buffer.nbytes for buffer in live if buffer.first <= operator <= buffer.last)
