"""The search over sets of names against trying everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wpconvert.codecs import STANDALONE
from wpconvert.plan.costs import Code
from wpconvert.plan.relaxed import INF
from wpconvert.plan.search import Candidate, Limits, Search
from wpconvert.plan.solver import Picks

NAMES = ("A", "WP_A", "B", "WP_B", "rle", "dcsr")
CODE = st.sampled_from([frozenset(s) for s in (["A"], ["B"], ["WP_A", "rle"], ["WP_A", "dcsr"], ["WP_B", "rle"], [])])
CANDIDATES = st.builds(
    Candidate, st.integers(0, 400), st.integers(0, 50).map(float), st.integers(0, 50).map(float), CODE
)
ITEMS = st.lists(st.lists(CANDIDATES, min_size=1, max_size=4), min_size=1, max_size=4)
CHARGES = st.lists(
    st.builds(Code, st.integers(0, 300), st.sets(st.sampled_from(NAMES), max_size=3).map(frozenset)), max_size=5
)
ALWAYS = st.sets(st.sampled_from(NAMES), max_size=2).map(frozenset)

Plan = tuple[tuple[Candidate, ...], int]


def everything(items: Sequence[Sequence[Candidate]], charges: Sequence[Code], always: frozenset[str]) -> Iterator[Plan]:
    """All plans with the bytes of their code."""
    for chosen in product(*items):
        names = always.union(*(c.code for c in chosen))
        yield chosen, sum(charge.nbytes for charge in charges if charge.needed(names))


def nbytes(chosen: Sequence[Candidate]) -> int:
    return sum(c.nbytes for c in chosen)


def cycles(chosen: Sequence[Candidate]) -> float:
    return sum(c.cycles for c in chosen)


@settings(max_examples=300, deadline=None)
@given(ITEMS, CHARGES, ALWAYS, st.integers(0, 150), st.integers(0, 20))
def test_smallest_counts_code_once_and_keeps_to_the_limit(
    items: list[list[Candidate]], charges: list[Code], always: frozenset[str], limit: int, price: int
) -> None:
    # One limit is solved exactly; of two, mixes are.
    items = [[Candidate(c.nbytes, c.cycles, c.cycles, c.code) for c in item] for item in items]
    allowed = [
        nbytes(chosen) + code + price * cycles(chosen)
        for chosen, code in everything(items, charges, always)
        if cycles(chosen) <= limit
    ]
    search = Search(items, charges, always)
    picks = search.smallest(Limits(limit, limit), price)
    assert (picks is None) == (not allowed)
    if picks is not None:
        chosen = [item[pick] for item, pick in zip(items, picks, strict=True)]
        assert cycles(chosen) <= limit
        assert nbytes(chosen) + search.code_nbytes(picks) + price * cycles(chosen) == min(allowed)


@settings(max_examples=300, deadline=None)
@given(ITEMS, CHARGES, ALWAYS, st.integers(0, 150), st.integers(0, 150))
def test_both_limits_hold(
    items: list[list[Candidate]], charges: list[Code], always: frozenset[str], most: int, instructions: int
) -> None:
    search = Search(items, charges, always)
    picks = search.smallest(Limits(most, instructions))
    if picks is not None:
        chosen = [item[pick] for item, pick in zip(items, picks, strict=True)]
        assert cycles(chosen) <= most and sum(c.instructions for c in chosen) <= instructions


@settings(max_examples=300, deadline=None)
@given(ITEMS, CHARGES, ALWAYS, st.integers(0, 1500), st.booleans())
def test_room_holds_with_code_whether_that_counts_or_not(
    items: list[list[Candidate]], charges: list[Code], always: frozenset[str], room: int, linked: bool
) -> None:
    plans = [(c, code) for c, code in everything(items, charges, always) if nbytes(c) + code <= room]
    search = Search(items, charges, always)
    smallest = search.smallest(Limits(INF, INF), linked=linked, room=room)
    fastest = search.cheapest(room)
    assert (smallest is None) == (fastest is None) == (not plans)
    if smallest is not None and fastest is not None:
        chosen = [item[pick] for item, pick in zip(items, smallest, strict=True)]
        own = search.code_nbytes(smallest)
        assert nbytes(chosen) + own <= room
        assert nbytes(chosen) + linked * own == min(nbytes(c) + linked * code for c, code in plans)
        chosen = [item[pick] for item, pick in zip(items, fastest, strict=True)]
        assert nbytes(chosen) + search.code_nbytes(fastest) <= room
        assert cycles(chosen) == min(cycles(c) for c, _ in plans)


@settings(max_examples=200, deadline=None)
@given(ITEMS, CHARGES, ALWAYS)
def test_front_has_the_best_plan_at_its_ends(
    items: list[list[Candidate]], charges: list[Code], always: frozenset[str]
) -> None:
    search = Search(items, charges, always)
    found = [[item[pick] for item, pick in zip(items, picks, strict=True)] for picks in search.front(linked=True)]
    codes = [search.code_nbytes(picks) for picks in search.front(linked=True)]
    plans = list(everything(items, charges, always))
    assert nbytes(found[0]) + codes[0] == min(nbytes(c) + code for c, code in plans)
    assert cycles(found[-1]) == min(cycles(c) for c, _ in plans)


def of_two_hundred_layers(seed: int) -> list[list[Candidate]]:
    generator = np.random.default_rng(seed)
    items = []
    for index in range(200):
        operator = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")[index % 3]
        size, time_taken, density = int(generator.integers(300, 20_000)), generator.random() / 100, generator.random()
        item = [Candidate(size, time_taken, time_taken, frozenset({operator}))]
        for codec in sorted(STANDALONE):
            taken = time_taken * (0.5 + 1.5 * generator.random())
            shrunk = int(size * (0.8 * density + 0.2 * generator.random())) + 50
            item.append(Candidate(shrunk, taken, taken, frozenset({f"WP_{operator}", codec})))
        items.append(item)
    return items


def test_large_models_leave_few_sets_of_names_to_solve(monkeypatch: pytest.MonkeyPatch) -> None:
    charges = [
        Code(1000 + 500 * i, frozenset({name}))
        for i, name in enumerate(
            [
                *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
                *("WP_CONV_2D", "WP_DEPTHWISE_CONV_2D", "WP_FULLY_CONNECTED"),
                *sorted(STANDALONE),
            ]
        )
    ]
    solved = []
    within = Search._within

    def counted(search: Search, index: int, limits: Limits, price: float) -> Picks | None:
        solved.append(index)
        return within(search, index, limits, price)

    monkeypatch.setattr(Search, "_within", counted)
    search = Search(of_two_hundred_layers(1), charges)
    assert search.smallest(Limits(1.1, 1.1)) is not None
    assert len(solved) <= 20
