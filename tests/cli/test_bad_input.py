"""Whatever is wrong: one line on standard error, the documented exit code, and every existing file as it was."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.harness import MODEL, SAMPLES, Cli, untouched
from tests.tflite.harness import conv_model, converted
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.metadata import NAME, RESTORE_NAME
from wpconvert.formats.tflite.model import TfliteModel, text


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a model, a rewritten one and outputs that exist already."""
    (tmp_path / "model.tflite").write_bytes(conv_model())
    (tmp_path / "small.tflite").write_bytes(converted(conv_model()).data)
    for name in ("out.tflite", "report.json", "plan.yaml", "net.c", "net.h"):
        (tmp_path / name).write_bytes(b"precious")
    return tmp_path


COMMANDS: dict[str, Callable[[Path, Path], list[str | Path]]] = {
    "convert": lambda m, d: [m, "-o", d / "out.tflite", "--to-c", d / "net.c", "--report", d / "report.json"],
    "in place": lambda m, _: [m, "--in-place"],
    "inspect": lambda m, _: ["inspect", m],
    "inspect --json": lambda m, _: ["inspect", m, "--json"],
    "restore": lambda m, d: ["restore", m, "-o", d / "out.tflite"],
    "verify": lambda m, d: ["verify", d / "model.tflite", m],
    "verify original": lambda m, d: ["verify", m, d / "model.tflite"],
}

NO_MODELS: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 3, ""),
    "text": (b"hello, this is a text file and no model at all\n" * 9, 3, ""),
    "zeros": (bytes(4096), 3, ""),
    "other identifier": (b"\x1c\0\0\0TFL2" + bytes(200), 4, ""),
    "half": (conv_model()[: len(conv_model()) // 2], 3, ""),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize(("content", "code", "message"), NO_MODELS.values(), ids=NO_MODELS.keys())
def test_what_is_no_model_is_refused(
    command: Callable[[Path, Path], list[str | Path]], content: bytes, code: int, message: str, cli: Cli, files: Path
) -> None:
    bad = files / "bad.tflite"
    bad.write_bytes(content)
    with untouched(files):
        line = cli.refused(code, *command(bad, files))
    assert line.startswith(f"{bad}: ") and message in line


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_missing_models_directories_and_pipes_are_file_errors(
    command: Callable[[Path, Path], list[str | Path]], cli: Cli, files: Path
) -> None:
    os.mkfifo(files / "pipe")
    for path in (files / "missing.tflite", files, files / "pipe", files / "model.tflite" / "below"):
        with untouched(files):
            assert cli.refused(5, *command(path, files)).startswith(f"{path}: cannot be read: ")


def test_model_truncated_anywhere_is_refused(cli: Cli, files: Path) -> None:
    bad = files / "bad.tflite"
    for data in (conv_model(), converted(conv_model()).data, converted(conv_model(), strip=True).data):
        for size in [*range(0, 64, 7), *range(64, len(data) - 1, len(data) // 40), len(data) - 8]:
            bad.write_bytes(data[:size])
            with untouched(files):
                cli.refused(3, bad, "-o", files / "out.tflite", "--no-verify")


def damage(change: Callable[[TfliteModel], None]) -> bytes:
    model = parse(converted(conv_model(), "rle").data)
    change(model)
    return serialise(model)


def _slot(slot: int, at: int, value: int) -> Callable[[TfliteModel], None]:
    """Overwrite a byte of the blob (1) or the table (2)."""

    def change(model: TfliteModel) -> None:
        graph = model.root.subgraphs[0]
        buffer = model.root.buffers[graph.tensors[graph.operators[0].inputs[slot]].buffer]
        buffer.data = np.array(buffer.data)
        buffer.data[at] = value

    return change


def _entry(name: str, content: bytes) -> Callable[[TfliteModel], None]:
    def change(model: TfliteModel) -> None:
        entry = next(e for e in model.root.metadata if text(e.name) == name)
        model.root.buffers[entry.buffer].data = np.frombuffer(content, np.uint8)

    return change


def _options(model: TfliteModel) -> None:
    model.root.subgraphs[0].operators[0].customOptions = np.zeros(9, np.uint8)


LIES: dict[str, tuple[Callable[[TfliteModel], None], str]] = {
    "magic": (_slot(1, 0, 0), "magic"),
    "version": (_slot(1, 4, 2), "format version 2"),
    "codec": (_slot(1, 5, 77), "unknown codec 77"),
    "rows": (_slot(1, 8, 255), "rows"),
    "nbytes": (_slot(1, 17, 255), "header says"),
    "dimensions": (_slot(1, 20, 9), "dimensions"),
    "section": (_slot(1, 41, 200), "sections of"),
    "table channels": (_slot(2, 8, 31), "requantisation table"),
    "table magic": (_slot(2, 0, 0), "requantisation table: magic"),
    "options": (_options, "custom_options"),
    "metadata": (_entry(NAME, b"{"), "metadata entry 'wpconvert'"),
    "restore entry": (_entry(RESTORE_NAME, b"\0\1\2"), "metadata entry 'wpconvert.restore'"),
}


@pytest.mark.parametrize(("change", "message"), LIES.values(), ids=LIES.keys())
def test_lies_inside_a_rewritten_model_are_refused_wherever_they_matter(
    change: Callable[[TfliteModel], None], message: str, cli: Cli, files: Path
) -> None:
    bad = files / "bad.tflite"
    bad.write_bytes(damage(change))
    entry = "metadata" in message
    with untouched(files):
        for command in ("convert", "restore"):
            assert message in cli.refused(3, command, bad, "-o", files / "out.tflite")
        if not entry or "restore" not in message:
            assert message in cli.refused(3, "inspect", bad)
        assert message in cli.refused(3, "verify", files / "model.tflite", bad)


USAGE: list[tuple[list[str], str]] = [
    (["model.tflite", "-o", "x.onnx"], "model.tflite cannot be converted to an .onnx model"),
    (["restore", "model.tflite", "-o", "x.onnx"], "model.tflite cannot be converted to an .onnx model"),
    (["model.tflite"], "no output: give -o OUT, --in-place, --to-c FILE.c or --dry-run"),
    (["model.tflite", "-o", "model.tflite"], "-o model.tflite is the input; use --in-place"),
    (["model.tflite", "-o", "./model.tflite"], "is the input"),
    (["model.tflite", "-o", "sub/../model.tflite"], "is the input"),
    (["model.tflite", "-o", "link.tflite"], "is the input"),
    (["link.tflite", "-o", "model.tflite"], "is the input"),
    (["model.tflite", "-o", "hard.tflite"], "is the input"),
    (["restore", "small.tflite", "-o", "small.tflite"], "is the input; give another file"),
    (["model.tflite", "-o", "x.tflite", "--in-place"], "exclude each other"),
    (["model.tflite", "-o", "net.c", "--to-c", "net.c"], "net.c is given twice"),
    (["model.tflite", "-o", "net.h", "--to-c", "net.c"], "net.h is given twice"),
    (["model.tflite", "--to-c", "net.c", "--report", "x.json", "--dump-plan", "./x.json"], "x.json is given twice"),
    (["model.tflite", "--to-c", "n.c", "--report", "sub/../new.json", "--dump-plan", "new.json"], "is given twice"),
    (["model.tflite", "--dry-run", "--dump-plan", "model.tflite"], "model.tflite is given twice"),
    (["model.tflite", "--in-place", "--dump-plan", "link.tflite"], "is given twice"),
    (["model.tflite", "--dry-run", "--rules", "plan.yaml", "--dump-plan", "plan.yaml"], "plan.yaml is given twice"),
    (
        ["model.tflite", "--dry-run", "-m", "dscr"],
        "unknown method 'dscr', expected one of auto, none, dense",
    ),
    (["model.tflite", "--dry-run", "--engine", "gpu"], "unknown engine 'gpu', expected one of reference, "),
    (["verify", "model.tflite", "small.tflite", "--engine", "gpu"], "unknown engine 'gpu'"),
    (["model.tflite", "--dry-run", "-v", "-q"], "-v and -q exclude each other"),
    (["model.tflite", "--dry-run", "--report", "r.txt"], "--report r.txt: the suffix must be .json or .csv"),
    (["model.tflite", "--to-c", "net.txt"], "--to-c net.txt: the suffix must be"),
    (["model.tflite", "--dry-run", "--threshold", "1.5"], "--threshold"),
    (["model.tflite", "--dry-run", "--threshold", "nan"], "--threshold"),
    (["model.tflite", "--dry-run", "--random", "0"], "--random"),
    (["model.tflite", "--dry-run", "--random", "many"], "--random"),
    (["model.tflite", "--dry-run", "--seed", "-1"], "--seed"),
    (["model.tflite", "--dry-run", "--inputs", "x.npz", "--random", "2"], "--inputs and --random exclude each other"),
    (["model.tflite", "--ouput", "x.tflite"], "No such option: --ouput"),
    (["model.tflite", "-o"], "requires an argument"),
    (["inspect"], "Missing argument 'MODEL'"),
    (["verify", "model.tflite"], "Missing argument 'REWRITTEN'"),
    (["restore", "small.tflite"], "Missing option"),
    (["model.tflite", "small.tflite", "--dry-run"], "unexpected extra argument"),
    (["inspcet", "model.tflite"], "unexpected extra argument"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_wrong_usage_is_refused_with_what_was_expected(
    arguments: list[str], message: str, cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    (files / "link.tflite").symlink_to("model.tflite")
    (files / "hard.tflite").hardlink_to("model.tflite")
    (files / "sub").mkdir()
    with untouched(files):
        assert message in cli.refused(2, *arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rules: [{name: nothing, method: rle}]", "rule 1 (name: nothing) matches no weight"),
        ("rules: [{nmae: conv, method: rle}]", "rules.0.nmae: unknown key"),
        ("rules: [{name: '*', method: rle}]", "is not a regular expression"),
        ("rules: [{name: conv, method: zip}]", "unknown method 'zip'"),
        ("rules: [[name, conv]]", "rules.0: expected the keys of a rule"),
        ("", "top level"),
        ("\tnot: yaml", "not YAML"),
    ],
)
def test_rules_with_a_mistake_are_refused(content: str, message: str, cli: Cli, files: Path) -> None:
    (files / "rules.yaml").write_text(content)
    with untouched(files):
        line = cli.refused(2, files / "model.tflite", "--rules", files / "rules.yaml", "-o", files / "out.tflite")
    assert message in line


def test_missing_rules_and_inputs_are_file_errors(cli: Cli, files: Path) -> None:
    for option in ("--rules", "--inputs"):
        with untouched(files):
            line = cli.refused(5, files / "model.tflite", option, files / "missing", "-o", files / "out.tflite")
        assert line.rstrip().endswith(": No such file or directory")


def test_inputs_of_another_model_are_usage_errors(cli: Cli, files: Path) -> None:
    with untouched(files):
        line = cli.refused(2, files / "model.tflite", "--inputs", SAMPLES, "-o", files / "out.tflite")
    assert "array for input 'input_0' has shape [360, 1, 8, 8, 1]" in line or "has shape [360" in line


def test_verifying_models_with_different_interfaces_is_a_usage_error(cli: Cli, files: Path) -> None:
    assert "they are not two versions of one model" in cli.refused(2, "verify", files / "model.tflite", MODEL)


def test_unwritable_outputs_are_file_errors_and_nothing_else_is_written(cli: Cli, files: Path) -> None:
    os.mkfifo(files / "pipe.json")
    (files / "folder.json").mkdir()
    (files / "loop.json").symlink_to("loop.json")
    (files / "dangling.json").symlink_to("missing/x.json")
    reports = ["missing/r.json", "model.tflite/r.json", "folder.json", "pipe.json", "loop.json", "dangling.json"]
    for report in [files / name for name in reports] + [Path("/proc/r.json")]:
        with untouched(files):
            line = cli.refused(5, files / "model.tflite", "-o", files / "out.tflite", "--report", report)
        assert line.startswith(f"{report}: cannot be written: ")
    assert (files / "pipe.json").is_fifo()
    assert (files / "loop.json").is_symlink()


def test_a_long_file_name_is_no_obstacle(cli: Cli, files: Path) -> None:
    cli.ok(files / "model.tflite", "-o", files / ("x" * 248 + ".tflite"))
    with untouched(files):
        cli.refused(5, files / "model.tflite", "-o", files / ("x" * 300))


@pytest.mark.parametrize("call", ["os.fsync", "os.fdopen"])
@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_disk_that_fills_or_an_interrupt_leaves_everything_as_it_was(
    call: str, fault: BaseException, cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Any = getattr(os, call.removeprefix("os."))
    calls = 0

    def fail(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        # The first file is staged already when the second one fails.
        if calls == 2:
            raise fault
        return real(*arguments, **options)

    with untouched(files), monkeypatch.context() as patch:
        patch.setattr(call, fail)
        done = cli(files / "model.tflite", "-o", files / "out.tflite", "--report", files / "report.json")
        assert calls == 2
    if isinstance(fault, OSError):
        assert done.code == 5
        assert done.err == f"wpconvert: {files / 'report.json'}: cannot be written: No space left on device\n"
    else:
        assert done.code == 130


def test_a_real_full_file_system(cli: Cli, files: Path) -> None:
    disk = files / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=16k tmpfs '{disk}' 2>/dev/null") != 0:
        pytest.skip("no right to mount a small file system")
    try:
        (disk / "small.tflite").write_bytes(b"precious")
        with untouched(files):
            line = cli.refused(5, MODEL, "-o", disk / "small.tflite")
        assert line == f"{disk / 'small.tflite'}: cannot be written: No space left on device"
    finally:
        os.system(f"umount '{disk}'")


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()], ids=repr)
def test_running_out_of_memory_and_interrupts_end_cleanly(
    error: BaseException, cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("wpconvert.job.convert.Planner.from_choices", fail)
    with untouched(files):
        done = cli(files / "model.tflite", "-o", files / "out.tflite")
    assert done.code == (4 if isinstance(error, MemoryError) else 130)
    assert done.err.count("\n") <= 1 and "Traceback" not in done.err


def test_model_that_no_engine_runs_is_unsupported_and_names_the_operator(cli: Cli, files: Path) -> None:
    model = parse(conv_model())
    model.root.operatorCodes[0].builtinCode = model.root.operatorCodes[0].deprecatedBuiltinCode = 32
    model.root.operatorCodes[0].customCode = "MINE"
    (files / "custom.tflite").write_bytes(serialise(model))
    with untouched(files):
        assert "MINE" in cli.refused(4, files / "custom.tflite", "-o", files / "out.tflite")
    cli.ok(files / "custom.tflite", "-o", files / "copy.tflite", "--no-verify")
