"""Networks that nobody here made on every board that holds them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.onnx.light import calibrated, images
from tests.onnx.lower.harness import file_inputs
from tests.tflite.harness import forced
from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.lowering import lower
from wpconvert.reference.interpreter import Interpreter
from wpconvert.target import boards, run_on

BOARDS = ("corstone300", "mps2-m4")


def _case(name: str, board: str, method: str | None) -> Any:
    always = (name, board, method) == ("shufflenet", "mps2-m4", None)
    return pytest.param(name, board, method, marks=[] if always else pytest.mark.sweep)


@pytest.mark.parametrize(
    ("name", "board", "method"),
    [
        _case(name, board, method)
        for name in ("squeezenet", "shufflenet", "densenet121", "inception_v2", "resnet50")
        for board in BOARDS
        for method in (None, "bitmap")
        if (name, board, method) != ("resnet50", "mps2-m4", None)
    ],
)
@pytest.mark.usefixtures("device")
def test_lowered_networks_give_the_bits_of_the_reference(name: str, board: str, method: str | None) -> None:
    model = calibrated(name)
    lowered = lower(model, name)
    sample = file_inputs(lowered, {model.graph.input[0].name: images(1, seed=2)})
    [expected] = Interpreter(read_graph(parse(lowered.data))).run(sample)
    on_board = parse(lowered.data if method is None else forced(lowered.data, method))
    [[found]] = run_on(boards()[board], on_board, [sample]).outputs
    assert expected.max() > expected.min()
    assert (found == expected).all()


@pytest.mark.sweep
@pytest.mark.usefixtures("device")
def test_a_network_larger_than_the_board_is_told_by_how_much() -> None:
    model = calibrated("resnet50")
    lowered = lower(model, "resnet50")
    sample = file_inputs(lowered, {model.graph.input[0].name: images(1)})
    with pytest.raises(WpconvertError, match=r"does not fit mps2-m4: memory PSRAM is [0-9,]+ bytes too small"):
        run_on(boards()["mps2-m4"], parse(lowered.data), [sample])
