"""Convert one model, in a process of its own. This is what runs on the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from wpconvert import __version__
from wpconvert.errors import ToolError
from wpconvert.files import remove_left

DONE, FAILED = "done", "failed"


class Processes:
    """The conversions that run in this process's children."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, command: Sequence[str], folder: str) -> tuple[subprocess.Popen[str], str]:
        """Run a command to its end; the process, and what it said on standard error."""
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
            self._running.add(process)
            if self._stopped:
                _interrupt(process)
        try:
            _, said = process.communicate()
        finally:
            with self._lock:
                self._running.discard(process)
        return process, said

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


def _interrupt(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGINT)
    except ProcessLookupError:
        return


def convert(folder: str, model: str, output: str, options: Sequence[str], version: str) -> dict[str, Any]:
    """Convert one model: the fields of its result, but for the paths.

    folder: that the options' paths start at. version: of the tool that asks for it.
    """
    if version != __version__:
        return _failed(f"the worker has wpconvert {__version__}, not {version}; install the same everywhere")
    with tempfile.TemporaryDirectory(prefix="wpconvert-") as scratch:
        report = Path(scratch) / "report.json"
        command = [sys.executable, "-m", "wpconvert.cli.main", "convert", model, "-o", output, *options]
        try:
            process, said = PROCESSES.run([*command, "-q", "--report", str(report)], folder)
        except OSError as error:
            return _failed(f"{error.filename or command[0]}: {error.strerror or error}")
        if process.returncode < 0:
            remove_left(Path(output).parent, process.pid)
            name = signal.Signals(-process.returncode).name
            return _failed(f"the conversion was ended by {name}; perhaps the machine is short of memory")
        if process.returncode or not report.exists():
            lines = [line for line in said.splitlines() if line.strip()]
            message = lines[-1].removeprefix("wpconvert: ") if lines else f"ended with code {process.returncode}"
            return _failed(message, process.returncode)
        content = json.loads(report.read_text("utf-8"))
    return {"status": DONE, "nbytes_before": content["nbytes_before"], "nbytes_after": content["nbytes_after"]}


def _failed(message: str, exit_code: int = ToolError.exit_code) -> dict[str, Any]:
    return {"status": FAILED, "exit_code": exit_code, "message": message}
