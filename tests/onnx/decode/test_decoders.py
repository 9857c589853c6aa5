"""What every decoder promises, checked over the registry: a new decoder is covered by being in it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings

from tests.onnx.decode.models import ENGINES, OPSETS, assert_same_bits, model_of
from tests.onnx.decode.weights import Array, weights
from wpconvert.errors import ModelError
from wpconvert.onnx.decode import BY_OP_TYPE, DECODERS, MAX_OPSET, MIN_OPSET, Encoded, Settings

every_decoder = pytest.mark.parametrize("method", DECODERS)
every_opset = pytest.mark.parametrize("opset", OPSETS)


def encoded_if_possible(method: str, values: Array) -> Encoded:
    """The example is dropped where the decoder cannot hold it."""
    try:
        return DECODERS[method].encode(values, Settings())
    except ModelError:
        assume(False)
        raise


@every_decoder
@given(values=weights())
@settings(max_examples=150, deadline=None)
def test_decoding_gives_the_encoded_bits_back(method: str, values: Array) -> None:
    encoded = encoded_if_possible(method, values)
    arrays = [array for _, array in encoded.inputs]
    assert_same_bits(BY_OP_TYPE[encoded.op_type].decode(arrays), values)


@every_opset
@every_decoder
@given(values=weights())
@settings(max_examples=12, deadline=None)
def test_the_body_gives_the_encoded_bits_back_in_every_engine(method: str, opset: int, values: Array) -> None:
    encoded = encoded_if_possible(method, values)
    model = model_of(encoded, values.dtype, values.shape, opset)
    for run in ENGINES.values():
        assert_same_bits(run(model), values)


def test_the_opsets_tested_reach_from_the_lowest_to_the_highest() -> None:
    assert (min(OPSETS), max(OPSETS)) == (MIN_OPSET, MAX_OPSET)
