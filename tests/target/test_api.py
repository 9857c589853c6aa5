"""`wpconvert.run` and `wpconvert.bench`: as the commands, without their words and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import assert_type

import numpy as np
import pytest

import wpconvert
from wpconvert.cli.main import run as command
from wpconvert.errors import FileError, ModelError, UsageError

from .conftest import ROOT

MODEL = ROOT / "models" / "zoo" / "digits_ds_cnn.tflite"
BOARD = "mps2-m4"


@pytest.mark.usefixtures("device")
def test_a_run_is_that_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = wpconvert.run(MODEL, target=BOARD, random=2, output=tmp_path / "y.npz")
    assert_type(report, wpconvert.TargetReport)
    assert capsys.readouterr() == ("", "")
    assert report.identical
    assert report.instructions_mean
    assert f"{report.instructions_mean:,} instructions" in repr(report)
    assert command(["run", str(MODEL), "--target", BOARD, "--random", "2", "--json"]) == 0
    assert capsys.readouterr().out == report.to_json()
    assert len(np.load(tmp_path / "y.npz")["logits"]) == report.samples
    of_bytes = wpconvert.run(MODEL.read_bytes(), target=BOARD, random=2)
    assert of_bytes.model == "model.tflite"
    assert of_bytes.instructions == report.instructions


@pytest.mark.usefixtures("device")
def test_a_benchmark_is_that_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    found = wpconvert.bench(MODEL, target=BOARD)
    assert_type(found, wpconvert.Benchmark)
    assert command(["bench", str(MODEL), "--target", BOARD, "--json"]) == 0
    assert capsys.readouterr().out == found.to_json()
    small = wpconvert.convert(MODEL, method="rle", verified=False).data
    both = wpconvert.bench(small, target=BOARD, against=MODEL)
    assert_type(both, wpconvert.Comparison)
    assert (both.against.instructions, both.model.path) == (found.instructions, "model.tflite")
    assert both.same_outputs
    assert capsys.readouterr() == ("", "")
    for result in (found, both):
        assert f"{found.instructions:,}" in repr(result)
        assert f"{found.instructions:,}" in str(result)
        assert json.loads(result.to_json())


def test_what_cannot_run_is_an_error_of_the_package(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one of"):
        wpconvert.run(MODEL, target="moon")
    with pytest.raises(UsageError, match="expected one of"):
        wpconvert.bench(MODEL, target="moon")
    with pytest.raises(UsageError, match="suffix"):
        wpconvert.run(MODEL, target=BOARD, output=tmp_path / "y.txt")
    with pytest.raises(ModelError, match=r"^model\.tflite: "):
        wpconvert.run(b"nothing", target=BOARD)
    with pytest.raises(FileError, match=r"none\.tflite"):
        wpconvert.bench("none.tflite", target=BOARD)
