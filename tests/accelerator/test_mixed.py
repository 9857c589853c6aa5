"""Digits a layer: the published order, and the best choice under a limit."""

from __future__ import annotations

import csv
import json
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.accelerator.test_published import GOLDEN
from wpconvert.accelerator.mixed import least_error, published_order
from wpconvert.errors import BudgetError
from wpconvert.job.digits import Times, with_least_error

ORDERS = GOLDEN / "msd_adaptive.json"


@pytest.mark.parametrize(("name", "column"), [("resnet18", 1), ("vgg16", 1), ("resnet50", 2)])
def test_order_is_the_published_one_with_cycles_compared_as_numbers(name: str, column: int) -> None:
    if not ORDERS.exists():
        pytest.skip(f"{ORDERS} is not there: published orders are not part of the repository")
    expected = json.loads(ORDERS.read_text())[name]
    with (GOLDEN / "msd_tables" / f"aux_ultra96_{name}.csv").open() as file:
        rows = [row for row in csv.reader(file) if len(row) > column and row[column].strip()]
    found = [int(row[column]) for row in rows]
    cycles = [found[first : first + 3] for first in range(0, len(found), 3)]
    steps = published_order(cycles, expected["baseline"])
    assert [[step.layer, step.digits, round(step.speedup, 6)] for step in steps] == expected["greedy_numeric"]


few = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
LAYERS = st.lists(
    st.tuples(
        st.lists(st.integers(1, 60), min_size=4, max_size=4).map(sorted),
        st.lists(st.floats(0, 1), min_size=4, max_size=4).map(lambda errors: sorted(errors, reverse=True)),
    ),
    min_size=1,
    max_size=5,
)


@few
@given(LAYERS, st.integers(1, 300))
def test_no_choice_within_the_limit_has_a_smaller_error(
    layers: list[tuple[list[int], list[float]]], limit: int
) -> None:
    cycles, errors = [list(each) for each in zip(*layers, strict=True)]
    every = [
        sum(row[d - 1] for row, d in zip(errors, choice, strict=True))
        for choice in product((1, 2, 3, 4), repeat=len(layers))
        if sum(row[d - 1] for row, d in zip(cycles, choice, strict=True)) <= limit
    ]
    found = least_error(cycles, errors, limit)
    assert (found is None) == (not every)
    if found is not None:
        assert sum(row[d - 1] for row, d in zip(cycles, found, strict=True)) <= limit
        assert sum(row[d - 1] for row, d in zip(errors, found, strict=True)) == pytest.approx(min(every))


@few
@given(
    st.lists(st.lists(st.integers(1, 1 << 40), min_size=4, max_size=4).map(sorted), min_size=2, max_size=5), st.data()
)
def test_rounded_cycles_keep_the_limit(cycles: list[list[int]], data: st.DataObject) -> None:
    choice = [data.draw(st.integers(0, 3)) for _ in cycles]
    # One cycle too few for this choice, or just enough.
    limit = sum(row[d] for row, d in zip(cycles, choice, strict=True)) - data.draw(st.integers(0, 1))
    found = least_error(cycles, [[3.0, 2.0, 1.0, 0.0]] * len(cycles), limit)
    assert (found is None) == (sum(row[0] for row in cycles) > limit)
    if found is not None:
        assert sum(row[d - 1] for row, d in zip(cycles, found, strict=True)) <= limit


def test_rounded_cycles_never_keep_all_digits_from_layers_that_have_time_for_them() -> None:
    limit = (1 << 15) + 1
    assert least_error([[1, limit - 2, limit - 1, limit]], [[3.0, 2.0, 1.0, 0.0]], limit) == [4]


def test_layers_that_share_a_weight_have_the_same_digits() -> None:
    times = Times([[10, 20, 30, 40], [10, 20, 30, 40], [50, 50, 50, 50]], 150)
    errors = [[4.0, 3.0, 2.0, 0.0], [4.0, 3.0, 2.0, 0.0], [9.0, 5.0, 1.0, 0.0]]
    assert with_least_error(times, errors, ["a", "b", "c"], 1.5) in ([1, 4, 4], [4, 1, 4])
    assert with_least_error(times, errors, ["a", "a", "c"], 1.5) == [2, 2, 4]


def test_layer_whose_weights_cannot_be_changed_keeps_four_digits() -> None:
    times = Times([[10, 20, 30, 40], [10, 20, 30, 40]], 80)
    errors = [[float("inf")] * 3 + [0.0], [4.0, 3.0, 2.0, 0.0]]
    assert with_least_error(times, errors, ["a", "b"], 1.3) == [4, 2]
    with pytest.raises(BudgetError, match=r"--speedup 2: the most for this model is 1\.60"):
        with_least_error(times, errors, ["a", "b"], 2)
