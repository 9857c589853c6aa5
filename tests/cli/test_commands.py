"""`inspect`, `verify`, `restore`, `methods`, help and version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.cli.harness import DENSE, MODEL, SAMPLES, ZOO, Cli
from tests.support.models import ModelBuilder
from tests.support.oracles import SHARED_MODELS
from tests.tflite.harness import conv_model, converted
from wpconvert import __version__
from wpconvert.cli.app import COMMANDS
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.methods import METHODS

SHARED = sorted(SHARED_MODELS.glob("*/*.tflite"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(converted(MODEL.read_bytes(), "rle").data)
    return path


def test_inspect_shows_weights_methods_and_story(cli: Cli, small: Path) -> None:
    before, after = cli.ok("inspect", MODEL).out, cli.ok("inspect", small).out
    for part in ("input: image INT8 1×8×8×1", "4 CONV_2D", "rewritten tensors: none", "classifier/weight", "dcsr"):
        assert part in before
    assert f"rewritten tensors: 5 by wpconvert {__version__} (rle)" in after
    assert "4 WP_CONV_2D" in after


def test_inspect_as_json(cli: Cli, small: Path) -> None:
    found = json.loads(cli.ok("inspect", small, "--json").out)
    assert found["operators"]["WP_CONV_2D"] == 4
    assert [w["stored_as"] for w in found["weights"]].count("rle") == 5
    assert found["provenance"]["tensors"][0]["method"] == "rle"


@pytest.mark.skipif(not SHARED, reason=f"no models in {SHARED_MODELS}")
@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_inspect_reads_every_shared_model(path: Path, cli: Cli) -> None:
    if path.parent.name != "mobilenetv2_cifar10":
        assert "operators: " in cli.ok("inspect", path).out
    assert json.loads(cli.ok("inspect", path, "--json").out)["nbytes"] == path.stat().st_size


def test_inspect_survives_names_of_any_kind(cli: Cli, tmp_path: Path) -> None:
    b = ModelBuilder()
    x = b.input((1, 64), 0.5, name="[red]\x1b[2J\n\u202e")
    b.output(b.fully_connected(x, np.eye(64, dtype=np.int8), name="[/]\\"))
    (tmp_path / "m.tflite").write_bytes(b.to_bytes())
    for options in ([], ["--json"]):
        done = cli.ok("inspect", tmp_path / "m.tflite", *options)
        assert "\x1b" not in done.out
    assert "\x1b" not in cli.ok(tmp_path / "m.tflite", "--dry-run", "-v").out


def test_verify_passes_equal_models_with_0(cli: Cli, small: Path) -> None:
    done = cli.ok("verify", MODEL, small)
    assert "logits: 40 values equal" in done.out
    assert "verified: identical outputs, bit for bit, on 4 samples (native engine); all weights equal" in done.out


@pytest.mark.parametrize("engine", ["reference", "litert"])
def test_verify_fails_different_models_with_1_and_measures(engine: str, cli: Cli) -> None:
    done = cli("verify", MODEL, DENSE, "--engine", engine, "--random", "2")
    assert (done.code, done.err) == (1, "")
    for part in ("values differ, by at most", "SNR", "top-1 agreement", "FAILED: weights differ; output logits"):
        assert part in done.out


def test_verify_with_labels_gives_the_accuracy_of_both(cli: Cli) -> None:
    assert "accuracy 0.9917 → 0.9972" in cli("verify", MODEL, DENSE, "--inputs", SAMPLES).out


def test_verify_as_json(cli: Cli, small: Path) -> None:
    found = json.loads(cli.ok("verify", MODEL, small, "--json", "--random", "1").out)
    assert (found["passed"], found["samples"], found["outputs"][0]["different"]) == (True, 1, 0)
    assert json.loads(cli("verify", MODEL, DENSE, "--json", "--random", "1").out)["passed"] is False


def test_restore_gives_the_model_back_and_copies_what_was_not_rewritten(cli: Cli, small: Path, tmp_path: Path) -> None:
    done = cli.ok("restore", small, "-o", tmp_path / "back.tflite")
    assert f"wrote {tmp_path / 'back.tflite'}, {small.stat().st_size:,} → " in done.out
    cli.ok("verify", MODEL, tmp_path / "back.tflite", "--random", "1")
    done = cli.ok("restore", MODEL, "-o", tmp_path / "copy.tflite")
    assert "no rewritten operators; copied unchanged" in done.out
    assert (tmp_path / "copy.tflite").read_bytes() == MODEL.read_bytes()
    assert cli.ok("restore", small, "-o", tmp_path / "q.tflite", "-q").out == ""


def test_methods_lists_every_method(cli: Cli) -> None:
    lines = cli.ok("methods").out.splitlines()
    assert {line.split()[0] for line in lines if line.strip()} >= set(METHODS)


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_options_and_examples(command: str, option: str, cli: Cli) -> None:
    done = cli.ok(*([command] if command else []), option)
    assert "Usage: wpconvert" in done.out
    if command not in ("methods",):
        assert "Example" in done.out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fills_its_lines(command: str, cli: Cli) -> None:
    """What it says first: a line ends where the next word does not fit, or the paragraph does."""
    text, options = cli.ok(*([command] if command else []), "--help").out.split("╭", 1)
    width = len(options.splitlines()[0])
    for line, after in pairwise(text.splitlines()):
        if line.strip() and after.strip():
            assert len(f"{line.rstrip()} {after.split()[0]}") > width - 1


def test_help_documents_the_exit_codes(cli: Cli) -> None:
    text = " ".join(cli.ok("--help").out.split())
    assert "0 done · 1 verification failed · 2 wrong usage · 3 malformed model · 4 not supported · 5 file error" in text


def test_no_arguments_show_the_help(cli: Cli) -> None:
    done = cli()
    assert (done.code, done.err) == (2, "")
    assert "Usage: wpconvert" in done.out


def test_version(cli: Cli) -> None:
    assert cli.ok("--version").out == f"wpconvert {__version__}\n"


def program(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "wpconvert.cli.main", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_standard_output_on_a_full_disk_is_one_line_and_5() -> None:
    with Path("/dev/full").open("wb") as full:
        done = program("inspect", MODEL, "--json", stdout=full)
    assert (done.returncode, done.stderr) == (5, b"wpconvert: cannot be written: No space left on device\n")


def test_reader_that_leaves_early_causes_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = program("inspect", MODEL, "--json", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (130, b"")


def test_terminal_without_unicode_gets_escapes() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = program("inspect", MODEL, stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"1\\xd78\\xd78" in done.stdout


def test_file_names_that_are_no_text_are_read_written_and_reported(tmp_path: Path) -> None:
    source = os.fsencode(tmp_path) + b"/\xff.tflite"
    Path(os.fsdecode(source)).write_bytes(conv_model())
    target, report = os.fsdecode(source) + ".out", tmp_path / "r.json"
    done = program(os.fsdecode(source), "-o", target, "--report", report, stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(report.read_text())["source"] == os.fsdecode(source)
    missing = program("inspect", os.fsdecode(source) + "x", stdout=subprocess.PIPE)
    assert missing.returncode == 5 and missing.stderr.count(b"\n") == 1


def test_no_control_character_of_a_name_reaches_the_terminal(cli: Cli, tmp_path: Path) -> None:
    model = parse(conv_model())
    odd = "a\x1b[2J\r\x9b\u202e\n[red]:smile:"
    for tensor in model.root.subgraphs[0].tensors:
        tensor.name = odd
    folder = tmp_path / "\x1b[2J\u202e"
    folder.mkdir()
    path, out = folder / "model.tflite", folder / "out.tflite"
    path.write_bytes(serialise(model))
    commands: list[list[str | Path]] = [
        ["inspect", path],
        ["inspect", path, "--json"],
        [path, "-o", out, "-m", "rle"],
        [path, "-o", out, "-v"],
        ["verify", path, out],
        ["restore", out, "-o", folder / "dense.tflite"],
        ["inspect", folder / "missing\x07.tflite"],
        [path, "-o", folder / "missing\r" / "out.tflite", "--no-verify"],
        [path, f"--\x1b{odd}"],
        ["\x1b"],
    ]
    for arguments in commands:
        done = cli(*arguments)
        assert (done.out + done.err).replace("\n", "").isprintable(), arguments
    assert "\\x1b[2J\\r\\x9b\\u202e\\n[red]:smile:" in cli.ok("inspect", path).out


@pytest.mark.parametrize("command", ["run", "bench"])
def test_only_formats_that_boards_run_are_run(command: str, cli: Cli) -> None:
    line = cli.refused(4, command, ZOO / "digits_onnx.onnx", "--target", "mps2-m3")
    assert "digits_onnx.onnx: boards run .tflite models; convert it to one with -o OUT.tflite" in line
