"""The planner's promises, with costs made up for the test: what it optimises, what it keeps to, what it says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.tflite.harness import sparse
from wpconvert.codecs import CODECS
from wpconvert.errors import BudgetError
from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.model.rules import Choice
from wpconvert.model.weight import Weight
from wpconvert.plan import planner as module
from wpconvert.plan.costs import Code, CostModel, Piece
from wpconvert.plan.goal import BALANCED, SIZE, SPEED, Goal
from wpconvert.plan.planner import Planner, Point

FILE = 100_000
SPEEDS = {"dense": 10.0, "rle": 30.0, "dcsr": 12.0}
"""Cycles of an output, by codec; others take 100."""


def made_up() -> CostModel:
    families = {
        f"FULLY_CONNECTED {name}": (
            Piece({}, {"outputs": SPEEDS.get(name, 100.0)}, {"outputs": SPEEDS.get(name, 100.0)}),
        )
        for name in CODECS
    }
    families["interpreter"] = (Piece({}, {"once": 0.0}, {"once": 0.0}),)
    code = (Code(5000, frozenset()), *(Code(1000, frozenset({name})) for name in CODECS))
    return CostModel("Test", families, code)


@pytest.fixture(autouse=True)
def costs(monkeypatch: pytest.MonkeyPatch) -> CostModel:
    found = made_up()
    monkeypatch.setattr(module, "load_costs", lambda _: found)
    return found


def weight(index: int, zeros: float = 0.9, rows: int = 64) -> Weight:
    values = sparse(index, (rows, 64), zeros)
    storage = Storage(PLAIN, rows, 64, int(np.count_nonzero(values)), values.nbytes)
    layer = Layer("FULLY_CONNECTED", 1, (1, 1, 64), (1, 1, rows), weights=storage)
    operators = ("FULLY_CONNECTED",)
    return Weight(
        f"0:{index}", f"w{index}", operators, (rows, 64), "INT8", values.nbytes, values, storage=index, layers=(layer,)
    )


def planner(goal: Goal, *methods: str) -> Planner:
    choices = [Choice(weight(i, 0.6 + 0.1 * i, 32 << i), method, 0.0) for i, method in enumerate(methods)]
    layers = [layer for choice in choices for layer in choice.weight.layers]
    return Planner(choices, layers, goal, FILE)


AUTO = ("auto", "auto", "auto")
GOAL = Goal("board", "Test")


def plan(goal: Goal, *methods: str) -> Point:
    return planner(goal, *(methods or AUTO)).plan()


def test_size_takes_the_fewest_bytes_of_all_plans() -> None:
    found = planner(replace(GOAL, optimize=SIZE), *AUTO)
    assert found.plan().nbytes == sum(min(o.nbytes for o in item.options) for item in found.items)


def test_speed_is_never_slower_than_the_dense_model() -> None:
    found = planner(replace(GOAL, optimize=SPEED), *AUTO)
    assert found.plan().cost.cycles == found.dense.cycles


@pytest.mark.parametrize("slowdown", [1.0, 1.1, 1.2, 2.0, 5.0])
def test_balanced_keeps_to_the_slowdown_and_gives_bytes_for_it(slowdown: float) -> None:
    found = planner(replace(GOAL, max_slowdown=slowdown), *AUTO)
    point = found.plan()
    assert found.within_slowdown(point)
    assert point.cost.cycles <= slowdown * found.dense.cycles * (1 + 1e-6)
    assert point.nbytes <= plan(replace(GOAL, max_slowdown=max(1.0, slowdown - 0.1))).nbytes


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
    with pytest.raises(BudgetError, match=r"no plan fits --flash .* and --max-slowdown 1 together"):
        plan(replace(GOAL, flash_nbytes=limit, max_slowdown=1.0))


def test_missing_flash_is_told_in_bytes() -> None:
    found = planner(replace(GOAL, flash_nbytes=1 << 30), *AUTO)
    smallest = found.smallest()
    limit = smallest.nbytes + found.rest_nbytes + smallest.code_nbytes - 123
    with pytest.raises(BudgetError, match=r"^123 bytes of flash are missing: the smallest plan takes "):
        plan(replace(GOAL, flash_nbytes=limit))


def test_slowdown_below_what_is_possible_names_the_fastest_plan() -> None:
    with pytest.raises(BudgetError, match=r"no plan keeps to --max-slowdown 0.5; the fastest one takes 1.00 ×"):
        plan(replace(GOAL, max_slowdown=0.5))


def test_front_runs_from_the_smallest_to_the_fastest_plan_and_holds_no_beaten_one() -> None:
    found = planner(GOAL, *AUTO)
    front = found.front()
    assert front[0].nbytes == plan(replace(GOAL, optimize=SIZE)).nbytes
    assert front[-1].cost.cycles == plan(replace(GOAL, optimize=SPEED)).cost.cycles
    for one, next_one in pairwise(front):
        assert one.nbytes < next_one.nbytes and one.cost.cycles > next_one.cost.cycles
    assert len(found.front(3)) <= 3


def test_weights_that_share_storage_are_chosen_together() -> None:
    one = weight(1)
    choices = [Choice(replace(one, key=f"0:{i}"), "auto", 0.0) for i in range(2)]
    layers = [layer for choice in choices for layer in choice.weight.layers]
    found = Planner(choices, layers, replace(GOAL, optimize=SIZE), FILE)
    assert len(found.items) == 1
    assert len(set(found.plan().methods)) == 1


def test_threshold_and_what_cannot_shrink_leave_one_option_with_its_reason() -> None:
    choice = Choice(weight(1, zeros=0.5), "auto", 0.9)
    (item,) = Planner([choice], list(choice.weight.layers), GOAL, FILE).items
    assert len(item.options) == 1
    assert "below the threshold" in str(item.options[0].outcomes[0].reason)
    assert GOAL.optimize == BALANCED
