"""Layouts: sound, never below the peak, the search never worse than greedy and exact where everything can be tried."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wpconvert.codecs.alignment import ALIGNMENT
from wpconvert.memory import exact
from wpconvert.memory.buffers import Buffer, Layout, peak
from wpconvert.memory.greedy import greedy, place, stock


@st.composite
def _buffer(draw: st.DrawFn, steps: int = 8) -> Buffer:
    first = draw(st.integers(0, steps - 1))
    return Buffer(16 * draw(st.integers(0, 12)), first, draw(st.integers(first, steps - 1)))


def is_sound(buffers: Sequence[Buffer], layout: Layout) -> bool:
    """Whether all offsets are aligned and inside, and no buffers in use at the same step overlap."""
    placed = list(zip(buffers, layout.offsets, strict=True))
    if any(at < 0 or at % ALIGNMENT or at + buffer.nbytes > layout.nbytes for buffer, at in placed):
        return False
    return not any(
        a.first <= b.last and b.first <= a.last and at < other + b.nbytes and other < at + a.nbytes
        for i, (a, at) in enumerate(placed)
        for b, other in placed[:i]
    )


@given(st.lists(_buffer(), max_size=12))
@settings(max_examples=150, deadline=None)
def test_every_layout_is_sound_and_the_search_is_never_worse_than_greedy(buffers: list[Buffer]) -> None:
    layouts = [stock(buffers), greedy(buffers), exact.plan(buffers, max_nodes=2000)]
    for layout in layouts:
        assert is_sound(buffers, layout)
        assert layout.nbytes >= peak(buffers)
    assert layouts[2].nbytes <= layouts[1].nbytes <= place(buffers, _by_size(buffers)).nbytes


@given(st.lists(_buffer(steps=4), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_search_finds_the_smallest_layout(buffers: list[Buffer]) -> None:
    """Some order, placed greedily, gives the smallest layout: by rising offset in it."""
    smallest = min(place(buffers, order).nbytes for order in permutations(range(len(buffers))))
    assert exact.plan(buffers).nbytes == smallest


def test_the_search_beats_greedy_orders() -> None:
    sizes = [(112, 5, 7), (176, 7, 9), (48, 5, 7), (160, 3, 5), (16, 2, 3), (128, 4, 7), (176, 1, 2), (96, 4, 5)]
    buffers = [Buffer(*size) for size in sizes]
    assert (exact.plan(buffers).nbytes, greedy(buffers).nbytes, peak(buffers)) == (544, 560, 544)


def test_the_stock_planner_leaves_a_hole_that_ours_does_not() -> None:
    chain = [Buffer(27648, 0, 0), Buffer(18432, 0, 1), Buffer(18432, 1, 2), Buffer(36864, 2, 3)]
    assert (stock(chain).nbytes, exact.plan(chain).nbytes) == (73728, 55296)


def test_fixed_buffers_stay_and_others_fill_the_gaps() -> None:
    buffers = [Buffer(16, 0, 1), Buffer(32, 0, 1), Buffer(48, 1, 1)]
    assert stock(buffers, {0: 48}) == Layout((48, 64, 0), 96)


@pytest.mark.parametrize(("offsets", "nbytes"), [((0, 8), 64), ((0, 0), 64), ((0, 16), 32), ((-16, 16), 64)])
def test_unsound_layouts_are_told(offsets: tuple[int, int], nbytes: int) -> None:
    buffers = [Buffer(16, 0, 1), Buffer(32, 1, 2)]
    assert not is_sound(buffers, Layout(offsets, nbytes))
    assert is_sound(buffers, Layout((0, 16), 48))


def _by_size(buffers: list[Buffer]) -> list[int]:
    return sorted(range(len(buffers)), key=lambda i: -buffers[i].nbytes)
