"""The predicted arena is the arena that a board measures, to the byte, for every operator and core."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.native.chains import elements, moves
from tests.support.models import ModelBuilder
from tests.target.conftest import ROOT, cache, device  # noqa: F401
from tests.tflite.harness import converted, forced, scales, sparse
from wpconvert.engines.inputs import random_inputs
from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import options
from wpconvert.memory import ArenaPrediction, predict
from wpconvert.memory.predict import _PARAMS_NBYTES
from wpconvert.target import boards, run_on


def _predicted(model: TfliteModel, board: str) -> ArenaPrediction:
    return predict(read_graph(model), serialise(model), boards()[board].core)


def _zoo(method: str) -> bytes:
    return converted((ROOT / "models/zoo/digits_ds_cnn.tflite").read_bytes(), method).data


def _edges() -> bytes:
    """Floats on both sides, and what the other models lack."""
    b = ModelBuilder()
    x = b.input((1, 8, 10, 8), dtype="float32")
    x = b.op("QUANTIZE", [x], [b.tensor((1, 8, 10, 8), "int8", 0.1, 3)], options("QuantizeOptions"))
    x = b.depthwise(x, sparse(1, (1, 3, 3, 8), 0.4), range(8), scale=0.4, weight_scales=scales(1, 8))
    x = b.depthwise(x, sparse(2, (1, 5, 3, 8), 0.4), None, scale=0.4, weight_scales=0.01, stride=(2, 1))
    x = b.conv2d(x, sparse(3, (70, 3, 3, 8), 0.7), range(70), scale=0.3, weight_scales=scales(3, 70))
    x = b.op("HARD_SWISH", [x], [b.tensor((1, 4, 10, 70), "int8", 0.2, 1)], options("HardSwishOptions"))
    for name in ("ADD", "MUL"):
        constant = b.constant(sparse(5, (4, 10, 70), 0.5), 0.05)
        x = b.op(name, [x, constant], [b.like(x)], options(f"{name.capitalize()}Options"))
    pool = options("Pool2DOptions", filterHeight=2, filterWidth=2, strideH=2, strideW=2)
    x = b.op("MAX_POOL_2D", [x], [b.like(x, (1, 2, 5, 70))], pool)
    y = b.fully_connected(b.reshape(x, (1, 700)), sparse(4, (9, 700), 0.8), range(9), scale=0.9, weight_scales=0.01)
    outputs = [b.tensor(b.shape(t), "float32") for t in (x, y)]
    for t, output in zip((x, y), outputs, strict=True):
        b.output(b.op("DEQUANTIZE", [t], [output], options("DequantizeOptions")))
    return b.to_bytes()


MODELS: dict[str, Callable[[], bytes]] = {
    "elements": elements,
    "moves": moves,
    "edges": _edges,
    "edges_dcsr": lambda: forced(_edges()),
    "edges_huffman": lambda: forced(_edges(), "huffman"),
    "zoo": partial(_zoo, "none"),
    "zoo_dcsr": partial(_zoo, "dcsr"),
    "zoo_huffman": partial(_zoo, "huffman"),
}


@pytest.mark.parametrize("board", list(boards()))
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("cache", "device")
def test_prediction_is_what_the_board_measures(name: str, board: str) -> None:
    model = parse(MODELS[name]())
    run = run_on(boards()[board], model, random_inputs(model, 1, 0).samples)
    assert _predicted(model, board).nbytes == run.arena_nbytes


def test_the_models_have_every_operator() -> None:
    models = [parse(source()) for source in MODELS.values()]
    assert {m.operator_name(op) for m in models for op in m.root.subgraphs[0].operators} == set(_PARAMS_NBYTES)


def test_scratch_is_told_by_layer() -> None:
    prediction = _predicted(parse(_edges()), "mps2-m3")
    assert list(prediction.scratch) == [1, 2, 3, 9, 10, 11]
    assert prediction.scratch[2] == prediction.scratch[9] == 0 < prediction.scratch[1] < prediction.placed
    assert prediction.nbytes == prediction.placed + -(-prediction.persistent // 16) * 16


@pytest.mark.parametrize("board", list(boards()))
@pytest.mark.parametrize("method", ["rle", "dcsr"])
def test_a_convolution_takes_no_more_than_other_layers_need(method: str, board: str) -> None:
    b = ModelBuilder()
    x = b.input((1, 32, 32, 16), 0.1, 3)
    pool = options("Pool2DOptions", filterHeight=2, filterWidth=2, strideH=2, strideW=2)
    for size in (16, 8, 4):
        x = b.op("MAX_POOL_2D", [x], [b.like(x, (1, size, size, 16))], pool)
    weights = sparse(3, (512, 3, 3, 16), 0.1)
    b.output(b.conv2d(x, weights, range(512), scale=0.3, weight_scales=scales(3, 512)))
    prediction = _predicted(parse(forced(b.to_bytes(), method)), board)
    assert prediction.placed == (32 * 32 + 16 * 16) * 16
    assert prediction.scratch[3] > 0


def test_what_cannot_run_cannot_be_predicted() -> None:
    b = ModelBuilder()
    x = b.input((1, 8), 0.1, 3)
    b.output(b.op("NEG", [x], [b.like(x)], options("NegOptions")))
    with pytest.raises(UnsupportedError, match="operator"):
        _predicted(b.build(), "mps2-m4")
