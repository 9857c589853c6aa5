"""README.md says what the tools print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.results import result_row

ROOT = Path(__file__).resolve().parent.parent
ZOO = sorted((ROOT / "models/zoo").glob("*.tflite"))


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_sizes_of_the_shipped_models_are_those_that_are_made(path: Path) -> None:
    assert result_row(path) in (ROOT / "README.md").read_text("utf-8")
