"""Says what a plan was chosen for: a reason for each tensor, and the forecast of the whole."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from wpconvert.model.plan import Outcome
from wpconvert.model.weight import Weight
from wpconvert.plan.options import Item, Option
from wpconvert.plan.planner import Planner, Point
from wpconvert.report.result import Forecast, FrontPoint


def in_order(point: Point, weights: Sequence[Weight]) -> list[Outcome]:
    """The outcomes of a plan in the order of the model's weights."""
    by_key = {outcome.weight.key: outcome for option in point.options for outcome in option.outcomes}
    return [by_key[weight.key] for weight in weights]


def explain(
    planner: Planner, point: Point, written: Sequence[Outcome], file_nbytes: int
) -> tuple[list[Outcome], Forecast, list[str]]:
    """The outcomes with the reason of each choice, the forecast, and notes. `written`: what the file has."""
    reasons: dict[str, str] = {}
    for item, option in zip(planner.items, point.options, strict=True):
        if len(item.options) > 1:
            reasons.update((weight.key, _reason(item, option)) for weight in item.weights)
    outcomes = [
        replace(o, reason=reasons[o.weight.key]) if o.weight.key in reasons and o.reason in (None, _METHOD_NONE) else o
        for o in written
    ]
    goal = planner.goal
    notes = []
    if not planner.within_slowdown(point):
        notes.append(
            f"no plan of at most {goal.slowdown:g} × the dense cycles fits the flash; this is the fastest one that does"
        )
    if planner.unknown:
        notes.append(f"the forecast leaves out operators that the cost model lacks: {', '.join(planner.unknown)}")
    return outcomes, _forecast(planner, point, file_nbytes), notes


_METHOD_NONE = "method none"


def _reason(item: Item, chosen: Option) -> str:
    """A choice against leaving the weights as they are, or against the best of what was left out."""
    before = item.options[0]
    if chosen is not before:
        return _difference(before, chosen)
    smallest = min(item.options, key=lambda option: option.nbytes)
    if smallest is before:
        return "no method makes it smaller"
    names = "+".join(sorted(smallest.methods))
    return f"{names}: {_difference(before, smallest)}"


def _difference(before: Option, after: Option) -> str:
    """`-1,240 bytes, +0.3 % cycles`."""
    size = f"{after.nbytes - before.nbytes:+,} bytes"
    if before.cost.cycles <= 0:
        return size
    return f"{size}, {100 * (after.cost.cycles / before.cost.cycles - 1):+.1f} % cycles"


def _forecast(planner: Planner, point: Point, file_nbytes: int) -> Forecast:
    goal = planner.goal
    shown = planner.front()
    same = next((p for p in shown if all(map(operator.is_, p.options, point.options))), None)
    front = [
        FrontPoint(
            file_nbytes + other.nbytes - point.nbytes,
            round(other.cost.cycles),
            dict(Counter(outcome.method for outcome in other.outcomes)),
            other is same,
        )
        for other in (*shown, *(() if same else (point,)))
    ]
    if same is None:
        front[-1] = replace(front[-1], chosen=True)
    front.sort(key=lambda p: (p.nbytes, p.cycles))
    dense = planner.dense_point()
    return Forecast(
        goal.target,
        goal.core,
        goal.optimize,
        goal.slowdown if goal.slowdown < float("inf") else None,
        round(point.cost.instructions),
        round(point.cost.cycles),
        point.code_nbytes,
        round(dense.cost.instructions),
        round(dense.cost.cycles),
        dense.code_nbytes,
        tuple(front),
        planner.unknown,
    )
