"""The solver against trying everything."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from wpconvert.plan.solver import Item, Solver, totals

ITEMS = st.lists(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 50).map(float)), min_size=1, max_size=4),
    min_size=1,
    max_size=5,
)


def everything(items: list[Item]) -> list[tuple[int, float]]:
    return [totals(items, picks) for picks in product(*(range(len(item)) for item in items))]


@settings(max_examples=200, deadline=None)
@given(ITEMS, st.integers(0, 250))
def test_smallest_has_the_fewest_bytes_within_the_cost(items: list[Item], cost: int) -> None:
    allowed = [nbytes for nbytes, price in everything(items) if price <= cost]
    picks = Solver(items).smallest(cost)
    assert (picks is None) == (not allowed)
    if picks is not None:
        assert totals(items, picks)[1] <= cost
        assert totals(items, picks)[0] == min(allowed)


@settings(max_examples=200, deadline=None)
@given(ITEMS, st.integers(0, 2000))
def test_cheapest_has_the_least_cost_within_the_bytes(items: list[Item], limit: int) -> None:
    allowed = [price for nbytes, price in everything(items) if nbytes <= limit]
    picks = Solver(items).cheapest(limit)
    assert (picks is None) == (not allowed)
    if picks is not None:
        assert totals(items, picks)[0] <= limit
        assert totals(items, picks)[1] == min(allowed)


def test_many_large_items_keep_to_the_limits_and_come_close_to_the_bound() -> None:
    items = [[(1_000_000 + 7919 * i, 1.0), (400_000 + 104_729 * i % 300_000, 1.0 + i % 13)] for i in range(60)]
    solver = Solver(items)
    limit = 200.0
    picks = solver.smallest(limit)
    assert picks is not None
    nbytes, cost = totals(items, picks)
    assert cost <= limit
    # What a fraction of one item more could save is all that the exact solution can be better by.
    gains = sorted(((a[0] - b[0]) / (b[1] - a[1]), a[0] - b[0]) for a, b in items if b[1] > a[1])
    free = sum(min(n for n, _ in item) for item in items)
    assert nbytes < free + sum(gain for _, gain in gains)
    room = solver.cheapest(nbytes)
    assert room is not None
    assert totals(items, room)[0] <= nbytes
