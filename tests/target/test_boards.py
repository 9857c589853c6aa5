"""Board folders: discovery, and that nothing else has to know them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wpconvert.cli.main import run as wpconvert
from wpconvert.errors import ToolError, UsageError
from wpconvert.target import boards
from wpconvert.target.board import board_named

from .conftest import ROOT


def test_the_promised_boards_are_there() -> None:
    assert set(boards()) >= {"corstone300", "mps2-m4", "mps2-m3"}


def test_every_board_has_a_preset() -> None:
    presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
    assert set(boards()) <= {preset["name"] for preset in presets}


def test_an_unknown_board_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"unknown target 'mps3', expected one of corstone300, mps2-m3, mps2-m4"):
        board_named("mps3")
    model = ROOT / "models" / "zoo" / "digits_ds_cnn.tflite"
    assert wpconvert(["run", str(model), "--target", "mps3"]) == 2
    assert "corstone300" in capsys.readouterr().err


def test_a_new_folder_is_a_new_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wpconvert.target.board.ports_folder", lambda: tmp_path)
    boards.cache_clear()
    try:
        folder = tmp_path / "mine"
        folder.mkdir()
        fields = {"summary": "Mine", "core": "Cortex-M7", "arena_nbytes": 1024, "simulators": {}}
        (folder / "board.json").write_text(json.dumps(fields))
        with pytest.raises(ToolError, match=r"mine: board.json without board.cmake"):
            boards()
        (folder / "board.cmake").touch()
        assert boards()["mine"].core == "Cortex-M7"
        boards.cache_clear()
        (folder / "board.json").write_text('{"core": 1}')
        with pytest.raises(ToolError, match=r"board.json: .*summary"):
            boards()
    finally:
        boards.cache_clear()
