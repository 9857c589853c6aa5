"""Run the tasks of a batch on Dask. Each conversion is a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wpconvert.batch.journal import Journal
from wpconvert.batch.manifest import Task
from wpconvert.errors import ToolError

DONE, KEPT, FAILED = "done", "kept", "failed"
_CONNECT_S = 20


@dataclass(frozen=True)
class Result:
    """How a task ended. KEPT: it was done before. nbytes: of the model before and after, where it was converted now.

    message: the error of a failed one. exit_code: of `wpconvert`.
    """

    model: str
    output: str
    status: str
    exit_code: int = 0
    message: str = ""
    nbytes_before: int | None = None
    nbytes_after: int | None = None


def run_batch(tasks: Sequence[Task], journal: Journal, workers: int, scheduler: str | None) -> Iterator[Result]:
    """The results of all tasks, in the order in which they end; those that the journal has come first.

    workers: how many convert at once on this machine; with `scheduler`, the address of one, its workers do. They need
    wpconvert, and the files under the same paths. Raises ToolError when Dask is missing or does not answer.
    """
    waiting = []
    for task in tasks:
        if journal.has(task):
            yield Result(str(task.model), str(task.output), KEPT)
        else:
            waiting.append(task)
    if not waiting:
        return
    with _client(workers, scheduler) as client:
        from distributed import as_completed  # noqa: PLC0415 - an extra

        arguments = [(str(task.model), str(task.output), task.options) for task in waiting]
        futures = {client.submit(convert, *a, pure=False): task for a, task in zip(arguments, waiting, strict=True)}
        for future in as_completed(futures):
            task = futures[future]
            try:
                result = Result(str(task.model), str(task.output), **future.result())
            except Exception as error:  # Whatever ends a worker fails its model alone.
                reason = " ".join(str(error).split()) or type(error).__name__
                result = Result(str(task.model), str(task.output), FAILED, ToolError.exit_code, f"worker: {reason}")
            if result.status == DONE:
                journal.add(task)
            yield result


def _client(workers: int, scheduler: str | None) -> Any:
    """A connection to the scheduler, or to a cluster of threads in this process."""
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ToolError("batch needs Dask: pip install 'wpconvert[batch]'") from error
    if scheduler is None:
        # The work is in processes that the threads wait for.
        cluster = LocalCluster(n_workers=1, threads_per_worker=workers, processes=False, dashboard_address=None)
        return Client(cluster)
    try:
        return Client(scheduler, timeout=_CONNECT_S)
    except (OSError, ValueError, TimeoutError) as error:
        raise ToolError(f"no Dask scheduler answers at {scheduler}: {error}") from error


def convert(model: str, output: str, options: Sequence[str]) -> dict[str, Any]:
    """Convert one model in a new process: the fields of its result, but for the paths."""
    with tempfile.TemporaryDirectory(prefix="wpconvert-") as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "wpconvert.cli.main", "convert", model, "-o", output, *options]
        done = subprocess.run(
            [*command, "-q", "--report", str(report)], capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode or not report.exists():
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            message = lines[-1].removeprefix("wpconvert: ") if lines else f"ended with code {done.returncode}"
            return {"status": FAILED, "exit_code": done.returncode, "message": message}
        content = json.loads(report.read_text("utf-8"))
    return {"status": DONE, "nbytes_before": content["nbytes_before"], "nbytes_after": content["nbytes_after"]}
