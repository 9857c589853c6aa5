"""Each training writes a log, one line an epoch, and a curve; one that continues repeats no epoch."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from wpconvert.errors import FileError, ToolError
from wptrain.errors import DataError
from wptrain.report.runlog import RunLog
from wptrain.report.tracking import track

SVG = "{http://www.w3.org/2000/svg}"


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_epoch_is_a_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "out", "pool")
    log.epoch(0, {"validation_accuracy": 0.5, "phase": "first"})
    log.epoch(1, {"validation_accuracy": 0.75, "phase": "last"})
    assert lines(tmp_path / "out" / "pool.jsonl") == [
        {"epoch": 1, "validation_accuracy": 0.5, "phase": "first"},
        {"epoch": 2, "validation_accuracy": 0.75, "phase": "last"},
    ]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pool.jsonl", "pool.svg"}


def test_a_training_that_continues_replaces_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "pool")
    for epoch in range(4):
        log.epoch(epoch, {"validation_loss": 1.0})
    RunLog(tmp_path, "pool").epoch(2, {"validation_loss": 0.5})
    assert [(line["epoch"], line["validation_loss"]) for line in lines(log.path)] == [(1, 1.0), (2, 1.0), (3, 0.5)]


def test_the_curve_shows_accuracies_and_losses(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "a <b>")
    for epoch in range(3):
        log.epoch(epoch, {"validation_accuracy": 0.1 * epoch, "validation_loss": 2.0 - epoch, "learning_rate": 0.1})
    picture = ElementTree.parse(log.curve).getroot()
    title = picture.find(f"{SVG}title")
    assert title is not None and title.text == "a <b>"
    drawn = [line.attrib["points"].split() for line in picture.findall(f"{SVG}polyline")]
    assert [len(line) for line in drawn] == [3, 3]
    accuracy, loss = ([float(point.split(",")[1]) for point in line] for line in drawn)
    assert accuracy == sorted(accuracy, reverse=True)
    assert loss == sorted(loss)
    labels = {text.text for text in picture.findall(f"{SVG}text")}
    assert {"validation accuracy", "validation loss"} <= labels
    assert "learning rate" not in labels


def test_a_single_epoch_and_constant_values_can_be_drawn(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "pool")
    log.epoch(0, {"validation_accuracy": 1.0})
    assert "nan" not in log.curve.read_text(encoding="utf-8")


def test_an_epoch_without_metrics_is_an_empty_curve(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "pool")
    log.epoch(0, {"phase": "first"})
    assert not ElementTree.parse(log.curve).getroot().findall(f"{SVG}polyline")


@pytest.mark.parametrize("content", ["text\n", "[1]\n", '{"loss": 1}\n', "\xff"])
def test_another_file_in_its_place_is_one_clear_line(content: str, tmp_path: Path) -> None:
    log = RunLog(tmp_path, "pool")
    log.path.write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"pool\.jsonl: not a log of wptrain, or damaged; move it away"):
        log.epoch(0, {})
    assert log.path.read_text(encoding="latin-1") == content


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "pool.svg").mkdir()
    with pytest.raises(FileError, match=r"pool\.svg"):
        RunLog(tmp_path, "pool").epoch(0, {})
    assert not (tmp_path / "pool.jsonl").exists()


def test_tracking_without_mlflow_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    expected = pytest.raises(ToolError, match=r"mlflow not installed: --track needs the extra `track`; pip install")
    with expected, track(True, tmp_path, "digits", {"seed": 3}):
        pytest.fail("nothing is trained")
    assert not list(tmp_path.iterdir())
