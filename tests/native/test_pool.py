"""Pooled operators of the native engine: the reference interpreter's bits, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.harness import assert_equals_reference
from tests.reference.test_pool import Layer, layers, random_table
from tests.support.models import ModelBuilder
from tests.support.pools import Pooled, pooled_model, random_pool
from wpconvert import _native
from wpconvert.codecs import Lut, encode
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.graph.custom.operators import OperatorOptions
from wpconvert.memory.predict import predict
from wpconvert.target import boards

many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _data(layer: Layer) -> bytes:
    return pooled_model(layer.stored, layer.table, layer.x.shape, layer.options).to_bytes()


@many
@given(layer=st.sampled_from([2, 4]).flatmap(layers), lut=st.sampled_from(Lut))
def test_pooled_layers_have_the_bits_of_the_reference(layer: Layer, lut: Lut) -> None:
    pool = layer.stored.pool
    stored = replace(layer.stored, pool=replace(pool, lut=Lut.RAM if pool.lut_shift and lut is Lut.NONE else lut))
    assert_equals_reference(_data(replace(layer, stored=stored)), [[layer.x]])


@pytest.mark.parametrize("step", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 2, 5, 64, 256])
def test_blobs_decode_to_the_vectors_of_their_pool(size: int, step: int) -> None:
    rng = np.random.default_rng(size)
    stored = Pooled.random(rng, random_pool(rng, size), (9, 3, 2, 21))
    raw, pool = encode("pool", stored.weights, 1, side=stored.pool).tobytes(), stored.pool.pack().tobytes()
    assert np.array_equal(_native.decode(raw, pool), stored.weights)
    assert np.array_equal(_native.decode_rows(raw, 2, 8, step, pool), stored.weights.reshape(9, -1)[2:8])


def test_a_blob_of_codec_pool_alone_is_refused() -> None:
    stored = _layer().stored
    with pytest.raises(_native.Error, match="weight blob"):
        _native.decode(encode("pool", stored.weights, 1, side=stored.pool).tobytes())


def test_an_index_beyond_the_pool_is_refused() -> None:
    rng = np.random.default_rng(0)
    large = Pooled.random(rng, random_pool(rng, 8), (16, 64))
    raw = encode("pool", large.weights, 1, side=large.pool).tobytes()
    small = replace(large.pool, vectors=large.pool.vectors[:7])
    with pytest.raises(_native.Error, match="weight blob"):
        _native.decode(raw, small.pack().tobytes())


def _layer() -> Layer:
    rng = np.random.default_rng(1)
    stored = Pooled.random(rng, random_pool(rng, 5), (4, 16))
    x = rng.integers(-128, 128, (1, 16), dtype=np.int8)
    return Layer(stored, random_table(rng, 4, 3, 1000.0), OperatorOptions(act_bits=5), x)


def _model(layer: Layer, parts: list[np.ndarray]) -> bytes:
    """A fully connected layer of these constants."""
    b = ModelBuilder()
    x = b.input(layer.x.shape, 0.5, layer.table.input_zero_point)
    y = b.tensor((1, 4), "int8", 0.25, layer.table.output_zero_point)
    constants = [b.constant(part) for part in parts]
    b.output(b.op("WP_FULLY_CONNECTED", [x, *constants], [y], custom_options=layer.options.pack().tobytes()))
    return b.to_bytes()


def _refused(data: bytes) -> str:
    with pytest.raises(_native.Error) as caught:
        _native.Interpreter(data)
    return str(caught.value)


def test_a_pool_belongs_to_codec_pool_and_to_no_other() -> None:
    layer = _layer()
    stored, table = layer.stored, layer.table.pack()
    pooled, dense = encode("pool", stored.weights, 1, side=stored.pool), encode("dense", stored.weights, 1)
    assert "of the weights needs input 3" in _refused(_model(layer, [pooled, table]))
    assert "of the weights takes no input 3" in _refused(_model(layer, [dense, table, stored.pool.pack()]))
    assert "act_bits" in _refused(_model(layer, [dense, table]))


@pytest.mark.parametrize("at", range(16))
def test_a_pool_with_a_damaged_header_is_refused(at: int) -> None:
    layer = _layer()
    pool = layer.stored.pool.pack()
    pool[at] ^= 0xE0
    parts = [encode("pool", layer.stored.weights, 1, side=layer.stored.pool), layer.table.pack(), pool]
    assert "input 3 is malformed" in _refused(_model(layer, parts))


def test_a_stored_table_that_contradicts_the_vectors_is_refused() -> None:
    layer = _layer()
    pool = replace(layer.stored.pool, lut=Lut.FLASH).pack()
    pool[-1] ^= 1
    parts = [encode("pool", layer.stored.weights, 1, side=layer.stored.pool), layer.table.pack(), pool]
    assert "input 3 is malformed" in _refused(_model(layer, parts))


@pytest.mark.parametrize("board", ["corstone300", "mps2-m4", "mps2-m3"])
def test_the_arena_of_a_pooled_layer_is_predicted(board: str) -> None:
    """With a table in RAM, which takes scratch where it is used."""
    layer = _layer()
    data = _data(layer)
    assert predict(read_graph(parse(data)), data, boards()[board].core).nbytes > layer.x.nbytes
