"""Batches come in order from a thread that stays a little ahead, and so do errors."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from wptrain.data.ahead import batches
from wptrain.data.draws import Key
from wptrain.data.memory import Images
from wptrain.data.module import Batch, SplitName
from wptrain.data.sets import digits
from wptrain.errors import DataError


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first index of each batch that was made; a batch with sample BAD fails."""
    firsts: list[int] = []
    original = Images.batch

    def batch(self: Images, split: SplitName, indices: NDArray[np.int64], key: Key | None = None) -> Batch:
        if BAD in indices:
            raise DataError("bad sample")
        firsts.append(int(indices[0]))
        return original(self, split, indices, key)

    monkeypatch.setattr(Images, "batch", batch)
    return firsts


BAD = 16
PARTS = [np.arange(start, start + 3) for start in range(0, 30, 3)]


def test_batches_are_those_of_the_module_in_order() -> None:
    module = digits.load()
    found = list(batches(module, "train", PARTS, Key(1, 2)))
    assert len(found) == len(PARTS)
    for part, batch in zip(PARTS, found, strict=True):
        assert np.array_equal(batch.samples, module.batch("train", part, Key(1, 2)).samples)
    assert list(batches(module, "test", [])) == []


def test_no_more_than_two_batches_are_made_in_advance(made: list[int]) -> None:
    threads = threading.active_count()
    with closing(batches(digits.load(), "train", PARTS)) as taken:
        next(taken)
        next(taken)
    assert made[:2] == [0, 3]
    assert len(made) <= 4
    assert threading.active_count() == threads


def test_an_error_comes_when_it_is_its_turn(made: list[int]) -> None:
    taken = batches(digits.load(), "train", PARTS)
    for _ in range(BAD // 3):
        next(taken)
    with pytest.raises(DataError, match="bad sample"):
        next(taken)
    assert made[:5] == [0, 3, 6, 9, 12]
