"""Predictions against measurements: the shipped models, which took no part in the calibration, on every board."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.bench.guest import MISSING
from wpconvert.benchmark.flash import BOARD, MODEL, PADDING
from wpconvert.benchmark.measure import benchmark
from wpconvert.cli.main import run
from wpconvert.engines.inputs import random_inputs
from wpconvert.formats.tflite.file import read
from wpconvert.target.board import board_named, boards

ABSENT = [*MISSING, *(tool for tool in ("arm-none-eabi-g++", "cmake", "ninja") if shutil.which(tool) is None)]
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")

ZOO = sorted((Path(__file__).resolve().parents[2] / "models" / "zoo").glob("*.tflite"))


@pytest.mark.parametrize("target", list(boards()))
@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_forecast_of_auto_is_near_what_is_measured(path: Path, target: str, tmp_path: Path) -> None:
    """The limits that docs/COST_MODEL.md names: 5 % of cycles and instructions, 3 % of code."""
    out, report = tmp_path / "out.tflite", tmp_path / "report.json"
    options = ["-o", str(out), "--target", target, "--report", str(report), "--no-verify", "-q"]
    assert run([str(path), *options]) == 0
    forecast = json.loads(report.read_text())["forecast"]
    for model, suffix in ((out, ""), (path, "_dense")):
        data, parsed = read(model)
        found = benchmark(str(model), data, parsed, board_named(target), random_inputs(parsed, 1, 0).samples[0])
        code = sum(n for part, n in found.flash_nbytes.items() if part not in (BOARD, MODEL, PADDING))
        assert forecast[f"instructions{suffix}"] == pytest.approx(found.instructions, rel=0.05)
        assert forecast[f"cycles{suffix}"] == pytest.approx(found.modelled_cycles, rel=0.05)
        assert forecast[f"arena_nbytes{suffix}"] == found.arena_nbytes
        assert forecast[f"code_nbytes{suffix}"] == pytest.approx(code, rel=0.03)
