"""Models lowered from ONNX on every board."""

from __future__ import annotations

import numpy as np
import pytest

from tests.onnx.lower.network import network, signal_network
from tests.tflite.harness import forced
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.lowering import lower
from wpconvert.reference.interpreter import Interpreter
from wpconvert.target import boards, run_on


@pytest.mark.parametrize("method", [None, "dcsr"])
@pytest.mark.parametrize("board", list(boards()))
@pytest.mark.usefixtures("device")
def test_every_operator_gives_the_bits_of_the_reference(board: str, method: str | None) -> None:
    data = lower(network(), "network").data
    agrees(board, parse(data if method is None else forced(data, method)), (1, 12, 12, 3))


@pytest.mark.parametrize("board", ["corstone300", "mps2-m4"])
@pytest.mark.usefixtures("device")
def test_signals_and_functions_give_the_bits_of_the_reference(board: str) -> None:
    agrees(board, parse(lower(signal_network(), "network").data), (1, 64, 3))


def agrees(board: str, model: TfliteModel, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(2)
    samples = [[random.integers(-128, 128, shape, dtype=np.int8)] for _ in range(2)]
    reference = Interpreter(read_graph(model))
    for sample, [found] in zip(samples, run_on(boards()[board], model, samples).outputs, strict=True):
        [expected] = reference.run(sample)
        assert (found == expected).all()
        assert expected.max() > -128
