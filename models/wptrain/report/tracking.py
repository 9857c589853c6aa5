"""Records of runs: a log and a curve of each; with MLflow also an SQLite file and a folder of artifacts.

Nothing leaves the machine.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from wpconvert.errors import FileError, ToolError
from wpconvert.files import write_all
from wpconvert.interrupts import Interrupted, deferred

from .runlog import RunLog

DATABASE = "wptrain.db"
ARTIFACTS = "artifacts"
# Of a run: what it trains.
_TRAINING = "training"


class Run(Protocol):
    """What is told of one run."""

    def metrics(self, epoch: int, values: Mapping[str, float]) -> None: ...

    def artifact(self, path: Path) -> None: ...


class _Logged:
    """Of every run."""

    def __init__(self, log: RunLog) -> None:
        self._log = log

    def metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        self._log.epoch(epoch, values)

    def artifact(self, path: Path) -> None:
        pass


class _Tracked(_Logged):
    def __init__(self, log: RunLog, client: Any, run_id: str) -> None:
        super().__init__(log)
        self._client = client
        self._run_id = run_id

    def metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        super().metrics(epoch, values)
        for name, value in values.items():
            self._client.log_metric(self._run_id, name, value, step=epoch)

    def artifact(self, path: Path) -> None:
        self._client.log_artifact(self._run_id, str(path))


@contextmanager
def track(
    enabled: bool,
    folder: Path,
    experiment: str,
    parameters: Mapping[str, object],
    tags: Mapping[str, str] | None = None,
) -> Iterator[Run]:
    """A run of `experiment`, logged in `folder`; when `enabled` also recorded in `folder`/wptrain.db.

    The same experiment with the same parameters is the same run: a training that continues is not a second one. The
    run ends as FINISHED; as KILLED when a signal ends the program, as FAILED when another exception passes. Shown by
    `mlflow ui --backend-store-uri sqlite:///FOLDER/wptrain.db`.

    Raises ToolError when MLflow is asked for and not installed, FileError when the database cannot be used.
    """
    log = RunLog(folder, experiment)
    if not enabled:
        yield _Logged(log)
        return
    client = _client(folder)
    run_id = ""
    try:
        # Whole, or a signal would leave a run that nobody knows of.
        with deferred():
            run_id = _run(client, folder, experiment, parameters)
        for name, value in parameters.items():
            client.log_param(run_id, name, value)
        for name, text in (tags or {}).items():
            client.set_tag(run_id, name, text)
        yield _Tracked(log, client, run_id)
    except BaseException as error:
        if run_id:
            _end(client, run_id, "KILLED" if isinstance(error, Interrupted | KeyboardInterrupt) else "FAILED")
        raise
    _end(client, run_id, "FINISHED")


def _run(client: Any, folder: Path, experiment: str, parameters: Mapping[str, object]) -> str:
    """The id of the run of these parameters, which is running from here on."""
    known = client.get_experiment_by_name(experiment)
    number = (
        client.create_experiment(experiment, artifact_location=(folder / ARTIFACTS).resolve().as_uri())
        if known is None
        else known.experiment_id
    )
    training = hashlib.sha256(json.dumps(dict(parameters), sort_keys=True, default=repr).encode()).hexdigest()
    earlier = client.search_runs([number], f"tags.{_TRAINING} = '{training}'", max_results=1)
    if earlier:
        run_id = str(earlier[0].info.run_id)
        client.update_run(run_id, status="RUNNING")
        return run_id
    return str(client.create_run(number, tags={_TRAINING: training}).info.run_id)


def _end(client: Any, run_id: str, status: str) -> None:
    with deferred():
        client.set_terminated(run_id, status)


def _client(folder: Path) -> Any:
    """MLflow's client of the folder's database, made when there is none."""
    if importlib.util.find_spec("mlflow") is None:
        raise ToolError("mlflow not installed: --track needs the extra `track`; pip install 'wpconvert[track]'")
    # MLflow counts its users over the network unless told not to when it is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - takes seconds, and is not needed untracked

    # It tells of each table of a new database.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / DATABASE

    def connect(path: Path) -> Any:
        return MlflowClient(tracking_uri=f"sqlite:///{path.resolve()}")

    if not database.exists():
        # MLflow makes a database in many steps, and cannot use one that it did not finish.
        started = folder / f"{DATABASE}.new"
        for rest in (started, folder / f"{started.name}-journal"):
            rest.unlink(missing_ok=True)
        connect(started).search_experiments()
        write_all({database: started.read_bytes()})
        started.unlink(missing_ok=True)
    try:
        client = connect(database)
        client.search_experiments()
    except Exception as error:
        # A damaged database can end in almost any exception.
        raise FileError(
            f"{database}: cannot be used as a database of MLflow, damaged or of another version; move it away to "
            "start a new one, or leave out --track"
        ) from error
    return client
