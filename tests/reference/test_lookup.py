"""WP_LOOKUP gives the table's entries on our engines, and malformed ones are refused by both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.native.harness import assert_equals_reference
from tests.reference.harness import SEEDS, few, int8
from tests.support.models import ModelBuilder
from wpconvert import _native
from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.reference.interpreter import Interpreter


def table(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    return np.random.default_rng(seed).integers(-128, 128, 256, dtype=np.int8)


def model(seed: int, shape: tuple[int, ...] = (1, 5, 7, 3)) -> ModelBuilder:
    b = ModelBuilder()
    x = b.input(shape, 0.02, 3)
    b.output(b.op("WP_LOOKUP", [x, b.constant(table(seed))], [b.tensor(shape, "int8", 0.05, -4)]))
    return b


@few
@given(SEEDS, st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_every_engine_gives_the_entry_of_the_unsigned_byte(seed: int, shape: list[int]) -> None:
    data = model(seed, tuple(shape)).to_bytes()
    x = int8(seed, shape)
    [found] = Interpreter(read_graph(parse(data))).run([x])
    assert (found == table(seed)[x.view(np.uint8)]).all()
    assert_equals_reference(data, [[x]])


def change(b: ModelBuilder, slot: int, tensor: int) -> None:
    inputs = list(b.graph.operators[0].inputs)
    inputs[slot] = tensor
    b.graph.operators[0].inputs = inputs


MALFORMED: dict[str, Callable[[ModelBuilder], None]] = {
    "a short table": lambda b: change(b, 1, b.constant(np.zeros(255, np.int8))),
    "a table of bytes": lambda b: change(b, 1, b.constant(np.zeros(256, np.uint8))),
    "a table that is no constant": lambda b: change(b, 1, b.input((256,), 0.1)),
    "no table": lambda b: setattr(b.graph.operators[0], "inputs", [0]),
    "an absent table": lambda b: change(b, 1, -1),
    "another shape": lambda b: setattr(b.graph.tensors[2], "shape", [1, 5, 7, 4]),
    "an input without a scale": lambda b: setattr(b.graph.tensors[0], "quantization", None),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_ones_are_refused(name: str) -> None:
    b = model(0)
    MALFORMED[name](b)
    data = b.to_bytes()
    with pytest.raises(WpconvertError, match="WP_LOOKUP"):
        Interpreter(read_graph(parse(data)))
    with pytest.raises(_native.Error, match="WP_LOOKUP"):
        _native.Interpreter(data)
