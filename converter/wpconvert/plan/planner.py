"""Chooses the method of every weight: the best by the cost model within what the user allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from wpconvert.errors import BudgetError, UnsupportedError
from wpconvert.model.goal import BALANCED, FILE, SIZE, SPEED, WORTH, Goal
from wpconvert.model.layer import PLAIN, Layer
from wpconvert.model.plan import Outcome, Progress
from wpconvert.model.rules import Choice
from wpconvert.plan.costs import Code, Cost, CostModel, load_costs, predict, sum_of
from wpconvert.plan.options import Item, Option, items_of, option_of
from wpconvert.plan.relaxed import INF
from wpconvert.plan.search import ROUNDING, Candidate, Limits, Search
from wpconvert.plan.solver import Picks
from wpconvert.units import quantity

_FRONT = 9
_ABOVE_ALL = 1e9
"""A price of time, in bytes, that no plan's bytes outweigh."""


@dataclass(frozen=True)
class Point:
    """A plan in numbers. nbytes: of weights and what belongs to them."""

    options: tuple[Option, ...]
    nbytes: int
    cost: Cost
    code_nbytes: int

    @property
    def methods(self) -> list[str]:
        """Of all weights, item by item."""
        return [outcome.method for option in self.options for outcome in option.outcomes]

    @property
    def flash_nbytes(self) -> int:
        """Of weights and code."""
        return self.nbytes + self.code_nbytes


@dataclass(frozen=True)
class Planner:
    """The options of a model's weights, encoded once, from which plans are made.

    dense: the cost of the dense model; rest: of what is in every plan. Neither has operators without costs, whose
    families `unknown` names. linked: names that every plan links. rest_nbytes: bytes of every file other than weights;
    rewriting_nbytes: further bytes where any weight is rewritten; estimates until a file is written.
    """

    goal: Goal
    costs: CostModel
    items: tuple[Item, ...]
    dense: Cost
    rest: Cost
    linked: frozenset[str]
    unknown: tuple[str, ...]
    rest_nbytes: int
    rewriting_nbytes: int = 0

    @classmethod
    def from_choices(
        cls,
        choices: Sequence[Choice],
        layers: Sequence[Layer],
        goal: Goal,
        file_nbytes: int,
        progress: Progress | None = None,
        costs: CostModel | None = None,
    ) -> Planner:
        """`layers`: all operators of the dense model. file_nbytes: of its file. costs: the core's unless given.

        UnsupportedError when the core was not calibrated.
        """
        costs = load_costs(goal.core, goal.runtime) if costs is None else costs
        items = tuple(items_of(choices, costs, progress))
        prediction = predict(layers, costs)
        weighted = [layer for item in items for weight in item.weights for layer in weight.layers]
        timed = [layer for item in items if not item.lacking for weight in item.weights for layer in weight.layers]
        rest = prediction.total - sum_of(costs.cost(layer) for layer in weighted)
        dense = rest + sum_of(costs.cost(layer) for layer in timed)
        unknown = dict.fromkeys((*prediction.unknown, *(family for item in items for family in item.lacking)))
        known = {id(layer) for layer in weighted}
        linked = frozenset(name for layer in layers if id(layer) not in known for name in layer.code)
        planner = cls(goal, costs, items, dense, rest, linked, tuple(unknown), 0)
        return replace(planner, rest_nbytes=file_nbytes - planner.dense_point().nbytes)

    def plan(self) -> Point:
        """The best plan.

        BudgetError when none keeps to the goal, UnsupportedError when a gain is asked for and costs are missing.
        """
        goal, room = self.goal, self._room
        if self.unknown and goal.slowdown < 1:
            lacking = ", ".join(self.unknown)
            raise UnsupportedError(
                f"--max-slowdown {goal.slowdown:g} requires a faster model, "
                f"but the cost model for {goal.core} has no data for {lacking}"
            )
        # A plan keeps to its limit by what the prediction may be off, as long as there is such a plan.
        picks = self._within(self.goal.slowdown / (1 + self.costs.uncertainty), room)
        if picks is None:
            picks = self._within(self.goal.slowdown, room)
        if picks is None:
            picks = self._fastest(room)
            # A slowdown that the user did not ask for gives way to flash.
            if picks is not None and goal.max_slowdown is not None and not self.within_slowdown(self._point(picks)):
                picks = self._search.smallest(self._limits(goal.slowdown), room=room)
        if picks is None:
            raise BudgetError(self._missing())
        return self._point(picks)

    def point_of(self, outcomes: Sequence[Outcome]) -> Point:
        """The plan with these outcomes, in any order."""
        by_key = {outcome.weight.key: outcome for outcome in outcomes}
        return self._sum(
            [option_of(item, tuple(by_key[w.key] for w in item.weights), self.costs) for item in self.items]
        )

    def smallest(self) -> Point:
        """The plan with the least flash, however slow."""
        return self._point(self._search.least())

    def front(self, count: int = _FRONT) -> list[Point]:
        """Plans that none beats in both bytes (of flash, or of the file where that is the goal) and cycles.

        Fewest bytes first.
        """
        found = [self._point(picks) for picks in self._search.front(linked=self.goal.optimize != FILE)]
        points: list[Point] = []
        for point in sorted(found, key=lambda p: (self.counted(p), p.cost.cycles)):
            if not points or point.cost.cycles < points[-1].cost.cycles:
                points.append(point)
        # Those go first that stand out least from the line between their neighbours.
        while len(points) > count:
            gains = [self._bulge(*points[i - 1 : i + 2]) for i in range(1, len(points) - 1)]
            del points[1 + gains.index(min(gains))]
        return points

    def counted(self, point: Point) -> int:
        """The bytes that the goal counts."""
        return point.nbytes if self.goal.optimize == FILE else point.flash_nbytes

    def dense_point(self) -> Point:
        """The model with plain weights."""
        return self.point_of([Outcome(weight, PLAIN) for item in self.items for weight in item.weights])

    def before_point(self) -> Point:
        """The model with its weights as the input has them."""
        return self._sum([item.before for item in self.items])

    def weighed(self, file_nbytes: int, point: Point) -> Planner:
        """With what a file that has this plan shows of the bytes other than weights."""
        difference = file_nbytes - self.rest_nbytes - point.nbytes
        if any(_rewritten(option) for option in point.options):
            return replace(self, rewriting_nbytes=self.rewriting_nbytes + difference)
        return replace(self, rest_nbytes=self.rest_nbytes + difference)

    def time_nbytes(self, point: Point) -> float:
        """What the time of a plan is worth, in bytes."""
        return self._price * point.cost.cycles / max(1.0, self.dense.cycles)

    def code_nbytes(self, names: frozenset[str]) -> int:
        """Bytes of code of a plan that links these names in addition to those of every plan."""
        return self.costs.code_nbytes(self.linked | names)

    def without_code(self, point: Point) -> list[str]:
        """Names that a plan links and whose code is not known."""
        return self.costs.without_code(self.linked.union(*(option.code for option in point.options)))

    @property
    def may_stay(self) -> bool:
        """Whether the unconverted model would be a plan, which takes no more flash than itself."""
        before = self.before_point()
        free = all(any(o.methods == item.before.methods for o in item.options) for item in self.items)
        return free and self.goal.optimize in (BALANCED, SIZE) and self.within_slowdown(before)

    def within_slowdown(self, point: Point, margin: float = 0.0) -> bool:
        """Whether a plan keeps to the slowdown in cycles and instructions, also where they are this much too low."""
        if self.goal.slowdown == INF:
            return True
        most = self.goal.slowdown / (1 + margin) + ROUNDING
        return point.cost.cycles <= most * self.dense.cycles and (
            point.cost.instructions <= most * self.dense.instructions
        )

    def _within(self, slowdown: float, room: float) -> Picks | None:
        """The best plan within a slowdown. That of a model that stays unchanged is exact."""
        limits = self._limits(slowdown)
        if self.goal.optimize == FILE:
            picks = self._search.smallest(limits, linked=False, room=room)
        else:
            picks = self._search.smallest(limits, self._price, room=min(room, self._most))
        stay = (0,) * len(self.items)
        point = self._point(stay)
        stays = all(option is item.before for item, option in zip(self.items, point.options, strict=True))
        if not (stays and self.within_slowdown(point) and point.flash_nbytes <= room):
            return picks
        return stay if picks is None or self._paid(point) < self._paid(self._point(picks)) else picks

    def _paid(self, point: Point) -> float:
        """What the goal minimises."""
        return self.counted(point) + self.time_nbytes(point)

    @cached_property
    def _search(self) -> Search:
        cycles, instructions = max(1.0, self.dense.cycles), max(1.0, self.dense.instructions)
        table = [
            [Candidate(o.nbytes, o.cost.cycles / cycles, o.cost.instructions / instructions, o.code) for o in i.options]
            for i in self.items
        ]
        rewriting = frozenset(name for item in self.items for option in item.options for name in _rewritten(option))
        charges = (*self.costs.code, *((Code(self.rewriting_nbytes, rewriting),) if rewriting else ()))
        return Search(table, charges, self.linked)

    def _limits(self, slowdown: float) -> Limits:
        """What a slowdown leaves to the weights' operators."""
        if slowdown == INF:
            return Limits(INF, INF)
        return Limits(
            slowdown - self.rest.cycles / max(1.0, self.dense.cycles),
            slowdown - self.rest.instructions / max(1.0, self.dense.instructions),
        )

    @property
    def _price(self) -> float:
        """What the cycles of the dense model are worth, in bytes."""
        if self.goal.optimize == SPEED:
            return _ABOVE_ALL
        dense = self.dense_point()
        return WORTH * (self.rest_nbytes + dense.flash_nbytes) if self.goal.optimize == BALANCED else 0.0

    @property
    def _room(self) -> float:
        """The most bytes of weights and code."""
        return INF if self.goal.flash_nbytes is None else self.goal.flash_nbytes - self.rest_nbytes

    @property
    def _most(self) -> float:
        """The flash of the unconverted model, where time could be bought with more; unless rules ask for that."""
        return self.before_point().flash_nbytes if self.may_stay and self.goal.optimize == BALANCED else INF

    def _fastest(self, room: float) -> Picks | None:
        """The fewest cycles within the room, and of such plans the least flash."""
        picks = self._search.least(_ABOVE_ALL)
        return picks if self._point(picks).flash_nbytes <= room else self._search.cheapest(room)

    def _point(self, picks: Picks) -> Point:
        return self._sum([item.options[pick] for item, pick in zip(self.items, picks, strict=True)])

    def _sum(self, options: Sequence[Option]) -> Point:
        rewritten = any(_rewritten(option) for option in options)
        return Point(
            tuple(options),
            sum(option.nbytes for option in options) + (self.rewriting_nbytes if rewritten else 0),
            sum_of((self.rest, *(option.cost for option in options))),
            self.code_nbytes(frozenset().union(*(option.code for option in options))),
        )

    def _missing(self) -> str:
        """Why there is no plan, and what there could be."""
        limit, least = self.goal.flash_nbytes, self.smallest()
        model = least.nbytes + self.rest_nbytes
        if limit is not None and model + least.code_nbytes > limit:
            short = model + least.code_nbytes - limit
            return (
                f"needs {quantity(short, 'byte')} more flash than --flash {limit:,} allows; the smallest plan takes "
                f"{model + least.code_nbytes:,} bytes ({model:,} model, {least.code_nbytes:,} code)"
            )
        if limit is not None:
            slowdown = least.cost.cycles / max(1.0, self.dense.cycles)
            return (
                f"no plan meets both --flash {limit:,} and --max-slowdown {self.goal.slowdown:g}; "
                f"the smallest plan takes {slowdown:.2f} × the cycles of the dense model"
            )
        slowdown = self._point(self._search.least(_ABOVE_ALL)).cost.cycles / max(1.0, self.dense.cycles)
        return (
            f"no plan meets --max-slowdown {self.goal.slowdown:g}; "
            f"the fastest plan takes {slowdown:.2f} × the cycles of the dense model"
        )

    def _bulge(self, before: Point, point: Point, after: Point) -> float:
        """How far a point of the front lies below the line between its neighbours, as a share of cycles times bytes."""
        width = self.counted(after) - self.counted(before)
        slope = (after.cost.cycles - before.cost.cycles) / max(1, width)
        line = before.cost.cycles + slope * (self.counted(point) - self.counted(before))
        return (line - point.cost.cycles) * width


def _rewritten(option: Option) -> frozenset[str]:
    """The names of rewritten operators in an option."""
    return frozenset(name for name in option.code if name.startswith("WP_"))
