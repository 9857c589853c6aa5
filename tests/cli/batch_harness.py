"""Batches that stop where a test wants them to, and Dask schedulers and workers to run them on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any

from tests.onnx.harness import conv_model, save

_RULES = "gate.yaml"
_GATED = f"""
models:
  - {{model: a.onnx, output: small/a.onnx}}
  - {{model: slow.onnx, output: small/slow.onnx, options: [--rules, {_RULES}]}}
"""
PATIENCE_S = 60


def gated(folder: Path) -> Path:
    """A manifest of a.onnx and slow.onnx, whose conversion waits at a `Gate` for its rules."""
    save(conv_model(), folder / "slow.onnx")
    manifest = folder / "gated.yaml"
    manifest.write_text(_GATED)
    return manifest


class Gate:
    """A rules file that is a pipe: a conversion waits for what is in it. At the end it is a file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _RULES
        self._writer: int | None = None

    def __enter__(self) -> Gate:
        os.mkfifo(self._path)
        self._made_before()
        return self

    def _made_before(self) -> None:
        """Give it the time that it always has: what passes it does not change it."""
        os.utime(self._path, (0, 0))

    def reached(self) -> None:
        """Wait until a conversion is there; one that was there before is gone."""
        self._close()
        deadline = time.monotonic() + PATIENCE_S
        while self._writer is None:
            assert time.monotonic() < deadline, "no conversion reaches the gate"
            time.sleep(0.01)
            # ENXIO: nothing reads.
            with suppress(OSError):
                self._writer = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)

    def open(self) -> None:
        """Let the conversion pass that has reached it."""
        assert self._writer is not None
        os.write(self._writer, b"rules: []")
        self._made_before()
        self._close()

    def turn_away(self) -> None:
        """End the wait of whatever waits now: it finds nothing."""
        self._close()
        # It opens the pipe for both ends at once, without a wait of its own.
        os.close(os.open(self._path, os.O_RDWR))

    def _close(self) -> None:
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.turn_away()
        self._path.unlink()
        self._path.write_text("rules: []")


@contextmanager
def meanwhile(gate: Gate, *actions: Callable[[], None]) -> Iterator[None]:
    """Do something once a conversion is at the gate. What comes there after that, or if it fails, is turned away."""
    over = Event()

    def act() -> None:
        try:
            gate.reached()
            for action in actions:
                action()
        finally:
            while not over.wait(0.1):
                gate.turn_away()

    with ThreadPoolExecutor(1) as executor:
        acting = executor.submit(act)
        try:
            yield
        finally:
            over.set()
        acting.result()


def children(process: int) -> list[int]:
    """A process's children, and theirs, parents first."""
    found = []
    for task in Path("/proc").glob(f"{process}/task/*/children"):
        # Threads come and go.
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in task.read_text().split():
                found += [int(child), *children(int(child))]
    return found


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a process and its children, if it runs, and wait for it."""
    if process.poll() is None:
        kill([process.pid, *children(process.pid)])
    process.wait()


def kill(processes: Iterable[int]) -> None:
    """Kill processes, in order, as a machine short of memory does, and wait until their files are closed."""
    killed = list(processes)
    for process in killed:
        # Some end with their parents.
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while any(map(is_running, killed)):
        assert time.monotonic() < deadline, "a killed process does not end"
        time.sleep(0.01)


def is_running(process: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


_WITHOUT = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "wpconvert":
            raise ModuleNotFoundError("No module named 'wpconvert'", name="wpconvert")
sys.meta_path.insert(0, Finder())
"""


def without_wpconvert(folder: Path) -> dict[str, str]:
    """The environment of a Python that has no wpconvert."""
    (folder / "without").mkdir()
    (folder / "without" / "sitecustomize.py").write_text(_WITHOUT)
    return {"PYTHONPATH": str(folder / "without")}


class Dask:
    """A scheduler on this machine, and its workers."""

    def __init__(self, folder: Path, allowed_failures: int, environment: Mapping[str, str]) -> None:
        file = folder / "scheduler.json"
        settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures), **environment}
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file), **settings
        )
        self.workers: list[subprocess.Popen[bytes]] = []
        deadline = time.monotonic() + PATIENCE_S
        try:
            while not file.exists() or not file.read_text().endswith("}"):
                assert time.monotonic() < deadline, "the scheduler does not start"
                time.sleep(0.1)
            self.address = str(json.loads(file.read_text())["address"])
        except BaseException:
            end(self.scheduler)
            raise

    def add_worker(self, **environment: str) -> None:
        """Start a worker that converts one model at a time; it gets work once it is there."""
        self.workers.append(self._start("worker", self.address, "--nthreads", "1", **environment))

    @staticmethod
    def _start(*arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
            env={**os.environ, **settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill_worker(self) -> None:
        """Kill the oldest worker and what it runs."""
        end(self.workers.pop(0))


@contextmanager
def dask(
    folder: Path, workers: int = 1, allowed_failures: int = 3, environment: Mapping[str, str] | None = None
) -> Iterator[Dask]:
    """A scheduler with some workers; all are gone at the end. environment: of the scheduler, besides that of here."""
    running = Dask(folder, allowed_failures, environment or {})
    try:
        for _ in range(workers):
            running.add_worker()
        yield running
    finally:
        while running.workers:
            running.kill_worker()
        end(running.scheduler)
        (folder / "scheduler.json").unlink(missing_ok=True)
