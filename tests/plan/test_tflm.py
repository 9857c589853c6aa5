"""Plans for TensorFlow Lite Micro count what runs there: CMSIS-NN's kernels, TFLM's code, its planner's arena."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.models import ModelBuilder
from tests.tflite.harness import conv_model, converted, sparse
from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.memory import predict_tflm
from wpconvert.memory.greedy import stock
from wpconvert.memory.lifetimes import activations
from wpconvert.memory.tflm import scratch_of
from wpconvert.model.goal import BUNDLED, DEFAULT_GOAL, TFLM
from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.plan import costs
from wpconvert.plan.costs import load_costs, predict
from wpconvert.plan.layers import layers_of
from wpconvert.target.board import boards

GOAL = replace(DEFAULT_GOAL, runtime=TFLM)
CORE = GOAL.core
CORES = tuple(board.core for board in boards().values())


@pytest.mark.parametrize("core", CORES)
def test_plain_operators_cost_what_tflm_takes_and_rewritten_ones_what_ours_take(core: str) -> None:
    bundled, tflm = load_costs(core), load_costs(core, TFLM)
    (plain,) = (layer for layer in layers_of(read_graph(parse(conv_model()))) if layer.weights is not None)
    assert plain.weights is not None and plain.weights.method == PLAIN
    assert tflm.cost(plain) != bundled.cost(plain)
    for method in ("dense", "rle"):
        ours = replace(plain, weights=replace(plain.weights, method=method))
        assert tflm.family(ours) == bundled.family(ours) and tflm.family(ours) != tflm.family(plain)
    assert not predict(layers_of(read_graph(parse(conv_model()))), tflm).unknown


@pytest.mark.parametrize("core", CORES)
def test_code_is_that_of_tflm_and_of_our_operators(core: str) -> None:
    tflm = load_costs(core, TFLM)
    interpreter = tflm.code_nbytes([])
    plain, rewritten = (tflm.code_nbytes(names) for names in (["CONV_2D"], ["WP_CONV_2D", "rle"]))
    assert 10_000 < interpreter < min(plain, rewritten)
    assert tflm.code_nbytes(["CONV_2D", "WP_CONV_2D", "rle"]) > max(plain, rewritten)


@pytest.mark.parametrize(
    ("core", "image", "output", "stride", "padding", "measured"),
    [
        ("Cortex-M3", (25, 5, 64), (25, 5, 64), (1, 1), (1, 1), 665_270),
        ("Cortex-M3", (6, 6, 128), (6, 6, 128), (1, 1), (1, 1), 367_364),
        ("Cortex-M3", (48, 48, 16), (24, 24, 16), (2, 2), (0, 0), 838_542),
    ],
)
def test_a_depthwise_layer_takes_what_cmsis_nn_takes_where_windows_reach_over_the_border(
    core: str,
    image: tuple[int, int, int],
    output: tuple[int, int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    measured: int,
) -> None:
    """Layers of networks that took no part in the calibration; instructions counted on the simulated board."""
    weights = Storage(PLAIN, image[2], 9, 9 * image[2])
    layer = Layer("DEPTHWISE_CONV_2D", 1, image, output, (3, 3), stride, (1, 1), padding, weights=weights)
    cost = load_costs(core, TFLM).cost(layer)
    assert cost is not None and cost.instructions == pytest.approx(measured, rel=0.03)


def test_a_core_without_measurements_is_unsupported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_costs(CORE)
    monkeypatch.setattr(costs, "FOLDER", tmp_path)
    with pytest.raises(UnsupportedError, match="no cost model for TFLM on Cortex-M55; create one"):
        load_costs.__wrapped__(CORE, TFLM)


def test_the_arena_is_what_tflms_planner_places() -> None:
    b = ModelBuilder()
    x = b.input((1, 32, 32, 4), 0.5, -3)
    for seed, stride in enumerate((2, 1, 2)):
        x = b.conv2d(x, sparse(seed, (8, 3, 3, b.shape(x)[3])), None, scale=0.6, weight_scales=0.01, stride=(stride, 1))
    b.output(x)
    model = parse(converted(b.to_bytes(), memory_plan=False).data)
    graph, data = read_graph(model), serialise(model)
    prediction = predict_tflm(graph, data, CORE)
    placed = [*activations(graph, in_place=False).buffers, *scratch_of(graph, data)[CORE].tflm]
    assert prediction.placed == stock(placed).nbytes
    assert prediction.scratch and 0 < prediction.persistent < prediction.nbytes


def test_forecasts_name_the_runtime() -> None:
    for runtime in (BUNDLED, TFLM):
        forecast = converted(conv_model(), "auto", goal=replace(GOAL, runtime=runtime)).report.forecast
        assert forecast is not None and forecast.runtime == runtime and forecast.arena_nbytes is not None
