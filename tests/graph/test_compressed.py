"""Reading a rewritten operator: blob, table and options must agree with each other and with the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.tflite.harness import conv_model, forced
from wpconvert.codecs import encode
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_operator
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import BufferT
from wpconvert.graph.custom import table
from wpconvert.graph.custom.compressed import decode_compressed, read_compressed
from wpconvert.graph.custom.operators import OperatorOptions

WEIGHTS = np.eye(6, dtype=np.int8)[:, :5] * 3
TABLE = table.RequantTable(
    np.arange(6, dtype=np.int32), np.full(1, 1 << 30, np.int32), np.zeros(1, np.int8), 2, 0, -128, 127, True
)
OPTIONS = OperatorOptions("rle", (6, 5))


def decode(options: OperatorOptions = OPTIONS, blob: Any = None, requant: table.RequantTable = TABLE) -> Any:
    raw = encode("rle", WEIGHTS, 1) if blob is None else blob
    return decode_compressed("FULLY_CONNECTED", options.pack().tobytes(), raw, requant.pack())


def test_parts_that_agree_give_weights_and_the_unfolded_bias() -> None:
    parts = decode()
    assert np.array_equal(parts.weights, WEIGHTS)
    assert parts.bias().tolist() == [0 + 6, 1 + 6, 2 + 6, 3 + 6, 4 + 6, 5]


def test_unfolding_wraps_like_the_device_adds() -> None:
    parts = decode(requant=replace(TABLE, bias=np.full(6, 2**31 - 1, np.int32)))
    assert parts.bias().tolist() == [-(2**31) + 5] * 5 + [2**31 - 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (replace(OPTIONS, codec="dcsr"), "options say 'dcsr' of shape"),
        (replace(OPTIONS, codec="a\nb"), "options say 'a.nb' of shape"),
        (replace(OPTIONS, filter_shape=(5, 6)), "of shape \\[5, 6\\]"),
        (replace(OPTIONS, filter_shape=(6, 5, 1)), "of shape \\[6, 5, 1\\]"),
    ],
)
def test_options_that_contradict_the_blob_are_refused(options: OperatorOptions, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        decode(options)


def test_options_may_leave_out_what_the_blob_says() -> None:
    parts = decode(OperatorOptions())
    assert parts.codec == "rle"
    assert np.array_equal(parts.weights, WEIGHTS)


def test_table_for_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ModelError, match="5 channels, the weights have"):
        decode(requant=replace(TABLE, bias=np.zeros(5, np.int32)))


def test_blob_with_other_rows_than_the_operators_is_refused() -> None:
    with pytest.raises(ModelError, match="with 2 row dimensions"):
        decode(blob=encode("rle", WEIGHTS, 2))


GRAPHS: dict[str, Callable[[TfliteModel], None]] = {
    "two inputs": lambda m: setattr(m.root.subgraphs[0].operators[0], "inputs", np.array([0, 1], np.int32)),
    "absent blob": lambda m: setattr(m.root.subgraphs[0].operators[0], "inputs", np.array([0, -1, 3], np.int32)),
    "no output": lambda m: setattr(m.root.subgraphs[0].operators[0], "outputs", np.array([], np.int32)),
    "blob at run time": lambda m: m.root.buffers.__setitem__(m.root.subgraphs[0].tensors[1].buffer, BufferT()),
    "no options": lambda m: setattr(m.root.subgraphs[0].operators[0], "customOptions", None),
}


@pytest.mark.parametrize("change", GRAPHS.values(), ids=GRAPHS.keys())
def test_graph_around_the_operator_is_checked_and_the_operator_named(change: Callable[[TfliteModel], None]) -> None:
    model = parse(forced(conv_model()))
    change(model)
    with pytest.raises(ModelError, match=r"^operator 0 \(WP_CONV_2D, subgraph 0\): "):
        read_compressed(read_operator(model, 0, 0))
