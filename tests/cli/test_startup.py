"""A command imports what it needs: libraries counted, not seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.harness import MODEL, ZOO
from wpconvert.cli.app import COMMANDS

pytestmark = pytest.mark.processes

NEVER = {"distributed", "dask", "matplotlib", "tflite_micro", "torch"}
ONNX = {"onnx", "onnxruntime", "google.protobuf"}
FILES = {"wpconvert.job.rules_file", "wpconvert.batch.manifest"}
"""Rules and manifests, which bring YAML and pydantic along."""
CLUSTERS = {"sklearn", "scipy"}
"""For weight pools."""
MODELS = {"numpy", "pydantic", "flatbuffers", "ai_edge_litert", "wpconvert.codecs"}

_PROGRAM = """
import sys
from wpconvert.cli.main import run
print("code", run(sys.argv[1:]))
print("modules", *sys.modules)
"""


def imported(code: int, *arguments: str | Path) -> set[str]:
    """The modules that a command line imports, which ends with `code`."""
    command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
    # Which shell runs the tests does not matter: Typer is told one, and does not look for it.
    environment = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    *_, ended, modules = done.stdout.splitlines()
    assert ended == f"code {code}", done
    return set(modules.split()[1:])


@pytest.mark.parametrize(
    ("line", "code"), [("--help", 0), ("--version", 0), ("", 2), ("--show-completion bash", 0), ("--nonsense", 2)]
)
def test_help_version_and_wrong_usage_need_no_library_of_ours(line: str, code: int) -> None:
    # Wrong options are those of `convert`, which name the methods; and for what it parses Typer needs pydantic.
    allowed = {"--nonsense": MODELS, "--show-completion bash": {"pydantic"}}.get(line, set())
    arguments = line.split()
    assert not imported(code, *arguments) & (NEVER | ONNX | FILES | CLUSTERS | MODELS - allowed)


def test_methods_needs_the_codecs_alone() -> None:
    assert not imported(0, "methods") & (NEVER | ONNX | FILES | CLUSTERS | {"flatbuffers", "ai_edge_litert"})


def test_arrays_need_the_codecs_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(9, dtype=np.int8))
    for options in ([], ["-m", "rle", "-o", str(tmp_path / "x")]):
        arguments = ["array", str(tmp_path / "x.npy"), *options]
        assert not imported(0, *arguments) & (NEVER | ONNX | FILES | CLUSTERS | {"flatbuffers", "ai_edge_litert"})


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_needs_no_more_than_its_options(command: str) -> None:
    files = FILES if command == "batch" else set()
    assert not imported(0, command, "--help") & (NEVER | ONNX | CLUSTERS | FILES - files)


def test_commands_on_tflite_models_need_nothing_for_other_files(tmp_path: Path) -> None:
    out, dense = tmp_path / "out.tflite", tmp_path / "dense.tflite"
    commands: list[list[str | Path]] = [
        ["inspect", MODEL],
        [MODEL, "-o", out, "--random", "1"],
        ["verify", MODEL, out, "--random", "1"],
        ["restore", out, "-o", dense],
    ]
    for arguments in commands:
        assert not imported(0, *arguments) & (NEVER | ONNX | FILES | CLUSTERS), arguments
    assert not imported(5, "inspect", tmp_path / "missing.tflite") & (NEVER | ONNX | FILES | CLUSTERS)


def test_commands_on_onnx_models_run_nothing_that_they_need_not(tmp_path: Path) -> None:
    model = ZOO / "digits_onnx.onnx"
    assert not imported(0, "inspect", model) & (NEVER | FILES | CLUSTERS | {"onnxruntime"})
    out = tmp_path / "out.onnx"
    assert not imported(0, model, "-m", "rle", "-o", out, "--no-verify") & (NEVER | FILES | CLUSTERS | {"onnxruntime"})


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for name, summary in COMMANDS.items():
        module = __import__(f"wpconvert.cli.{name}", fromlist=[name])
        assert getattr(module, name).__doc__.partition("\n")[0] == summary
