"""Plans that are measured, on a board that the tests make up: predictions are off, measured plans keep to the limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.harness import MODEL, Cli, untouched
from wpconvert.benchmark.flash import BOARD
from wpconvert.benchmark.result import Benchmark, LayerCount
from wpconvert.errors import BudgetError
from wpconvert.files import Workspace
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.source import source_of
from wpconvert.graph.types import Sample
from wpconvert.job import measured as module
from wpconvert.job.convert import Converted
from wpconvert.job.measured import convert_measured
from wpconvert.model.goal import Goal
from wpconvert.model.layer import PLAIN
from wpconvert.model.rules import AUTO, Rules
from wpconvert.model.settings import Settings
from wpconvert.plan.costs import load_costs
from wpconvert.plan.layers import layers_at
from wpconvert.report.result import Measurement
from wpconvert.target.board import Board

SETTINGS = Settings(AUTO, Rules(rules=[]))
GOAL = Goal("corstone300", "Cortex-M55")


class MadeUp:
    """A board on which layers of a method take a factor of what is predicted, and code some bytes more."""

    def __init__(self, factors: dict[str, float], more_code: int = 0) -> None:
        self.factors, self.more_code = factors, more_code
        self.measured: list[set[str]] = []

    def __call__(self, path: str, data: bytes, model: TfliteModel, board: Board, _: Sample) -> Benchmark:
        costs = load_costs(board.core)
        counts, methods, names = [], set(), set[str]()
        for index, layer in enumerate(layers_at(read_graph(model)).values()):
            method = PLAIN if layer.weights is None else layer.weights.method
            cost = costs.cost(layer)
            assert cost is not None
            factor = self.factors.get(method, 1.0)
            counts.append(LayerCount(index, layer.operator, "", round(cost.instructions), round(factor * cost.cycles)))
            methods.add(method)
            names.update(layer.code)
        code = costs.code_nbytes(names) + (self.more_code if methods != {PLAIN} else 0)
        self.measured.append(methods - {PLAIN})
        total = sum(c.instructions for c in counts), sum(c.modelled_cycles for c in counts)
        flash = {"model": len(data), "kernels": code, BOARD: 2000}
        return Benchmark(
            path, board.name, board.core, "made up", len(data), *total, 0, 0, 0, 1000, flash, tuple(counts), (), (), ""
        )


def converted(settings: Settings, goal: Goal) -> Converted:
    with Workspace(None) as workspace:
        return convert_measured(source_of(MODEL.read_bytes()), settings, workspace, goal)


def measured(monkeypatch: pytest.MonkeyPatch, board: MadeUp, goal: Goal = GOAL) -> Measurement:
    monkeypatch.setattr(module, "benchmark", board)
    found = converted(SETTINGS, goal).report.measured
    assert found is not None
    return found


def test_plan_that_keeps_to_its_limit_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    board = MadeUp({})
    found = measured(monkeypatch, board)
    assert found.plans == 1 and len(board.measured) == 2
    assert found.cycles <= 1.1 * found.cycles_dense
    assert found.flash_nbytes < found.flash_nbytes_dense


def test_plan_that_is_slower_than_predicted_is_made_anew_until_it_keeps_to_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = MadeUp({})
    measured(monkeypatch, usual)
    board = MadeUp(dict.fromkeys(usual.measured[-1], 1.5))
    found = measured(monkeypatch, board)
    assert found.plans > 1 and board.measured[1] == usual.measured[-1]
    assert found.cycles <= 1.1 * found.cycles_dense and found.flash_nbytes <= found.flash_nbytes_dense


def test_code_that_is_larger_than_predicted_counts_as_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch, MadeUp({}, more_code=100_000))
    assert found.plans > 1 and found.flash_nbytes <= found.flash_nbytes_dense


def test_what_no_measured_plan_keeps_to_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    goal = Goal("corstone300", "Cortex-M55", None, max_slowdown=1.2)
    monkeypatch.setattr(module, "benchmark", MadeUp({"rle": 3.0}))
    with pytest.raises(BudgetError, match=r"no plan .* × the time|no plan meets --max-slowdown 1.2"):
        converted(Settings("rle", Rules(rules=[])), goal)


def test_measuring_needs_the_tools_and_writes_nothing_without(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("WPCONVERT_CACHE", str(tmp_path / "cache"))
    line = cli.refused(6, MODEL, "-o", tmp_path / "out.tflite", "--measure", "--no-verify")
    assert "arm-none-eabi-g++ is not on PATH" in line
    assert not (tmp_path / "out.tflite").exists()
    with untouched(tmp_path):
        assert "--measure needs -m auto" in cli.refused(2, MODEL, "--dry-run", "-m", "rle", "--measure")
