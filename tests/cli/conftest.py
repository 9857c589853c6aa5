"""Fixtures of the command line's tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.cli.harness import Cli
from wpconvert.cli.console import OUT


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line on a terminal wide enough that no word is broken, wherever the tests run."""
    monkeypatch.setattr(OUT, "width", 200)
    return Cli(capsys)


@pytest.fixture(autouse=True, scope="session")
def signals_are_heard() -> Iterator[None]:
    """As in a terminal: what a shell starts in the background ignores interrupts, and so do all that it starts."""
    ignored = [one for one in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_IGN]
    for one in ignored:
        signal.signal(one, signal.SIG_DFL)
    yield
    for one in ignored:
        signal.signal(one, signal.SIG_IGN)
