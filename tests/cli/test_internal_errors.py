"""An error that no code of ours expects: one line and an exit code of its own, the traceback for those who ask."""

from __future__ import annotations

import sys

import pytest

from wpconvert.cli import main as module


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> int:
        raise ZeroDivisionError("in a\nname \x1b[31m")

    monkeypatch.setattr(module, "run", fails)
    monkeypatch.setattr(sys, "argv", ["wpconvert", "model.tflite"])


@pytest.mark.usefixtures("broken")
def test_an_unexpected_error_is_one_line_that_asks_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == module.INTERNAL
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wpconvert: internal error (test_internal_errors.py:")
    assert "ZeroDivisionError: in a name" in line and "\x1b" not in line
    assert f"{module.TRACEBACK}=1" in line


@pytest.mark.usefixtures("broken")
def test_the_traceback_is_there_for_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(module.TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        module.main()
