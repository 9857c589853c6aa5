"""What every decoder promises, checked over the registry: a new decoder is covered by being in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.onnx.decode import literal
from tests.onnx.decode.examples import encodings
from tests.onnx.decode.models import ENGINES, OPSETS, assert_same_bits, model_of
from tests.onnx.decode.weights import Array, int4_weights, weights
from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode import BY_OP_TYPE, DECODERS, MAX_OPSET, MIN_OPSET, Encoded, Settings
from wpconvert.formats.onnx.decode.decoder import INT4

every_decoder = pytest.mark.parametrize("method", DECODERS)
every_opset = pytest.mark.parametrize("opset", OPSETS)


def encoded_if_possible(method: str, values: Array) -> Encoded:
    """The example is dropped where the decoder cannot hold it."""
    try:
        return DECODERS[method].encode(values, Settings())
    except ModelError:
        assume(False)
        raise


def decoded(encoded: Encoded) -> Array:
    return BY_OP_TYPE[encoded.op_type].decode([array for _, array in encoded.inputs])


@every_decoder
@given(values=st.one_of(weights(), int4_weights()))
@settings(max_examples=200, deadline=None)
def test_decoding_gives_the_encoded_bits_back(method: str, values: Array) -> None:
    assert_same_bits(decoded(encoded_if_possible(method, values)), values)


@every_decoder
@given(values=st.one_of(weights(), int4_weights()))
@settings(max_examples=60, deadline=None)
def test_a_decoder_written_from_the_description_gives_the_same_bits(method: str, values: Array) -> None:
    encoded = encoded_if_possible(method, values)
    result = literal.decode(encoded.op_type, [array for _, array in encoded.inputs], values.dtype)
    assert_same_bits(result, values)


@every_opset
@every_decoder
@given(values=weights())
@settings(max_examples=12, deadline=None)
def test_the_body_gives_the_encoded_bits_back_in_every_engine(method: str, opset: int, values: Array) -> None:
    encoded = encoded_if_possible(method, values)
    model = model_of(encoded, values.dtype, values.shape, opset)
    for run in ENGINES.values():
        assert_same_bits(run(model), values)


@pytest.mark.parametrize(
    ("op_type", "opset"),
    [(op_type, opset) for op_type, decoder in BY_OP_TYPE.items() for opset in OPSETS if opset >= decoder.since_opset],
)
def test_each_operator_decodes_alike_in_every_engine(op_type: str, opset: int) -> None:
    for encoded in encodings(op_type):
        expected = decoded(encoded)
        int4 = expected.dtype.name in INT4
        model = model_of(encoded, expected.dtype, expected.shape, opset, dequantised=int4)
        for run in ENGINES.values():
            assert_same_bits(run(model), expected.astype(np.float32) if int4 else expected)


@pytest.mark.parametrize("opset", [opset for opset in OPSETS if opset >= 21])
@every_decoder
@given(values=int4_weights())
@settings(max_examples=12, deadline=None)
def test_the_body_gives_weights_of_4_bits_back_in_every_engine(method: str, opset: int, values: Array) -> None:
    encoded = encoded_if_possible(method, values)
    model = model_of(encoded, values.dtype, values.shape, opset, dequantised=True)
    for run in ENGINES.values():
        assert_same_bits(run(model), values.astype(np.float32))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@every_decoder
def test_weights_that_are_longer_than_any_chunk_come_back(method: str, dtype: str) -> None:
    generator = np.random.default_rng(0)
    pool = generator.integers(-3, 4, (100, 8)) * (generator.random((100, 8)) < 0.2)
    values = pool[generator.integers(0, 100, (900, 41))].reshape(900, -1).astype(dtype)
    encoded = DECODERS[method].encode(values, Settings())
    assert encoded.nbytes < values.nbytes
    assert_same_bits(decoded(encoded), values)
    assert_same_bits(ENGINES["optimised"](model_of(encoded, values.dtype, values.shape, 17)), values)


@pytest.mark.parametrize("method", ["bitmap", "rle", "dcsr", "huffman"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_signalling_nan_that_is_the_most_common_element_keeps_its_bits(method: str, dtype: str) -> None:
    values = np.arange(800, dtype=dtype)
    nan = np.array([{"float16": 0x7D01, "float32": 0x7FA00001}[dtype]], f"u{values.itemsize}").view(dtype)
    values[20:] = nan
    encoded = DECODERS[method].encode(values, Settings())
    model = model_of(encoded, values.dtype, values.shape, 17)
    for run in ENGINES.values():
        assert_same_bits(run(model), values)


def test_zeros_of_both_signs_take_two_bits_at_most() -> None:
    values = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    values[:, 20:] *= 0
    encoded = DECODERS["bitmap"].encode(values, Settings())
    assert encoded.nbytes < 4 * 2000 + 8000 * 2 / 8 + 2000 * 2 / 8 + 50
    assert_same_bits(decoded(encoded), values)


def test_a_function_is_not_written_for_an_opset_that_lacks_its_operators() -> None:
    with pytest.raises(ValueError, match="needs opset 21, not 20"):
        BY_OP_TYPE["DecodeBitmapInt4"].function(20)


def test_the_opsets_tested_reach_from_the_lowest_to_the_highest() -> None:
    assert (min(OPSETS), max(OPSETS)) == (MIN_OPSET, MAX_OPSET)
