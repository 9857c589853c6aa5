"""README's first example prints what it says."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest

from tests.cli.harness import Cli

ROOT = Path(__file__).resolve().parents[2]


def test_first_example_is_what_it_prints(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, _, rest = (ROOT / "README.md").read_text("utf-8").partition("\n    $ ")
    command, *lines = takewhile(lambda line: not line or line.startswith("    "), f"    {rest}".splitlines())
    assert "digits_ds_cnn.tflite" in command
    arguments = command.strip().removeprefix("wpconvert ").replace("digits.tflite", str(tmp_path / "digits.tflite"))
    printed = " ".join(cli.ok(*arguments.split()).out.split())
    shown = [" ".join(part.split()) for line in lines for part in line.split("…") if "─" not in line]
    assert len(shown) > 10
    assert [part for part in shown if part not in printed] == []
