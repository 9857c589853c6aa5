"""A program that is interrupted or killed leaves the original or the result, and nothing that the next run keeps."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from onnx import helper

from tests.cli.batch_harness import children, is_running
from tests.cli.harness import MODEL, Cli, tree
from tests.onnx.harness import conv_model, model_of, save, sparse, value
from wpconvert import temporary
from wpconvert.interrupts import SIGNALS

PATIENCE_S = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a .tflite model and an .onnx one with external data."""
    (tmp_path / "work").mkdir()
    shutil.copy(MODEL, tmp_path / "work" / "model.tflite")
    save(conv_model(), tmp_path / "work" / "model.onnx", external=True)
    return tmp_path / "work"


def in_place(model: Path) -> list[str]:
    return [str(model), "--in-place", "-m", "rle", "--no-verify", "-q"]


def result_of(model: Path, folder: Path) -> dict[str, bytes | None]:
    """What converting a model in place makes of a copy of its folder."""
    shutil.copytree(model.parent, folder)
    program(in_place(folder / model.name)).check_returncode()
    return tree(folder)


def program(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wpconvert.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def signalled(
    arguments: Sequence[str], number: int, after_s: float, *, listening: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the program and send it a signal after some time, if it has not ended.

    listening: the time begins when the program listens to signals, which takes Python longer on a busy machine.
    """
    command = [sys.executable, "-m", "wpconvert.cli.main", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while listening and running.poll() is None and not catches(running.pid, signal.SIGTERM):
            time.sleep(0.005)
        try:
            out, err = running.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            running.send_signal(number)
            out, err = running.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(command, running.returncode, out, err)


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal, as Linux says."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


_AT_EACH_EVENT = """
import os, signal, sys
import wpconvert.api.convert, wpconvert.cli.convert, wpconvert.formats.onnx.source
from wpconvert.cli.main import main

folder, number = os.path.realpath(sys.argv[1]), int(sys.argv[2])
sys.argv[:3] = ["wpconvert"]

def signal_at(name, arguments):
    global event
    reads = name == "open" and isinstance(arguments[2], int) and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if not reads and any(isinstance(a, (str, os.PathLike)) and os.fspath(a).startswith(folder) for a in arguments):
        event -= 1
        if event == -1:
            os.kill(os.getpid(), number)

for line in sys.stdin:
    event = int(line)
    process = os.fork()
    if not process:
        if event >= 0:
            sys.addaudithook(signal_at)
        try:
            main()
        except SystemExit as end:
            os._exit(end.code)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
"""For each number that it reads it runs a command line, which gets a signal at the thing of that number that it does to
a folder; at none for a negative number. Prints the exit codes."""


class AtEachEvent:
    """Runs of a command line that get a signal at one of the things they do to a folder."""

    def __init__(self, folder: Path, number: int, arguments: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _AT_EACH_EVENT, str(folder), str(number), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, event: int = -1) -> int:
        """The exit code of a run with a signal at the event of that number; without one by default."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{event}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> str:
        """What all runs have said on standard error."""
        _, said = self._process.communicate(timeout=PATIENCE_S)
        return said


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ended_at_whatever_it_does_to_the_folder_it_leaves_the_original_or_the_result(
    number: int, name: str, folder: Path, tmp_path: Path
) -> None:
    model = folder / name
    original, expected = tree(folder), result_of(model, tmp_path / "expected")
    runs = AtEachEvent(folder, number, in_place(model))
    seen, events = [], 0
    try:
        while (code := runs.run(events)) != 0:
            assert code == (-number if number == signal.SIGKILL else 128 + number)
            events += 1
            seen.append(model.read_bytes())
            if number == signal.SIGTERM:
                assert set(tree(folder)) <= {*original, *expected}
            assert runs.run() == 0
            check(model, seen[-1], original, expected)
    finally:
        said = runs.end()
    assert tree(folder) == expected
    # It makes, writes and renames at least one file.
    assert events >= 3 and {original[name], expected[name]} == set(seen)
    assert said == ("" if number == signal.SIGKILL else "wpconvert: terminated by SIGTERM\n" * events)


def check(model: Path, left: bytes, original: dict[str, bytes | None], expected: dict[str, bytes | None]) -> None:
    """What was left is the original or the result, and nothing else is there after the next run. Puts the former back.

    A result that is converted once more need not stay the same file.
    """
    assert left in (original[model.name], expected[model.name])
    found = tree(model.parent)
    assert set(found) <= {*original, *expected}
    if left == original[model.name]:
        assert found == expected
    shutil.rmtree(model.parent)
    model.parent.mkdir()
    for name, data in original.items():
        assert data is not None
        (model.parent / name).write_bytes(data)


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("name", ["model.tflite", "model.onnx"])
def test_killed_at_any_time_it_leaves_the_original_or_the_result(
    name: str, kills: int, folder: Path, tmp_path: Path
) -> None:
    model, chance = folder / name, random.Random(kills)
    original = tree(folder)
    start = time.monotonic()
    expected = result_of(model, tmp_path / "expected")
    took = time.monotonic() - start
    for _ in range(kills):
        signalled(in_place(model), signal.SIGKILL, chance.uniform(0, took))
        left = model.read_bytes()
        again = program(in_place(model))
        assert (again.returncode, again.stderr) == (0, "")
        check(model, left, original, expected)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_signals_while_modules_are_imported_are_one_line_and_a_code(number: int, folder: Path) -> None:
    before = tree(folder)
    said = "interrupted" if number == signal.SIGINT else f"terminated by {signal.Signals(number).name}"
    for after_s in (0.0, 0.05):
        done = signalled(in_place(folder / "model.onnx"), number, after_s, listening=True)
        assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", f"wpconvert: {said}\n")
        assert tree(folder) == before


def test_signal_that_the_parent_ignores_stays_ignored(folder: Path) -> None:
    command = [sys.executable, "-m", "wpconvert.cli.main", *in_place(folder / "model.tflite")]
    ignoring = "trap '' HUP; exec \"$@\""
    with subprocess.Popen(["sh", "-c", ignoring, "sh", *command], stderr=subprocess.PIPE, text=True) as running:
        while running.poll() is None and not catches(running.pid, signal.SIGTERM):
            time.sleep(0.005)
        running.send_signal(signal.SIGHUP)
        _, err = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, err) == (0, "")


def test_only_what_nobody_holds_is_removed(tmp_path: Path) -> None:
    host = temporary._PREFIX
    left = [tmp_path / f"{host}file", tmp_path / f"{host}folder"]
    left[0].write_bytes(b"half")
    left[1].mkdir()
    (left[1] / "model").write_bytes(b"half")
    foreign = tmp_path / ".wpconvert-elsewhere-file"
    foreign.write_bytes(b"half")
    old = tmp_path / ".wpconvert-elsewhere-old"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    (tmp_path / f"{host}link").symlink_to(tmp_path)
    with temporary.temporary_folder(tmp_path) as held:
        assert not left[0].exists() and not left[1].exists() and not old.exists()
        handle, file = temporary.temporary_file(tmp_path)
        temporary.remove_left(tmp_path)
        assert held.is_dir() and file.exists() and foreign.exists()
        os.close(handle)
        temporary.remove_left(tmp_path)
        assert held.is_dir() and not file.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([foreign.name, f"{host}link"])


@pytest.mark.parametrize("option", [["--in-place"], ["-o", "out.tflite"], ["--dump-plan", "plan.yaml", "--dry-run"]])
def test_read_only_files_are_not_replaced_whoever_asks(option: list[str], folder: Path, cli: Cli) -> None:
    path = folder / (option[1] if len(option) > 1 else "model.tflite")
    if not path.exists():
        path.write_bytes(b"mine")
    path.chmod(0o444)
    before = tree(folder)
    arguments: list[str | Path] = [*option[:1], *([path] if len(option) > 1 else []), *option[2:]]
    line = cli.refused(5, folder / "model.tflite", "-m", "rle", "--no-verify", *arguments)
    assert line == f"{path}: cannot be written: it is read-only; make it writable with chmod u+w"
    assert tree(folder) == before


_ALWAYS_IN_PROCESSES = """
import sys
from wpconvert.cli.main import run
from wpconvert.formats.onnx import encode

if __name__ == "__main__":
    encode.POOL_FROM_NBYTES = 0
    run(sys.argv[1:])
"""


def test_processes_that_encode_end_with_the_one_that_is_killed(tmp_path: Path) -> None:
    weights = {f"w{i}": sparse((512, 512), "float32", seed=i) for i in range(8)}
    nodes = [helper.make_node("MatMul", [f"y{i}" if i else "x", f"w{i}"], [f"y{i + 1}"]) for i in range(8)]
    save(model_of(nodes, weights, [value("x", [1, 512])], [value("y8", [1, 512])]), tmp_path / "model.onnx")
    (tmp_path / "program.py").write_text(_ALWAYS_IN_PROCESSES)
    command = [sys.executable, str(tmp_path / "program.py"), *in_place(tmp_path / "model.onnx")]
    with subprocess.Popen(command) as running:
        started: list[int] = []
        # The server that forks, what tracks its resources, and the first that encodes.
        while len(started) < 3 and running.poll() is None:
            started = children(running.pid)
        assert len(started) >= 3
        running.kill()
    deadline = time.monotonic() + PATIENCE_S
    while any(is_running(process) for process in started):
        assert time.monotonic() < deadline, "a process outlives the one it works for"
        time.sleep(0.05)
