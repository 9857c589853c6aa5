"""The numbers in the documentation are those that the tools make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.benchmark.measure import METHODS, name_of, stored
from wpconvert.target.board import boards

ROOT = Path(__file__).resolve().parent.parent
ZOO = sorted((ROOT / "models/zoo").glob("*.tflite"))
ROWS = json.loads((ROOT / "docs/bench.json").read_text("utf-8"))["rows"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_sizes_of_the_shipped_models_are_those_that_are_made(path: Path, method: str) -> None:
    for board in boards().values():
        recorded = [
            (row["file_nbytes"], row["weights_nbytes"])
            for row in ROWS
            if (row["name"], row["method"], row["board"]) == (name_of(path), method, board.name)
        ]
        found = stored(path, method, board)
        assert recorded == ([] if found is None else [(len(found[0]), found[1])])
