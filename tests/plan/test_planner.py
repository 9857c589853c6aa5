"""The planner's promises, with costs made up for the test: what it optimises, what it keeps to, what it says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from tests.tflite.harness import sparse
from wpconvert.codecs import CODECS
from wpconvert.errors import BudgetError, UnsupportedError
from wpconvert.model.goal import BALANCED, FILE, SIZE, SPEED, WORTH, Goal
from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.model.rules import Choice
from wpconvert.model.weight import Rewritable
from wpconvert.plan import planner as module
from wpconvert.plan.costs import Code, CostModel
from wpconvert.plan.explain import explain
from wpconvert.plan.planner import Planner, Point
from wpconvert.plan.relaxed import INF

FILE_NBYTES = 100_000
SPEEDS = {"dense": 10.0, "rle": 30.0, "dcsr": 12.0}
"""Cycles of an output, by codec; others take 100."""


def made_up() -> CostModel:
    families = frozenset({"FULLY_CONNECTED in place", "FULLY_CONNECTED dots"})
    weights = {f"dot {name}: rows": (SPEEDS.get(name, 100.0), SPEEDS.get(name, 100.0)) for name in CODECS}
    weights |= {"FULLY_CONNECTED in place: outputs": (SPEEDS["dense"], SPEEDS["dense"]), "interpreter": (0.0, 0.0)}
    weights |= dict.fromkeys(("table: once", "tables of huffman: once"), (0.0, 0.0))
    code = (Code(5000, frozenset()), *(Code(1000, frozenset({name})) for name in CODECS))
    return CostModel("Test", families, weights, code)


@pytest.fixture(autouse=True)
def costs(monkeypatch: pytest.MonkeyPatch) -> CostModel:
    found = made_up()
    monkeypatch.setattr(module, "load_costs", lambda *_: found)
    return found


def weight(index: int, zeros: float = 0.9, rows: int = 64) -> Rewritable:
    values = sparse(index, (rows, 64), zeros)
    storage = Storage(PLAIN, rows, 64, int(np.count_nonzero(values)))
    layer = Layer("FULLY_CONNECTED", 1, (1, 1, 64), (1, 1, rows), weights=storage)
    operators = ("FULLY_CONNECTED",)
    described = (f"0:{index}", f"w{index}", operators, (rows, 64), "INT8", values.nbytes)
    return Rewritable(*described, values=values, storage=index, layers=(layer,))


def planner(goal: Goal, *methods: str) -> Planner:
    choices = [Choice(weight(i, 0.6 + 0.1 * i, 32 << i), method, 0.0) for i, method in enumerate(methods)]
    layers = [layer for choice in choices for layer in choice.weight.layers]
    return Planner.from_choices(choices, layers, goal, FILE_NBYTES)


AUTO = ("auto", "auto", "auto")
GOAL = Goal("board", "Test")


def plan(goal: Goal, *methods: str) -> Point:
    return planner(goal, *(methods or AUTO)).plan()


def everything(found: Planner) -> list[Point]:
    """Every plan there is."""
    return [
        found.point_of([outcome for option in options for outcome in option.outcomes])
        for options in product(*(item.options for item in found.items))
    ]


def test_file_takes_the_fewest_bytes_of_all_plans_whatever_code_they_need() -> None:
    found = planner(replace(GOAL, optimize=FILE, max_slowdown=INF), *AUTO)
    assert found.plan().nbytes == sum(min(o.nbytes for o in item.options) for item in found.items)


def test_size_takes_the_least_flash_of_all_plans() -> None:
    found = planner(replace(GOAL, optimize=SIZE), *AUTO)
    assert found.plan().flash_nbytes == min(point.flash_nbytes for point in everything(found))


def test_speed_is_never_slower_than_the_dense_model() -> None:
    found = planner(replace(GOAL, optimize=SPEED), *AUTO)
    assert found.plan().cost.cycles == found.dense.cycles


@pytest.mark.parametrize("slowdown", [1.0, 1.1, 1.2, 2.0, 5.0])
def test_balanced_keeps_to_the_slowdown_and_gives_bytes_for_it(slowdown: float) -> None:
    found = planner(replace(GOAL, max_slowdown=slowdown), *AUTO)
    point = found.plan()
    assert found.within_slowdown(point)
    assert point.cost.cycles <= slowdown * found.dense.cycles * (1 + 1e-6)
    assert point.flash_nbytes <= found.dense_point().flash_nbytes
    assert point.flash_nbytes <= plan(replace(GOAL, max_slowdown=max(1.0, slowdown - 0.1))).flash_nbytes


@pytest.mark.parametrize("slowdown", [1.1, 1.5, 2.0, 5.0])
def test_balanced_pays_with_time_only_what_the_flash_is_worth(slowdown: float) -> None:
    found = planner(replace(GOAL, max_slowdown=slowdown), *AUTO)
    dense = found.dense_point()
    flash = found.rest_nbytes + dense.flash_nbytes

    def paid(point: Point) -> float:
        return point.flash_nbytes / flash + WORTH * point.cost.cycles / found.dense.cycles

    within = [point for point in everything(found) if found.within_slowdown(point)]
    assert paid(found.plan()) == pytest.approx(min(paid(point) for point in within))


def test_time_is_not_bought_with_more_flash_than_the_model_takes_as_it_is(
    costs: CostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster = {**costs.weights, "dot rle: rows": (1.0, 1.0)}
    monkeypatch.setattr(module, "load_costs", lambda *_: replace(costs, weights=faster))
    choices = [Choice(weight(0, 0.9, 8), "auto", 0.0)]
    found = Planner.from_choices(choices, list(choices[0].weight.layers), GOAL, FILE_NBYTES)
    assert found.plan().flash_nbytes <= found.dense_point().flash_nbytes
    assert replace(found, goal=replace(GOAL, optimize=SPEED)).plan().flash_nbytes > found.dense_point().flash_nbytes


def test_codec_for_one_weight_is_not_linked_where_its_code_takes_more_than_it_saves() -> None:
    choices = [Choice(weight(0, 0.9, 8), "auto", 0.0)]
    found = Planner.from_choices(choices, list(choices[0].weight.layers), replace(GOAL, max_slowdown=INF), FILE_NBYTES)
    assert found.plan().methods == [PLAIN]
    assert replace(found, goal=replace(GOAL, optimize=FILE, max_slowdown=INF)).plan().methods != [PLAIN]


def test_what_any_rewriting_adds_to_the_file_is_paid_once() -> None:
    found = planner(replace(GOAL, optimize=SIZE), *AUTO)
    saved = found.dense_point().flash_nbytes - found.plan().flash_nbytes
    assert saved > 0
    assert replace(found, rewriting_nbytes=saved - 50).plan().methods == found.plan().methods
    assert set(replace(found, rewriting_nbytes=10 * saved).plan().methods) == {PLAIN}


def test_rules_keep_their_method_and_the_planner_chooses_around_them() -> None:
    methods = plan(GOAL, "rle", "auto", "none").methods
    assert methods[0] == "rle" and methods[2] == PLAIN


def test_plan_within_the_flash_counts_the_code_of_its_codecs() -> None:
    least = plan(replace(GOAL, optimize=SIZE, flash_nbytes=1 << 30))
    found = planner(GOAL, *AUTO)
    total = least.nbytes + found.rest_nbytes + least.code_nbytes
    for limit in (total, total + 500, total + 3000):
        point = plan(replace(GOAL, optimize=SPEED, flash_nbytes=limit))
        assert point.nbytes + found.rest_nbytes + point.code_nbytes <= limit


def test_slowdown_that_nobody_asked_for_gives_way_to_the_flash() -> None:
    found = planner(replace(GOAL, flash_nbytes=1 << 30), *AUTO)
    smallest = found.smallest()
    limit = smallest.nbytes + found.rest_nbytes + smallest.code_nbytes
    point = plan(replace(GOAL, flash_nbytes=limit))
    assert not found.within_slowdown(point)
    with pytest.raises(
        BudgetError, match=r"no plan meets both --flash .* and --max-slowdown 1; the smallest plan takes"
    ):
        plan(replace(GOAL, flash_nbytes=limit, max_slowdown=1.0))


def test_missing_flash_is_told_in_bytes() -> None:
    found = planner(replace(GOAL, flash_nbytes=1 << 30), *AUTO)
    smallest = found.smallest()
    limit = smallest.nbytes + found.rest_nbytes + smallest.code_nbytes - 123
    with pytest.raises(
        BudgetError, match=r"^needs 123 bytes more flash than --flash [\d,]+ allows; the smallest plan takes "
    ):
        plan(replace(GOAL, flash_nbytes=limit))


def test_slowdown_below_what_is_possible_names_the_fastest_plan() -> None:
    with pytest.raises(BudgetError, match=r"no plan meets --max-slowdown 0.5; the fastest plan takes 1.00 ×"):
        plan(replace(GOAL, max_slowdown=0.5))


def test_default_limit_is_relaxed_for_the_flash_and_the_note_says_so() -> None:
    smallest = planner(replace(GOAL, flash_nbytes=1 << 30), *AUTO).smallest()
    goal = replace(GOAL, flash_nbytes=smallest.flash_nbytes + planner(GOAL, *AUTO).rest_nbytes)
    found = planner(goal, *AUTO)
    point = found.plan()
    _, notes = explain(found, point, [outcome for option in point.options for outcome in option.outcomes])
    slowdown = point.cost.cycles / found.dense.cycles
    relaxed = (
        f"the default 10 % limit is relaxed: no faster plan fits --flash; this one takes {slowdown:.2f} × the cycles"
    )
    assert slowdown > 1.1 and relaxed in notes


def test_front_runs_from_the_smallest_to_the_fastest_plan_and_holds_no_beaten_one() -> None:
    found = planner(GOAL, *AUTO)
    front = found.front()
    assert front[0].flash_nbytes == plan(replace(GOAL, optimize=SIZE)).flash_nbytes
    assert front[-1].cost.cycles == plan(replace(GOAL, optimize=SPEED)).cost.cycles
    for one, next_one in pairwise(front):
        assert one.flash_nbytes < next_one.flash_nbytes and one.cost.cycles > next_one.cost.cycles
    assert len(found.front(3)) <= 3


def test_weights_that_share_storage_are_chosen_together() -> None:
    one = weight(1)
    choices = [Choice(replace(one, key=f"0:{i}"), "auto", 0.0) for i in range(2)]
    layers = [layer for choice in choices for layer in choice.weight.layers]
    found = Planner.from_choices(choices, layers, replace(GOAL, optimize=SIZE), FILE_NBYTES)
    assert len(found.items) == 1
    assert len(set(found.plan().methods)) == 1


def test_threshold_and_what_cannot_shrink_leave_one_option_with_its_reason() -> None:
    choice = Choice(weight(1, zeros=0.5), "auto", 0.9)
    (item,) = Planner.from_choices([choice], list(choice.weight.layers), GOAL, FILE_NBYTES).items
    assert len(item.options) == 1
    assert "below the threshold" in str(item.options[0].outcomes[0].reason)
    assert GOAL.optimize == BALANCED


def without(costs: CostModel, *codecs: str) -> CostModel:
    """The cost model of a core for which these were not calibrated."""
    lacking = {f"dot {codec}: rows" for codec in codecs}
    return replace(costs, weights={name: pair for name, pair in costs.weights.items() if name not in lacking})


def test_codec_that_was_not_calibrated_is_left_out_with_a_note(
    costs: CostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = replace(GOAL, optimize=FILE, max_slowdown=INF)
    usual = set(plan(goal).methods)
    monkeypatch.setattr(module, "load_costs", lambda *_: without(costs, *usual))
    found = planner(goal, *AUTO)
    point = found.plan()
    assert usual.isdisjoint(point.methods) and set(point.methods) != {PLAIN}
    assert found.unknown == ()
    _, notes = explain(found, point, [outcome for option in point.options for outcome in option.outcomes])
    (note,) = notes
    assert note.startswith("not considered, because Test has no cost data for them: ")
    assert all(f"FULLY_CONNECTED with {codec}" in note for codec in usual)


def test_weights_without_times_keep_the_method_that_was_chosen_and_the_forecast_leaves_them_out(
    costs: CostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = planner(GOAL, "rle", "auto", "auto")
    monkeypatch.setattr(module, "load_costs", lambda *_: without(costs, "rle"))
    found = planner(GOAL, "rle", "auto", "auto")
    assert found.plan().methods[0] == "rle"
    assert found.unknown == ("FULLY_CONNECTED with rle",)
    known = usual.items[0].weights[0].layers[0]
    cost = costs.cost(known)
    assert cost is not None
    assert found.dense.cycles == usual.dense.cycles - cost.cycles
    assert found.plan().cost.cycles <= 1.1 * found.dense.cycles
    with pytest.raises(
        UnsupportedError,
        match=r"--max-slowdown 0.9 requires a faster model, but .* no data for FULLY_CONNECTED with rle",
    ):
        replace(found, goal=replace(GOAL, max_slowdown=0.9)).plan()


def test_weights_whose_operator_has_no_times_are_not_rewritten_unasked(
    costs: CostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_costs", lambda *_: replace(costs, families=frozenset()))
    found = planner(replace(GOAL, optimize=SIZE), *AUTO)
    assert set(found.plan().methods) == {PLAIN}
    assert found.unknown == ("FULLY_CONNECTED in place",)


@pytest.mark.parametrize("optimize", [BALANCED, SIZE, FILE])
def test_limit_is_kept_by_what_a_prediction_may_be_off(
    optimize: str, costs: CostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_costs", lambda *_: replace(costs, uncertainty=0.05))
    for limit in (1.04, 1.1, 1.2, 2.0):
        found = planner(replace(GOAL, optimize=optimize, max_slowdown=limit), *AUTO)
        point = found.plan()
        assert set(point.methods) == {PLAIN} or 1.05 * point.cost.cycles <= limit * found.dense.cycles * (1 + 1e-6)
    # What is not rewritten is no slower than it is; where a limit cannot be kept by that much it is kept to.
    assert set(planner(replace(GOAL, optimize=optimize, max_slowdown=1.0), *AUTO).plan().methods) == {PLAIN}
    slowest = planner(replace(GOAL, optimize=None), "rle", "rle", "rle").plan()
    limit = slowest.cost.cycles / planner(GOAL, "rle", "rle", "rle").dense.cycles
    planner(replace(GOAL, optimize=None, max_slowdown=limit), "rle", "rle", "rle").plan()
