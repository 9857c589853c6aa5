"""docs/ARCHITECTURE.md says what is so: the walks it describes, and the picture."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tools.layout import draw
from wpconvert.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "converter" / "wpconvert"
MODEL = ROOT / "models" / "zoo" / "digits_ds_cnn.tflite"
TEXT = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
STEP = re.compile(r"^\d+\. `([^`]+)` `([^`]+)`", re.MULTILINE)


def walks() -> list[list[tuple[str, str]]]:
    """The numbered lists: pairs of a file and a function in it."""
    parts = re.split(r"^1\. ", TEXT, flags=re.MULTILINE)[1:]
    return [STEP.findall(f"1. {part}") for part in parts]


def calls(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What a command calls of ours, in order."""
    found: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(PACKAGE)):
            found.append((str(Path(code.co_filename).relative_to(PACKAGE)), code.co_qualname))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        assert run(arguments) == 0
    finally:
        sys.setprofile(before)
    return iter(found)


@pytest.mark.parametrize(("method", "number"), [("dcsr", 0), ("auto", 1)])
def test_a_conversion_takes_the_way_that_is_described(method: str, number: int, tmp_path: Path) -> None:
    walk = walks()[number]
    assert len(walk) > 4
    passed = calls([str(MODEL), "-m", method, "-o", str(tmp_path / "out.tflite"), "-q"])
    for step in walk:
        # Takes what was called up to the step, so that the next one is looked for behind it.
        assert step in passed, step


def test_the_functions_of_the_device_are_where_they_are_said_to_be() -> None:
    walk = walks()[2]
    assert len(walk) > 8
    for path, name in walk:
        assert re.search(rf"\b{name}\(", (ROOT / path).read_text(encoding="utf-8")), (path, name)


def test_the_picture_shows_the_imports_of_today(tmp_path: Path) -> None:
    draw(tmp_path / "now.svg")
    assert labels(tmp_path / "now.svg") == labels(ROOT / "docs" / "architecture.svg")


def labels(path: Path) -> list[str]:
    """What the drawing says, and where its arrows begin and end."""
    return re.findall(r"<!-- [^>]* -->|<path d=\"[^\"]*\"", path.read_text(encoding="utf-8"))
