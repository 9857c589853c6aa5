"""Runs are kept in a local database with parameters, metrics and artifacts; untracked, nothing is written."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="mlflow not installed: tracking needs the extra `track`")

from wpconvert.errors import FileError
from wpconvert.interrupts import Interrupted
from wptrain.report.tracking import DATABASE, track

# Ends itself as by kill -9 after so many commands to the database.
KILLED_AT = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from wptrain.report.tracking import track
left = int(sys.argv[1])
@event.listens_for(Engine, "before_cursor_execute")
def count(*_):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
with track(True, Path(sys.argv[2]), "digits", {"seed": 3}):
    pass
"""


def runs(folder: Path) -> list[Any]:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - as above

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / DATABASE}")
    experiment = client.get_experiment_by_name("digits")
    return list(client.search_runs([experiment.experiment_id]))


def test_run_is_kept_with_parameters_metrics_and_artifacts(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"model")
    with track(True, tmp_path / "out", "digits", {"seed": 3}) as run:
        run.metrics(0, {"validation_accuracy": 0.5})
        run.metrics(1, {"validation_accuracy": 0.75})
        run.artifact(tmp_path / "model.tflite")
    with pytest.raises(KeyError), track(True, tmp_path / "out", "digits", {"seed": 4}):
        raise KeyError
    failed, finished = runs(tmp_path / "out")
    assert (failed.info.status, finished.info.status) == ("FAILED", "FINISHED")
    assert finished.data.params == {"seed": "3"}
    assert finished.data.metrics == {"validation_accuracy": 0.75}
    assert [path.read_bytes() for path in (tmp_path / "out").rglob("model.tflite")] == [b"model"]


def test_untracked_run_is_logged_only(tmp_path: Path) -> None:
    with track(False, tmp_path / "out", "digits", {"seed": 3}) as run:
        run.metrics(0, {"validation_accuracy": 0.5})
        run.artifact(tmp_path / "model.tflite")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"digits.jsonl", "digits.svg"}


def test_tracked_run_is_logged_too(tmp_path: Path) -> None:
    with track(True, tmp_path, "digits", {"seed": 3}) as run:
        run.metrics(0, {"validation_accuracy": 0.5})
    assert (tmp_path / "digits.jsonl").read_text(encoding="utf-8") == '{"epoch": 1, "validation_accuracy": 0.5}\n'
    assert (tmp_path / DATABASE).exists()


def test_a_training_that_continues_is_the_same_run(tmp_path: Path) -> None:
    with pytest.raises(KeyError), track(True, tmp_path, "digits", {"seed": 3}, {"dataset": "here"}) as run:
        run.metrics(0, {"validation_accuracy": 0.5})
        raise KeyError
    with track(True, tmp_path, "digits", {"seed": 3}, {"dataset": "there"}) as run:
        run.metrics(1, {"validation_accuracy": 0.75})
    with track(True, tmp_path, "digits", {"seed": 4}):
        pass
    _, continued = runs(tmp_path)
    assert continued.info.status == "FINISHED"
    assert continued.data.params == {"seed": "3"}
    assert continued.data.metrics == {"validation_accuracy": 0.75}
    assert continued.data.tags["dataset"] == "there"


def test_run_that_a_signal_ends_is_closed_as_killed(tmp_path: Path) -> None:
    with pytest.raises(Interrupted), track(True, tmp_path, "digits", {"seed": 3}):
        raise Interrupted(signal.SIGTERM)
    (run,) = runs(tmp_path)
    assert run.info.status == "KILLED"
    assert run.info.end_time is not None


def test_signal_before_the_first_epoch_closes_the_run_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - as above

    def interrupted(*_: object) -> None:
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(MlflowClient, "log_param", interrupted)
    with pytest.raises(Interrupted), track(True, tmp_path, "digits", {"seed": 3}):
        pytest.fail("nothing is trained")
    (run,) = runs(tmp_path)
    assert run.info.status == "KILLED"


@pytest.mark.parametrize("commands", [40, 150])
def test_folder_is_usable_after_a_kill_while_the_database_is_made(tmp_path: Path, commands: int) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_AT, str(commands), str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir())
    with track(True, tmp_path, "digits", {"seed": 3}):
        pass
    (run,) = runs(tmp_path)
    assert run.info.status == "FINISHED"
    assert [path.name for path in tmp_path.iterdir()] == [DATABASE]


def test_damaged_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"text")
    expected = pytest.raises(FileError, match="move it away to start a new one, or leave out --track")
    with expected, track(True, tmp_path, "digits", {"seed": 3}):
        pytest.fail("nothing is trained")
    assert (tmp_path / DATABASE).read_bytes() == b"text"
