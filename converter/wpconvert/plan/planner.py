"""Chooses the method of every weight: the best by the cost model within what the user allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from wpconvert.codecs import CODECS
from wpconvert.errors import BudgetError
from wpconvert.model.layer import PLAIN, Layer
from wpconvert.model.plan import Outcome, Progress
from wpconvert.model.rules import Choice
from wpconvert.plan.costs import Cost, CostModel, load_costs, sum_of
from wpconvert.plan.goal import SPEED, Goal
from wpconvert.plan.options import Item, Option, items_of, layers_with, option_of
from wpconvert.plan.predict import predict
from wpconvert.plan.solver import Picks, Solver

_FRONT = 9
_MAX_CODECS = 3
INF = float("inf")
_ROUNDING = 1e-9
# Shares of cycles, against instructions, in what is minimised, until both keep to the limit.
_SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)


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


class Planner:
    """The options of a model's weights, encoded once, from which plans are made."""

    def __init__(
        self,
        choices: Sequence[Choice],
        layers: Sequence[Layer],
        goal: Goal,
        file_nbytes: int,
        progress: Progress | None = None,
    ) -> None:
        """`layers`: all operators of the dense model. file_nbytes: of its file.

        UnsupportedError when the core was not calibrated. rest_nbytes, what a file has beside weights, is an estimate
        that may be set when a file is written.
        """
        self.goal = goal
        self.costs: CostModel = load_costs(goal.core)
        self.items: list[Item] = items_of(choices, self.costs, progress)
        prediction = predict(layers, self.costs)
        self.dense: Cost = prediction.total
        self.unknown = prediction.unknown
        weighted = [layer for item in self.items for weight in item.weights for layer in weight.layers]
        plain = sum_of(self.costs.cost(layer) for layer in weighted)
        self._rest = self.dense - plain
        known = {id(layer) for layer in weighted}
        self._other_code = {name for layer in layers if id(layer) not in known for name in layer.code}
        self.rest_nbytes = file_nbytes - self.dense_point().nbytes

    def plan(self) -> Point:
        """The best plan. BudgetError when none keeps to the goal."""
        limit = self.goal.flash_nbytes
        room = INF if limit is None else limit - self.rest_nbytes
        found = [point for items in self._variants() if (point := self._best(items, room)) is not None]
        if not found:
            raise BudgetError(self._missing())
        return min(found, key=self._order)

    def restrict(self, options: Sequence[tuple[Option, ...]]) -> None:
        """Leave these options to each item, one at least."""
        self.items = [replace(item, options=kept) for item, kept in zip(self.items, options, strict=True)]

    def point_of(self, outcomes: Sequence[Outcome]) -> Point:
        """The plan with these outcomes, in any order."""
        by_key = {outcome.weight.key: outcome for outcome in outcomes}
        items = [
            replace(item, options=(option_of(tuple(by_key[w.key] for w in item.weights), self.costs),))
            for item in self.items
        ]
        return self._point(items, (0,) * len(items))

    def smallest(self) -> Point:
        """The plan with the fewest bytes of weights and code, however slow."""
        points = []
        for items in self._variants():
            picks = Solver(self._table(items, 1.0)).smallest(INF)
            assert picks is not None
            points.append(self._point(items, picks))
        return min(points, key=lambda point: point.nbytes + point.code_nbytes)

    def front(self, count: int = _FRONT) -> list[Point]:
        """Plans that none beats in both bytes and cycles, fewest bytes first."""
        points = [self._point(self.items, p) for p in Solver(self._table(self.items, 1.0)).front()]
        # Those go first that stand out least from the line between their neighbours.
        while len(points) > count:
            gains = [_bulge(*points[i - 1 : i + 2]) for i in range(1, len(points) - 1)]
            del points[1 + gains.index(min(gains))]
        return points

    def dense_point(self) -> Point:
        """The model with plain weights."""
        return self.point_of([Outcome(weight, PLAIN) for item in self.items for weight in item.weights])

    def within_slowdown(self, point: Point) -> bool:
        """Whether a plan keeps to the slowdown in cycles and instructions."""
        if self.goal.slowdown == INF:
            return True
        most = self.goal.slowdown + _ROUNDING
        return point.cost.cycles <= most * self.dense.cycles and (
            point.cost.instructions <= most * self.dense.instructions
        )

    def _variants(self) -> Iterator[list[Item]]:
        """Restrictions of the items to plan with, and compare: code is not a sum over them.

        What code costs matters only where flash is limited. Then sets of codecs are tried, and leaving nothing plain of
        an operator, which saves the operator's own code.
        """
        if self.goal.flash_nbytes is None:
            yield self.items
            return
        names = [name for name in CODECS if any(name in o.methods for item in self.items for o in item.options)]
        for count in range(min(len(names), _MAX_CODECS) + 1):
            for codecs in combinations(names, count):
                items = self._with_codecs(frozenset(codecs))
                yield items
                yield _rewritten(items)

    def _with_codecs(self, codecs: frozenset[str]) -> list[Item]:
        """The items with the options that need no other codecs; what a rule fixed stays."""
        items = []
        for item in self.items:
            kept = tuple(o for o in item.options if o.methods - {PLAIN} <= codecs)
            items.append(replace(item, options=kept or item.options))
        return items

    def _best(self, items: list[Item], flash_nbytes: float) -> Point | None:
        """The best plan with these items. How much code it needs is known only then: the room is narrowed to it."""
        room = flash_nbytes
        while (point := self._within(items, room)) is not None:
            if point.nbytes + point.code_nbytes <= flash_nbytes:
                return point
            room = flash_nbytes - point.code_nbytes
        return None

    def _within(self, items: list[Item], room: float) -> Point | None:
        """The best plan with at most `room` bytes of weights; None when there is none."""
        fastest = Solver(self._table(items, 1.0)).cheapest(room)
        if fastest is None:
            return None
        point = self._point(items, fastest)
        if self.goal.optimize != SPEED and (smallest := self._smallest(items, room)) is not None:
            return smallest
        # A slowdown that the user did not ask for gives way to flash.
        return point if self.goal.max_slowdown is None or self.within_slowdown(point) else None

    def _smallest(self, items: list[Item], room: float) -> Point | None:
        """The fewest bytes within the slowdown, None when they are more than `room`."""
        for share in _SHARES:
            limit = self.goal.slowdown - self._mix(self._rest, share)
            picks = Solver(self._table(items, share)).smallest(limit + _ROUNDING)
            if picks is not None and self.within_slowdown(point := self._point(items, picks)):
                return point if point.nbytes <= room else None
        return None

    def _mix(self, cost: Cost, share: float) -> float:
        """Cycles and instructions as one number, each as a share of the dense model's."""
        cycles, instructions = max(1.0, self.dense.cycles), max(1.0, self.dense.instructions)
        return share * cost.cycles / cycles + (1 - share) * cost.instructions / instructions

    def _table(self, items: Sequence[Item], share: float) -> list[list[tuple[int, float]]]:
        return [[(o.nbytes, self._mix(o.cost, share)) for o in item.options] for item in items]

    def _point(self, items: Sequence[Item], picks: Picks) -> Point:
        options = tuple(item.options[pick] for item, pick in zip(items, picks, strict=True))
        names = set(self._other_code)
        for option in options:
            for outcome in option.outcomes:
                names.update(name for layer in layers_with(outcome) for name in layer.code)
        return Point(
            options,
            sum(option.nbytes for option in options),
            sum_of((self._rest, *(option.cost for option in options))),
            self.costs.code_nbytes(names),
        )

    def _order(self, point: Point) -> tuple[float, ...]:
        """What makes one plan better than another."""
        if self.goal.optimize == SPEED:
            return (point.cost.cycles, point.nbytes + point.code_nbytes)
        # Plans that are too slow are there only because none else fits: the fastest of them.
        late = 0.0 if self.within_slowdown(point) else point.cost.cycles
        return (late, point.nbytes, point.cost.cycles)

    def _missing(self) -> str:
        """Why there is no plan, and what there could be."""
        limit, least = self.goal.flash_nbytes, self.smallest()
        model = least.nbytes + self.rest_nbytes
        if limit is not None and model + least.code_nbytes > limit:
            short = model + least.code_nbytes - limit
            missing = "1 byte of flash is missing" if short == 1 else f"{short:,} bytes of flash are missing"
            return (
                f"{missing}: the smallest plan takes {model + least.code_nbytes:,} "
                f"({model:,} model, {least.code_nbytes:,} code), --flash allows {limit:,}"
            )
        if limit is not None:
            slowdown = least.cost.cycles / max(1.0, self.dense.cycles)
            return (
                f"no plan fits --flash {limit:,} and --max-slowdown {self.goal.slowdown:g} together; "
                f"the smallest one takes {slowdown:.2f} × the cycles of the dense model"
            )
        fastest = self._point(self.items, Solver(self._table(self.items, 1.0)).front()[-1])
        slowdown = fastest.cost.cycles / max(1.0, self.dense.cycles)
        return (
            f"no plan keeps to --max-slowdown {self.goal.slowdown:g}; "
            f"the fastest one takes {slowdown:.2f} × the cycles of the dense model"
        )


def _rewritten(items: list[Item]) -> list[Item]:
    """Without plain weights, for the operators of which no weights need to be plain."""
    plain = {
        operator
        for item in items
        if all(PLAIN in option.methods for option in item.options)
        for weight in item.weights
        for operator in weight.operators
    }
    return [
        item
        if any(operator in plain for weight in item.weights for operator in weight.operators)
        else replace(item, options=tuple(option for option in item.options if PLAIN not in option.methods))
        for item in items
    ]


def _bulge(before: Point, point: Point, after: Point) -> float:
    """How far a point of the front lies below the line between its neighbours, as a share of cycles times bytes."""
    width = after.nbytes - before.nbytes
    slope = (after.cost.cycles - before.cost.cycles) / max(1, width)
    line = before.cost.cycles + slope * (point.nbytes - before.nbytes)
    return (line - point.cost.cycles) * width
