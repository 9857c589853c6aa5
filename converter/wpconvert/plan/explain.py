"""Says what a plan was chosen for: a reason for each tensor, and the forecast of the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from wpconvert.model.goal import BALANCED, FILE, SIZE
from wpconvert.model.plan import Outcome
from wpconvert.model.reasons import METHOD_NONE
from wpconvert.plan.options import Item, Option
from wpconvert.plan.planner import Planner, Point
from wpconvert.plan.relaxed import INF
from wpconvert.report.result import Forecast, FrontPoint
from wpconvert.units import change, share


def explain(planner: Planner, point: Point, written: Sequence[Outcome]) -> tuple[list[Outcome], list[str]]:
    """The outcomes that were written with the reason of each choice, and notes."""
    reasons: dict[str, str] = {}
    linked = frozenset(name for option in point.options for name in option.code)
    for item, option in zip(planner.items, point.options, strict=True):
        if len(item.options) > 1:
            reason = _reason(planner, item, option, linked)
            reasons.update((weight.key, reason) for weight in item.weights)
    outcomes = [
        replace(o, reason=reasons[o.weight.key]) if o.weight.key in reasons and o.reason in (None, METHOD_NONE) else o
        for o in written
    ]
    goal = planner.goal
    notes = []
    before = all(o.methods == item.before.methods for item, o in zip(planner.items, point.options, strict=True))
    if before and reasons and goal.optimize in (BALANCED, SIZE):
        within = "" if goal.slowdown == INF else f" within {goal.slowdown:g} × the cycles"
        notes.append(f"no plan{within} takes less flash than the weights as they are, code counted")
    if not planner.within_slowdown(point):
        taken = point.cost.cycles / max(1.0, planner.dense.cycles)
        why = ""
        if goal.flash_nbytes is not None or goal.ram_nbytes is not None:
            why = "; no faster plan fits the memory that is allowed"
        notes.append(f"the plan takes {taken:.2f} × the dense cycles, more than {goal.slowdown:g} ×{why}")
    elif not before and not planner.within_slowdown(point, planner.costs.uncertainty):
        notes.append(
            f"a forecast may be {share(planner.costs.uncertainty)} too low: "
            f"no plan keeps to {goal.slowdown:g} × with that"
        )
    if planner.unknown:
        notes.append(f"the forecast leaves out operators that the cost model lacks: {', '.join(planner.unknown)}")
    if left_out := dict.fromkeys(family for item in planner.items for family in item.left_out):
        notes.append(f"left out of the plan, for the cost model of {goal.core} lacks them: {', '.join(left_out)}")
    return outcomes, notes


def _reason(planner: Planner, item: Item, chosen: Option, linked: frozenset[str]) -> str:
    """What the choice wins against leaving the weights as they are, or why they are left.

    linked: names that the plan links in any case.
    """
    before = item.before
    if chosen.methods != before.methods:
        return _difference(before, chosen)
    others = [option for option in item.options if option.methods != before.methods]
    if not others:
        return "no method makes it smaller"
    counted = planner.goal.optimize != FILE
    code = {id(o): counted * (planner.code_nbytes(linked | o.code) - planner.code_nbytes(linked)) for o in others}
    best = min(others, key=lambda option: option.nbytes + code[id(option)])
    needed = f", {code[id(best)]:+,} bytes of code" if code[id(best)] else ""
    return f"{'+'.join(sorted(best.methods))}: {_difference(before, best)}{needed}"


def _difference(before: Option, after: Option) -> str:
    """`-1,240 bytes, +0.3 % cycles`."""
    size = f"{after.nbytes - before.nbytes:+,} bytes"
    if before.cost.cycles <= 0:
        return size
    return f"{size}, {change(after.cost.cycles, before.cost.cycles)} cycles"


def forecast(
    planner: Planner, point: Point, file_nbytes: int, arena_nbytes: int | None, arena_nbytes_dense: int | None
) -> Forecast:
    """What is known of the plan before it runs, beside the dense model and the other plans."""
    goal = planner.goal
    shown = planner.front()
    same = next((p for p in shown if p.methods == point.methods), None)
    front = [
        FrontPoint(
            file_nbytes + other.nbytes - point.nbytes,
            file_nbytes + other.flash_nbytes - point.nbytes,
            round(other.cost.cycles),
            dict(Counter(other.methods)),
            other is same,
        )
        for other in (*shown, *(() if same else (point,)))
    ]
    if same is None:
        front[-1] = replace(front[-1], chosen=True)
    front.sort(key=lambda p: (p.nbytes if goal.optimize == FILE else p.flash_nbytes, p.cycles))
    dense = planner.dense_point()
    return Forecast(
        goal.target,
        goal.core,
        goal.optimize,
        goal.slowdown if goal.slowdown < INF else None,
        round(point.cost.instructions),
        round(point.cost.cycles),
        point.code_nbytes,
        arena_nbytes,
        round(dense.cost.instructions),
        round(dense.cost.cycles),
        dense.code_nbytes,
        arena_nbytes_dense,
        tuple(front),
        planner.unknown,
        tuple(planner.without_code(point)),
        goal.runtime,
    )
