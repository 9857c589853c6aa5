"""Runs in MLflow, kept in one SQLite file and one folder of artifacts; nothing leaves the machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

DATABASE = "wptrain.db"
ARTIFACTS = "artifacts"


class Run(Protocol):
    """What is told of one run."""

    def metrics(self, epoch: int, values: Mapping[str, float]) -> None: ...

    def artifact(self, path: Path) -> None: ...


class _Untracked:
    def metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        pass

    def artifact(self, path: Path) -> None:
        pass


class _Tracked:
    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    def metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run_id, name, value, step=epoch)

    def artifact(self, path: Path) -> None:
        self._client.log_artifact(self._run_id, str(path))


@contextmanager
def track(enabled: bool, folder: Path, experiment: str, parameters: Mapping[str, object]) -> Iterator[Run]:
    """A run of `experiment`, in `folder`/wptrain.db; one that tells nobody when not `enabled`.

    The run ends as FINISHED, or as FAILED when an exception passes. Shown by
    `mlflow ui --backend-store-uri sqlite:///FOLDER/wptrain.db`.
    """
    if not enabled:
        yield _Untracked()
        return
    # MLflow counts its users over the network unless told not to when it is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - takes seconds, and is not needed untracked

    # It tells of each table of a new database.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=f"sqlite:///{(folder / DATABASE).resolve()}")
    known = client.get_experiment_by_name(experiment)
    number = (
        client.create_experiment(experiment, artifact_location=(folder / ARTIFACTS).resolve().as_uri())
        if known is None
        else known.experiment_id
    )
    run_id = client.create_run(number).info.run_id
    for name, value in parameters.items():
        client.log_param(run_id, name, value)
    try:
        yield _Tracked(client, run_id)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")
