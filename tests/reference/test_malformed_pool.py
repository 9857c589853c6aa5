"""Malformed pooled operators are refused, by the interpreter at construction and by the reader of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers
from numpy.typing import NDArray

from tests.codecs.mutations import with_field
from tests.support.models import ModelBuilder
from tests.support.pools import Pooled, pooled_model, random_pool
from wpconvert.codecs import Lut
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.graph_reader import read_graph, read_operator
from wpconvert.formats.tflite.schema import TensorType
from wpconvert.graph.custom.compressed import read_compressed
from wpconvert.graph.custom.operators import OperatorOptions
from wpconvert.graph.custom.table import RequantTable
from wpconvert.reference.interpreter import Interpreter

SHAPES = {"WP_CONV_2D": (4, 3, 3, 10), "WP_FULLY_CONNECTED": (4, 10)}

both_operators = pytest.mark.parametrize("name", SHAPES)


def stored(shape: tuple[int, ...]) -> Pooled:
    rng = np.random.default_rng(7)
    return Pooled.random(rng, random_pool(rng, 5, lut=Lut.FLASH), shape)


def model(name: str, codec: str = "pool", act_bits: int = 8, x_depth: int = 10) -> ModelBuilder:
    """One operator, which is sound where act_bits suits the codec and x_depth is the weights'."""
    channels = SHAPES[name][0]
    ones = np.ones(channels, np.int32)
    table = RequantTable(ones, ones << 30, np.full(channels, -8, np.int8), 3, -4, -128, 127, True)
    x_shape = (1, 6, 6, x_depth) if name == "WP_CONV_2D" else (2, x_depth)
    return pooled_model(stored(SHAPES[name]), table, x_shape, OperatorOptions(act_bits=act_bits), codec)


def refused(b: ModelBuilder, match: str) -> None:
    """By both readers."""
    built = b.build()
    with pytest.raises(ModelError, match=rf"operator 0 \(WP_.*({match})"):
        Interpreter(read_graph(built))
    with pytest.raises(ModelError, match=rf"operator 0 \(WP_.*({match})"):
        read_compressed(read_operator(built, 0, 0))


def with_pool(name: str, raw: NDArray[np.uint8]) -> ModelBuilder:
    """The operator with another pool tensor."""
    b = model(name)
    operator = b.graph.operators[0]
    operator.inputs = [*operator.inputs[:3], b.constant(raw)]
    return b


def add_pool(b: ModelBuilder) -> None:
    """A sound pool tensor as one more input."""
    operator = b.graph.operators[0]
    operator.inputs = [*operator.inputs, b.constant(stored(SHAPES["WP_CONV_2D"]).pool.pack())]


@both_operators
@pytest.mark.parametrize("act_bits", range(1, 9))
def test_sound_operators_run(name: str, act_bits: int) -> None:
    built = model(name, act_bits=act_bits).build()
    Interpreter(read_graph(built))
    assert read_compressed(read_operator(built, 0, 0)).options.act_bits == act_bits


@both_operators
def test_missing_pool_tensor_is_refused(name: str) -> None:
    b = model(name)
    b.graph.operators[0].inputs = b.graph.operators[0].inputs[:3]
    refused(b, "needs a weight pool")


@both_operators
@pytest.mark.parametrize("codec", ["dense", "rle", "huffman"])
def test_pool_tensor_with_another_codec_is_refused(name: str, codec: str) -> None:
    b = model(name, codec)
    Interpreter(read_graph(b.build()))
    add_pool(b)
    refused(b, f"there is side data, but the weight blob uses codec '{codec}'")


@both_operators
def test_a_fifth_input_is_refused(name: str) -> None:
    b = model(name)
    add_pool(b)
    refused(b, "inputs")


@both_operators
@pytest.mark.parametrize("act_bits", [-1, 0, 9, 2**40])
def test_activations_of_no_bits_or_more_than_eight_are_refused(name: str, act_bits: int) -> None:
    refused(model(name, act_bits=act_bits), "act_bits|custom_options")


@both_operators
@pytest.mark.parametrize("act_bits", [1, 7])
def test_fewer_bits_with_another_codec_are_refused(name: str, act_bits: int) -> None:
    refused(model(name, "dense", act_bits), f"the options specify {act_bits}-bit activations")


@pytest.mark.parametrize("value", ["4", 4.5, None, [4]])
def test_act_bits_of_another_type_are_refused(value: Any) -> None:
    b = model("WP_CONV_2D")
    packed = bytes(flexbuffers.Dumps({"version": 1, "act_bits": value}))
    b.graph.operators[0].customOptions = np.frombuffer(packed, np.uint8)
    refused(b, "act_bits|custom_options")


def test_grouped_filters_are_refused() -> None:
    with pytest.raises(ModelError, match="pool filters of 10 channels, the input has 20"):
        Interpreter(read_graph(model("WP_CONV_2D", x_depth=20).build()))
    Interpreter(read_graph(model("WP_CONV_2D", "dense", x_depth=20).build()))


@both_operators
def test_pool_that_is_not_constant_is_refused(name: str) -> None:
    b = model(name)
    pool = b.graph.operators[0].inputs[3]
    b.graph.tensors[pool].buffer = 0
    refused(b, "constant|before it is computed")


@both_operators
def test_pool_of_another_type_is_refused(name: str) -> None:
    b = model(name)
    b.graph.tensors[b.graph.operators[0].inputs[3]].type = TensorType.INT8
    with pytest.raises(UnsupportedError, match=r"operator 0 .*INT8"):
        Interpreter(read_graph(b.build()))


@both_operators
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda raw: with_field(raw, 0, 1, 0), id="magic"),
        pytest.param(lambda raw: with_field(raw, 8, 2, 4), id="a vector less"),
        pytest.param(lambda raw: with_field(raw, 100, 1, int(raw[100]) ^ 1), id="table"),
        pytest.param(lambda raw: raw[:-16], id="short"),
        pytest.param(lambda raw: raw[:1], id="a byte"),
    ],
)
def test_damaged_pool_tensors_are_refused(name: str, damage: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> None:
    refused(with_pool(name, damage(stored(SHAPES[name]).pool.pack())), "weight pool")


@both_operators
def test_pool_with_fewer_vectors_than_the_indices_need_is_refused(name: str) -> None:
    pool = stored(SHAPES[name]).pool
    refused(with_pool(name, replace(pool, vectors=pool.vectors[:4]).pack()), "index 4, but the pool has 4 vectors")


def test_depthwise_weights_are_refused() -> None:
    built = model("WP_CONV_2D").build()
    built.root.operatorCodes[0].customCode = "WP_DEPTHWISE_CONV_2D"
    with pytest.raises(ModelError, match="do not match the operator"):
        read_compressed(read_operator(built, 0, 0))
    with pytest.raises(ModelError, match="do not match the operator"):
        Interpreter(read_graph(built))
