"""How often a command reads its source: a large model takes its time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.harness import ZOO, Cli
from wpconvert.formats.onnx import file

MODEL = ZOO / "digits_onnx.onnx"


@pytest.mark.parametrize("output", ["out.onnx", "out.tflite"])
def test_a_conversion_reads_its_source_once(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    read, parsed = [], file._parsed

    def counting(path: Path, nbytes: int) -> object:
        read.append(path)
        return parsed(path, nbytes)

    monkeypatch.setattr(file, "_parsed", counting)
    cli.ok(MODEL, "-m", "rle", "-q", "-o", tmp_path / output)
    assert read.count(MODEL) == 1
