"""Runs are kept in a local database with parameters, metrics and artifacts; untracked, nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow", reason="mlflow not installed: tracking needs `make setup-train`")

from wptrain.tracking import DATABASE, track


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


def test_untracked_run_writes_nothing(tmp_path: Path) -> None:
    with track(False, tmp_path / "out", "digits", {"seed": 3}) as run:
        run.metrics(0, {"validation_accuracy": 0.5})
        run.artifact(tmp_path / "model.tflite")
    assert not list(tmp_path.iterdir())
