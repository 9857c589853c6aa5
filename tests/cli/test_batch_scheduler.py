"""Batches on a Dask scheduler that runs, or ceases to."""

from __future__ import annotations

import json
import socket
from concurrent.futures import Future
from itertools import count
from pathlib import Path

import pytest

from tests.cli.batch_harness import Gate, dask, gated, meanwhile, without_wpconvert
from tests.cli.harness import Cli, untouched
from tests.onnx.harness import conv_model, save
from tests.tflite.harness import conv_model as tflite_model
from wpconvert.batch import cluster, run
from wpconvert.batch.manifest import Task

pytestmark = pytest.mark.processes

pytest.importorskip("distributed", reason="Dask is an extra: pip install 'wpconvert[batch]'")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a model and a manifest in which another one waits at a gate."""
    (tmp_path / "small").mkdir()
    save(conv_model(), tmp_path / "a.onnx")
    gated(tmp_path)
    return tmp_path


def _results(cli: Cli, manifest: Path, code: int, *options: str) -> list[tuple[str, str]]:
    done = cli("batch", manifest, "--json", *options)
    assert (done.code, done.err.count("\n")) == (code, int(code != 0)), done.err
    return [(result["status"], result["message"]) for result in json.loads(done.out)["models"]]


def test_running_scheduler_converts_and_one_failure_stops_nothing_else(cli: Cli, files: Path) -> None:
    (files / "broken.onnx").write_bytes(b"no model at all")
    (files / "b.tflite").write_bytes(tflite_model())
    manifest = files / "models.yaml"
    manifest.write_text(
        "models: [{model: a.onnx, output: small/a.onnx}, {model: broken.onnx, output: small/broken.onnx},"
        " {model: b.tflite, output: small/b.tflite, options: [-m, rle]}]"
    )
    with dask(files) as running:
        (first, _), (second, reason), (third, _) = _results(cli, manifest, 9, "--scheduler", running.address)
        assert (first, second, third) == ("done", "failed", "done") and "not an ONNX model" in reason
        save(conv_model(), files / "broken.onnx")
        again = _results(cli, manifest, 0, "--scheduler", running.address, "--workers", "1")
        assert [status for status, _ in again] == ["kept", "done", "kept"]
    cli.ok("verify", files / "a.onnx", files / "small" / "a.onnx")
    cli.ok("verify", files / "b.tflite", files / "small" / "b.tflite")


def test_workers_need_wpconvert_and_the_scheduler_does_not(cli: Cli, files: Path) -> None:
    (files / "gate.yaml").write_text("rules: []")
    without = without_wpconvert(files)
    with dask(files, workers=0, environment=without) as running:
        running.add_worker(**without)
        lacking = _results(cli, files / "gated.yaml", 9, "--scheduler", running.address)
        assert lacking == [("failed", "wpconvert is missing on the worker; install wpconvert there")] * 2
        running.kill_worker()
        running.add_worker()
        assert [s for s, _ in _results(cli, files / "gated.yaml", 0, "--scheduler", running.address)] == ["done"] * 2


def test_model_whose_worker_is_killed_goes_to_another_worker(cli: Cli, files: Path) -> None:
    with dask(files) as running, Gate(files) as gate:
        with meanwhile(gate, running.kill_worker, running.add_worker, gate.reached, gate.open):
            results = _results(cli, files / "gated.yaml", 0, "--scheduler", running.address)
        assert [status for status, _ in results] == ["done"] * 2


def test_model_that_kills_its_workers_fails_alone(cli: Cli, files: Path) -> None:
    manifest = files / "gated.yaml"
    lines = manifest.read_text().splitlines()
    # The fatal one first.
    manifest.write_text("\n".join([*lines[:2], lines[3], lines[2]]))
    with dask(files, allowed_failures=0) as running, Gate(files) as gate:
        options = ("--scheduler", running.address, "--workers", "1")
        with meanwhile(gate, running.kill_worker, running.add_worker):
            (first, reason), (second, _) = _results(cli, manifest, 9, *options)
        assert (first, second) == (
            "failed",
            "done",
        ) and "every worker that ran it died, perhaps for lack of memory" in reason


def test_batch_whose_scheduler_is_killed_is_resumed_on_another(cli: Cli, files: Path) -> None:
    manifest = files / "gated.yaml"
    with dask(files) as running, Gate(files) as gate:
        options = ("--scheduler", running.address, "--workers", "1")
        with meanwhile(gate, running.scheduler.kill):
            (first, _), (second, reason) = _results(cli, manifest, 9, *options)
        assert (first, second) == ("done", "failed")
        assert reason == "the connection to the Dask scheduler was lost; run the batch again"
    with dask(files) as running:
        assert [s for s, _ in _results(cli, manifest, 0, "--scheduler", running.address)] == ["kept", "done"]


def test_scheduler_without_workers_is_left(cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "POLL_S", 0.1)
    monkeypatch.setattr(run, "NO_WORKERS_S", 1.0)
    (files / "gate.yaml").write_text("rules: []")
    with dask(files, workers=0) as running:
        results = _results(cli, files / "gated.yaml", 9, "--scheduler", running.address)
    assert results == [("failed", "the Dask scheduler had no workers for 1 s; run the batch again")] * 2


class _ComesAndGoes:
    """A client of a scheduler whose only worker does one task between the times when it is looked for."""

    def __init__(self) -> None:
        self._waiting: list[Future[dict[str, str]]] = []

    def submit(self, *_: object, **__: object) -> Future[dict[str, str]]:
        self._waiting.append(Future())
        return self._waiting[-1]

    def nthreads(self) -> dict[str, int]:
        self._waiting.pop(0).set_result({"status": "done"})
        return {}


def test_workers_that_come_and_go_are_not_taken_for_lost(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "POLL_S", 0.01)
    # Two minutes from one time to the next.
    times = count(0, 120)
    monkeypatch.setattr(run, "monotonic", lambda: next(times))
    task = Task(files, files / "a.onnx", files / "small" / "a.onnx", ())
    results = run._converted(_ComesAndGoes(), [(task, {})] * 3, None)
    assert [fields["status"] for _, _, fields in results] == ["done"] * 3


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "host", "tcp://", "tcp://127.0.0.1:x", "http://127.0.0.1:80", ""]
)
def test_address_of_no_scheduler_is_refused(
    address: str, cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    with untouched(files):
        line = cli.refused(6, "batch", files / "gated.yaml", "--scheduler", address)
    assert f"no Dask scheduler answers at {address!r}: " in line and "expected one like tcp://" in line


def test_address_of_something_that_never_answers_is_refused(
    cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert "no answer within 1 s" in cli.refused(6, "batch", files / "gated.yaml", "--scheduler", address)
