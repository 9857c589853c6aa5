"""One cache of built firmware for all runs of the tests, apart from the user's and shared with tests/target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def cache() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WPCONVERT_CACHE", str(ROOT / "build" / "firmware"))
        yield
