"""The cost files that ship, and what is made of a wrong one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wpconvert.codecs import STANDALONE
from wpconvert.errors import ToolError, UnsupportedError
from wpconvert.model.goal import DEFAULT_GOAL
from wpconvert.model.layer import Layer, Storage
from wpconvert.plan import costs as module
from wpconvert.plan import features, paths
from wpconvert.plan.costs import Cost, load_costs, predict
from wpconvert.target.board import boards
from wpconvert.target.image import runtime_operators

CORES = sorted({board.core for board in boards().values()})


def conv(method: str, pixels: int, rows: int, cols: int, density: float) -> Layer:
    storage = Storage(method, rows, cols, int(rows * cols * density))
    return Layer("CONV_2D", 1, (1, pixels, cols), (1, pixels, rows), weights=storage)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("method", ["none", *STANDALONE])
def test_every_board_has_costs_of_every_codec_for_layers_of_any_size(core: str, method: str) -> None:
    found = load_costs(core)
    for pixels in (1, 2, 7, 100, 40_000):
        for rows, cols, density in ((1, 1, 1.0), (3, 17, 0.0), (64, 64, 0.2), (1000, 5000, 0.9)):
            cost = found.cost(conv(method, pixels, rows, cols, density))
            assert cost is not None
            assert cost.cycles > 0 and cost.instructions > 0


@pytest.mark.parametrize("operator", ["CONV_2D", "FULLY_CONNECTED"])
def test_codec_that_kernels_do_not_decode_yet_has_no_costs(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "STANDALONE", (*STANDALONE, "new"))
    monkeypatch.setattr(features, "codecs_with_kernels", paths.codecs_with_kernels.__wrapped__)
    layer = replace(conv("new", 100, 64, 64, 0.2), operator=operator)
    costs = load_costs("Cortex-M4")
    assert costs.cost(layer) is None
    assert costs.name_of(layer) == f"{operator} with new"


@pytest.mark.parametrize("core", CORES)
def test_large_layers_cost_about_in_proportion(core: str) -> None:
    found = load_costs(core)
    small, large = found.cost(conv("dense", 1000, 64, 64, 1.0)), found.cost(conv("dense", 4000, 64, 64, 1.0))
    assert small is not None and large is not None
    assert 3 < large.cycles / small.cycles < 5


@pytest.mark.parametrize("core", CORES)
def test_code_of_every_operator_is_known_and_counted_once(core: str) -> None:
    found = load_costs(core)
    names = {name for name, _ in runtime_operators()}
    assert {name for code in found.code for name in code.used_by} == names | set(STANDALONE)
    base = found.code_nbytes([])
    conv_only = found.code_nbytes(["CONV_2D"])
    assert 5_000 < base < conv_only < found.code_nbytes(["CONV_2D", "DEPTHWISE_CONV_2D"])
    assert found.code_nbytes(names | set(STANDALONE)) == sum(code.nbytes for code in found.code)


def test_blob_without_costs_has_none_and_is_not_free() -> None:
    found = load_costs(DEFAULT_GOAL.core)
    assert found.cost(conv("future", 10, 4, 4, 1.0)) is None
    assert predict([conv("future", 10, 4, 4, 1.0)], found).unknown == ("CONV_2D with future",)
    assert found.without_code(["CONV_2D", "rle", "future"]) == ["future"]


@pytest.mark.parametrize("core", CORES)
def test_ways_to_compute_that_no_sample_has_are_known_from_others(core: str) -> None:
    found = load_costs(core)
    layer = conv("rle", 100, 64, 64, 0.1)
    family = found.family(layer)
    lacking = replace(found, families=found.families - {family})
    costs = found.cost(layer), lacking.cost(layer)
    assert costs[0] is not None and costs[0] == costs[1]


def test_codec_that_was_not_calibrated_is_not_known() -> None:
    found = load_costs(DEFAULT_GOAL.core)
    weights = {name: pair for name, pair in found.weights.items() if " rle: " not in name}
    lacking = replace(found, weights=weights)
    layer = conv("rle", 10, 64, 64, 0.5)
    assert found.cost(layer) is not None and lacking.cost(layer) is None
    assert lacking.cost(conv("bitmap", 10, 64, 64, 0.5)) is not None


def test_operator_without_costs_is_named_and_counts_as_nothing() -> None:
    found = load_costs(DEFAULT_GOAL.core)
    strange = Layer("MINE", 1, (1, 1, 1), (1, 1, 1))
    prediction = predict([strange], found)
    assert prediction.unknown == ("MINE",)
    assert prediction.layers == (Cost(0, 0),)
    assert prediction.total == found.interpreter()


def test_core_that_was_not_calibrated_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="no cost model for Cortex-M0; create one"):
        load_costs("Cortex-M0")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"core": "x", "families": [], "weights": {"a": [1]}, "code": []}'], ids=str
)
def test_damaged_file_is_a_tool_error(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    (tmp_path / "broken.json").write_text(content)
    with pytest.raises(ToolError, match=r"broken\.json: not a cost model"):
        load_costs("Broken")
