"""Convert one model, in a process of its own. This is what runs on the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from wpconvert import __version__
from wpconvert.errors import ToolError
from wpconvert.temporary import remove_left, temporary_folder

DONE, FAILED = "done", "failed"


class Processes:
    """The conversions that run in this process's children."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: dict[subprocess.Popen[str], int] = {}
        self._stopped = False

    def run(self, command: Sequence[str], folder: str, at_once: int) -> tuple[subprocess.Popen[str], str]:
        """Run a command to its end; the process, and what it errors on standard error.

        It gets its share of the cores where `at_once` commands may run: each would use all of them.
        """
        with self._lock:
            # A session of its own: an interrupt of the terminal reaches it from here alone, once.
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            place = min(set(range(len(self._running) + 1)) - set(self._running.values()))
            self._running[process] = place
            with suppress(ProcessLookupError):
                os.sched_setaffinity(process.pid, share_of(os.sched_getaffinity(0), place, at_once))
            if self._stopped:
                _interrupt(process)
        try:
            _, errors = process.communicate()
        finally:
            with self._lock:
                del self._running[process]
        return process, errors

    @contextmanager
    def interrupted_at_end(self) -> Iterator[None]:
        """At the end all are interrupted, and those that start later: they leave no file half-written."""
        self._stopped = False
        try:
            yield
        finally:
            with self._lock:
                self._stopped = True
                for process in self._running:
                    _interrupt(process)


PROCESSES = Processes()


def share_of(cores: Iterable[int], place: int, places: int) -> set[int]:
    """The cores of one of several places; all have as many, at least one."""
    ordered = sorted(cores)
    size = max(1, len(ordered) // places)
    first = place * size % len(ordered)
    return set(ordered[first : first + size])


def _interrupt(process: subprocess.Popen[str]) -> None:
    try:
        # Unlike SIGINT never ignored: a shell has what it starts in the background ignore that.
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def convert(folder: str, model: str, output: str, options: Sequence[str], version: str) -> dict[str, Any]:
    """Convert one model: the fields of its result, but for the paths.

    folder: that the options' paths start at. version: of the tool that asks for it.
    """
    if version != __version__:
        return failed(f"the worker has wpconvert {__version__}, not {version}; install the same version everywhere")
    with temporary_folder() as scratch:
        report = scratch / "report.json"
        command = [sys.executable, "-m", "wpconvert.cli.main", "convert", model, "-o", output, *options]
        try:
            Path(output).parent.mkdir(parents=True, exist_ok=True)
            process, errors = PROCESSES.run([*command, "-q", "--report", str(report)], folder, _at_once())
        except OSError as error:
            return failed(f"{error.filename or command[0]}: {error.strerror or error}")
        if process.returncode < 0:
            remove_left(Path(output).parent)
            name = signal.Signals(-process.returncode).name
            return failed(f"the conversion was terminated by {name}, perhaps for lack of memory")
        if process.returncode or not report.exists():
            lines = [line for line in errors.splitlines() if line.strip()]
            message = lines[-1].removeprefix("wpconvert: ") if lines else f"exited with code {process.returncode}"
            return failed(message, process.returncode)
        content = json.loads(report.read_text("utf-8"))
    return {"status": DONE, "nbytes_before": content["nbytes_before"], "nbytes_after": content["nbytes_after"]}


def _at_once() -> int:
    """How many models this worker converts at once."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    return int(get_worker().state.nthreads)


def failed(message: str, exit_code: int = ToolError.exit_code) -> dict[str, Any]:
    """The fields of the result of a model that was not converted."""
    return {"status": FAILED, "exit_code": exit_code, "message": message}
