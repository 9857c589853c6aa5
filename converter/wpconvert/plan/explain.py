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
from wpconvert.units import change, quantity, rounded_size, share

_LITTLE, _MUCH = 0.02, 0.05
"""Shares of the unchanged model's bytes: a saving below the first is next to nothing, one above the second an offer."""


def explain(planner: Planner, point: Point, written: Sequence[Outcome]) -> tuple[list[Outcome], list[str]]:
    """The outcomes that were written with the reason of each choice, and notes."""
    reasons: dict[str, str] = {}
    linked = frozenset(name for option in point.options for name in option.code)
    for item, option in zip(planner.items, point.options, strict=True):
        if len(item.options) > 1:
            reason = _reason(planner, point, item, option, linked)
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
        notes.append(f"no plan{within} needs less flash (model and code) than the unchanged weights")
    if not planner.within_slowdown(point):
        notes.append(_relaxed_limit(planner, point))
    elif not before and not planner.within_slowdown(point, planner.costs.uncertainty):
        notes.append(
            f"predictions can be {share(planner.costs.uncertainty)} too low, and no plan stays below "
            f"{goal.slowdown:g} × the cycles with that margin"
        )
    if offer := _smaller_plan(planner, point):
        notes.append(offer)
    if planner.unknown:
        notes.append(f"the prediction excludes operators without cost data: {', '.join(planner.unknown)}")
    if left_out := dict.fromkeys(family for item in planner.items for family in item.left_out):
        notes.append(f"not considered, because {goal.core} has no cost data for them: {', '.join(left_out)}")
    return outcomes, notes


def _relaxed_limit(planner: Planner, point: Point) -> str:
    """Why a plan is slower than the default limit."""
    goal = planner.goal
    cycles = point.cost.cycles / max(1.0, planner.dense.cycles)
    instructions = point.cost.instructions / max(1.0, planner.dense.instructions)
    taken = f"{cycles:.2f} × the cycles" if cycles >= instructions else f"{instructions:.2f} × the instructions"
    budgets = {"--flash": goal.flash_nbytes, "--ram": goal.ram_nbytes}
    given = " and ".join(option for option, nbytes in budgets.items() if nbytes is not None)
    why = f"no faster plan fits {given}" if given else "no plan meets it"
    return f"the default {_percent_of(goal.slowdown)} limit is relaxed: {why}; this one takes {taken}"


def _smaller_plan(planner: Planner, point: Point) -> str | None:
    """The smallest plan and its option, where the limit or price of time leaves the chosen plan next to no saving."""
    goal, before = planner.goal, planner.before_point()
    # What fits --ram is known only once it is written.
    if goal.optimize not in (BALANCED, FILE) or goal.slowdown == INF or goal.ram_nbytes is not None:
        return None
    total = planner.rest_nbytes + planner.counted(before)
    if planner.counted(before) - planner.counted(point) >= _LITTLE * total:
        return None
    optimize, option = (SIZE, "--optimize size") if goal.optimize == BALANCED else (FILE, "--optimize file")
    if goal.optimize == FILE or goal.max_slowdown is not None:
        option += " --max-slowdown inf"
    smaller = replace(planner, goal=replace(goal, optimize=optimize, max_slowdown=INF)).plan()
    if planner.counted(point) - planner.counted(smaller) < _MUCH * total:
        return None
    size = rounded_size(planner.rest_nbytes + planner.counted(smaller))
    slowdown = smaller.cost.cycles / max(1.0, planner.dense.cycles)
    return f"smaller with {option}: {size} of {'flash' if optimize == SIZE else 'file'} at {slowdown:.1f} × the cycles"


def _reason(planner: Planner, point: Point, item: Item, chosen: Option, linked: frozenset[str]) -> str:
    """What the chosen method changes compared with the weights of the input, or why they are unchanged.

    linked: names that the plan links in any case.
    """
    before = item.before
    if chosen.methods != before.methods:
        return f"{_saving(before, chosen)}{_cycles(before, chosen, ', ')}"
    others = [option for option in item.options if option.methods != before.methods]
    if not others:
        return "no method makes it smaller"
    counted = planner.goal.optimize != FILE
    code = {id(o): counted * (planner.code_nbytes(linked | o.code) - planner.code_nbytes(linked)) for o in others}
    best = min(others, key=lambda option: option.nbytes + code[id(option)])
    drawbacks = []
    if code[id(best)] > 0:
        drawbacks.append(f"needs {quantity(code[id(best)], 'byte')} of code")
    if best.cost.cycles > before.cost.cycles > 0:
        slower = replace(point, cost=point.cost - before.cost + best.cost)
        limit = (
            "" if planner.within_slowdown(slower) else f" (limit {_percent_of(planner.goal.slowdown)} for the model)"
        )
        drawbacks.append(f"costs{_cycles(before, best, ' ')}{limit}")
    rest = f" but {' and '.join(drawbacks)}" if drawbacks else _cycles(before, best, ", ")
    return f"not chosen: {'+'.join(sorted(best.methods))} {_saving(before, best)}{rest}"


def _saving(before: Option, after: Option) -> str:
    """`saves 1,240 bytes`."""
    saved = before.nbytes - after.nbytes
    return f"{'saves' if saved >= 0 else 'adds'} {quantity(abs(saved), 'byte')}"


def _cycles(before: Option, after: Option, lead: str) -> str:
    """`+0.3 % cycles` after `lead`; nothing where cycles are not known."""
    return f"{lead}{change(after.cost.cycles, before.cost.cycles)} cycles" if before.cost.cycles > 0 else ""


def _percent_of(slowdown: float) -> str:
    """`10 %` for a factor of 1.1."""
    return f"{100 * (slowdown - 1):.3g} %"


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
