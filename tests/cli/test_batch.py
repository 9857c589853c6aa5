"""Many models: a failure stops nothing else, and what is done is not done again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest

from tests.cli import batch_harness
from tests.cli.batch_harness import Gate, children, end, gated, kill, meanwhile
from tests.cli.harness import Cli, untouched
from tests.onnx.harness import conv_model, save
from tests.tflite.harness import conv_model as tflite_model
from wpconvert.batch.work import Processes, convert, share_of

pytestmark = pytest.mark.processes

pytest.importorskip("distributed", reason="Dask is an extra: pip install 'wpconvert[batch]'")

MANIFEST = """
options: [-m, bitmap]
models:
  - {model: a.onnx, output: small/a.onnx}
  - {model: broken.onnx, output: small/broken.onnx}
  - {model: b.tflite, output: new/small/b.tflite, options: [-m, rle]}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A manifest of three models, one of which is none."""
    (tmp_path / "small").mkdir()
    save(conv_model(), tmp_path / "a.onnx", external=True)
    (tmp_path / "broken.onnx").write_bytes(b"no model at all")
    (tmp_path / "b.tflite").write_bytes(tflite_model())
    (tmp_path / "models.yaml").write_text(MANIFEST)
    return tmp_path


def _statuses(cli: Cli, manifest: Path, code: int) -> list[str]:
    done = cli("batch", manifest, "--workers", "2", "--json")
    assert done.code == code, done
    return [result["status"] for result in json.loads(done.out)["models"]]


def test_one_failure_stops_nothing_else_and_what_is_done_is_kept(cli: Cli, files: Path) -> None:
    manifest = files / "models.yaml"
    assert _statuses(cli, manifest, 9) == ["done", "failed", "done"]
    assert sorted(path.name for path in (files / "small").iterdir()) == ["a.onnx", "a.onnx.data"]
    assert (files / "new" / "small" / "b.tflite").exists()
    done = cli("batch", manifest)
    assert "0 done, 2 kept from a previous run, 1 failed" in done.out and "not an ONNX model" in done.out
    save(conv_model(), files / "broken.onnx")
    assert _statuses(cli, manifest, 0) == ["kept", "done", "kept"]
    # Half a line of an interrupted run, a result that is gone, and other options.
    with (files / "models.yaml.done").open("a") as journal:
        journal.write('{"output": "')
    (files / "small" / "a.onnx.data").unlink()
    manifest.write_text(MANIFEST.replace("rle", "dcsr"))
    assert _statuses(cli, manifest, 0) == ["done", "kept", "done"]
    assert _statuses(cli, manifest, 0) == ["kept", "kept", "kept"]
    cli.ok("verify", files / "a.onnx", files / "small" / "a.onnx")


def _changed(path: Path) -> None:
    model = onnx.load(path)
    model.producer_name = "another"
    save(model, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("models: []", "models: "),
        ("modles: [{model: a, output: b}]", "expected models:"),
        ("models: [{model: a}]", "models.0.output: "),
        ("\tx", "not YAML"),
        ("models: [{model: a, output: c}, {model: b, output: ./c}]", "models 1 and 2 have the same output"),
        ("models: [{model: a, output: c}, {model: b, output: a}]", "is one of the models"),
        (
            "models: [{model: a, output: c, options: [--rules, d]}, {model: b, output: d}]",
            "or a file named in options",
        ),
        (
            "models: [{model: a, output: c, options: [--to-c, x.c]}, {model: b, output: x.h}]",
            "models 1 and 2 have the same",
        ),
        ("models: [{model: a, output: b}, {model: c, output: d, options: [--foo]}]", "model 2: No such option: --foo"),
        ("models: [{model: a, output: b, options: [c]}]", "model 1: Got unexpected extra argument"),
        ("models: [{model: a, output: b, options: [-o, c]}]", "model 1: -o is not allowed in a batch"),
        ("models: [{model: a, output: b, options: [--report=x.json]}]", "model 1: --report is not allowed in a batch"),
        ("models: [{model: a, output: b, options: [--help]}]", "model 1: No such option: --help"),
    ],
)
def test_manifests_with_a_mistake_are_refused(content: str, message: str, cli: Cli, files: Path) -> None:
    (files / "bad.yaml").write_text(content)
    with untouched(files):
        assert message in cli.refused(2, "batch", files / "bad.yaml")


def test_missing_manifest(cli: Cli, files: Path) -> None:
    assert "cannot read the manifest" in cli.refused(5, "batch", files / "missing.yaml")


def test_journal_that_cannot_be_written_is_said_before_anything_is_converted(cli: Cli, files: Path) -> None:
    (files / "models.yaml.done").symlink_to(files / "missing" / "journal")
    with untouched(files):
        assert "models.yaml.done: cannot be written" in cli.refused(5, "batch", files / "models.yaml")


def test_journal_that_cannot_be_read_is_said(cli: Cli, files: Path) -> None:
    (files / "models.yaml.done").mkdir()
    with untouched(files):
        line = cli.refused(5, "batch", files / "models.yaml")
    assert line.endswith("models.yaml.done: cannot be read: Is a directory; delete it to start over")


def test_files_of_options_lie_beside_the_manifest_and_count(
    cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, rules = files / "rules.yaml", files / "choice.yaml"
    options = "[--rules, choice.yaml, --dump-plan, plan.yaml]"
    manifest.write_text(f"models: [{{model: a.onnx, output: small/a.onnx, options: {options}}}]")
    rules.write_text("rules: [{name: conv, method: none}]")
    monkeypatch.chdir(files / "small")
    assert _statuses(cli, manifest, 0) == ["done"]
    assert _statuses(cli, manifest, 0) == ["kept"]
    rules.write_text("rules: [{name: fc, method: none}]")
    assert _statuses(cli, manifest, 0) == ["done"]
    (files / "plan.yaml").unlink()
    assert _statuses(cli, manifest, 0) == ["done"]
    _changed(files / "a.onnx")
    assert _statuses(cli, manifest, 0) == ["done"]


def test_model_that_changes_while_it_is_converted_is_not_done(cli: Cli, files: Path) -> None:
    manifest = gated(files)
    with Gate(files) as gate:
        with meanwhile(gate, lambda: _changed(files / "slow.onnx"), gate.open):
            assert _statuses(cli, manifest, 0) == ["done", "done"]
        with meanwhile(gate, gate.open):
            assert _statuses(cli, manifest, 0) == ["kept", "done"]
        # Nothing but the model has made the difference.
        assert _statuses(cli, manifest, 0) == ["kept", "kept"]


def test_conversion_is_turned_away_when_a_test_fails(cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_harness, "PATIENCE_S", 0)
    manifest = gated(files)
    with Gate(files) as gate, pytest.raises(AssertionError, match="no conversion reaches"), meanwhile(gate, gate.open):
        assert _statuses(cli, manifest, 9) == ["done", "failed"]


def test_conversion_that_is_killed_fails_alone_and_leaves_nothing(cli: Cli, files: Path) -> None:
    manifest = gated(files)
    with Gate(files) as gate, meanwhile(gate, lambda: kill(children(os.getpid()))):
        done = cli("batch", manifest, "--workers", "1")
    assert done.code == 9 and "1 done, 0 kept from a previous run, 1 failed" in done.out
    assert "terminated by SIGKILL, perhaps for lack of memory" in done.out
    assert sorted(path.name for path in (files / "small").iterdir()) == ["a.onnx", "a.onnx.data"]


@pytest.mark.parametrize(
    ("number", "message"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated by SIGTERM")],
    ids=["INT", "TERM"],
)
def test_interrupted_batch_has_shown_what_is_done_and_is_resumed(
    number: int, message: str, cli: Cli, files: Path
) -> None:
    manifest = gated(files)
    command = [sys.executable, "-m", "wpconvert.cli.main", "batch", str(manifest), "--workers", "1"]
    with Gate(files) as gate:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            gate.reached()
            assert running.stdout is not None
            shown = running.stdout.readline()
            running.send_signal(number)
            said, _ = running.communicate(timeout=60)
        finally:
            end(running)
    assert shown.startswith(f"{files / 'a.onnx'}: done, ") and shown.endswith(" bytes\n")
    assert said == f"wpconvert: {message}; 1 of 2 models are done; run the batch again for the others\n"
    assert running.returncode == 128 + number
    assert sorted(path.name for path in (files / "small").iterdir()) == ["a.onnx", "a.onnx.data"]
    assert _statuses(cli, manifest, 0) == ["kept", "done"]


def test_worker_of_another_version_converts_nothing(files: Path) -> None:
    fields = convert(str(files), str(files / "a.onnx"), str(files / "small" / "a.onnx"), (), "0.0.1")
    assert fields["status"] == "failed" and "not 0.0.1; install the same version everywhere" in fields["message"]
    assert not (files / "small" / "a.onnx").exists()


def test_conversions_side_by_side_share_the_cores(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "import os, sys, time; time.sleep(1); sys.stderr.write(str(os.sched_getaffinity(0)))",
    ]
    cores = os.sched_getaffinity(0)
    processes = Processes()
    with ThreadPoolExecutor(len(cores)) as executor:
        runs = [executor.submit(processes.run, command, str(tmp_path), len(cores)) for _ in cores]
    given = sorted(said for _, said in (run.result() for run in runs))
    assert given == sorted(str({core}) for core in cores)


@pytest.mark.parametrize(
    ("places", "expected"),
    [(1, [{0, 1, 4, 5}]), (2, [{0, 1}, {4, 5}]), (3, [{0}, {1}, {4}]), (9, [{0}, {1}, {4}, {5}, {0}])],
)
def test_shares_of_the_cores_are_equal_and_never_empty(places: int, expected: list[set[int]]) -> None:
    assert [share_of([5, 4, 1, 0], place, places) for place in range(len(expected))] == expected
