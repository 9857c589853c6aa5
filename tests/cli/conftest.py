"""Fixtures of the command line's tests."""

from __future__ import annotations

import pytest

from tests.cli.harness import Cli
from wpconvert.cli.console import OUT


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line on a terminal wide enough that no word is broken, wherever the tests run."""
    monkeypatch.setattr(OUT, "width", 200)
    return Cli(capsys)
