"""Inputs that no encoder wrote: decoding ends with a tensor of the shape that is named, or with a ModelError."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.onnx.decode.examples import encodings
from tests.onnx.decode.weights import Array, weights
from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode import BY_OP_TYPE, DECODERS, Decoder, Settings

every_operator = pytest.mark.parametrize("op_type", BY_OP_TYPE)


def decode(decoder: Decoder, arrays: list[Array]) -> None:
    """Decode, and look at what comes out; a ModelError passes through."""
    result = decoder.decode(arrays)
    assert result.shape == tuple(arrays[-1])


def _changed(array: Array, generator: np.random.Generator) -> Array:
    raw = np.frombuffer(array.tobytes(), np.uint8).copy()
    for _ in range(generator.integers(1, 4)):
        if len(raw):
            raw[generator.integers(len(raw))] ^= 1 << generator.integers(8)
    return raw.view(array.dtype)


def _wild(array: Array, generator: np.random.Generator) -> Array:
    if array.dtype.kind != "i":
        return _changed(array, generator)
    result = array.copy()
    limits = np.iinfo(array.dtype)
    result[generator.integers(len(array))] = generator.choice([limits.min, -1, 0, 1, limits.max // 2, limits.max])
    return result


MUTATIONS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "bits flipped": _changed,
    "numbers out of range": _wild,
    "cut short": lambda array, generator: array[: generator.integers(len(array) + 1)],
    "too long": lambda array, generator: np.append(array, array[: generator.integers(1, 9)]),
    "another type": lambda array, generator: array.astype(generator.choice(["u1", "i4", "i8", "f4", "f8", "?"])),
    "a matrix": lambda array, _: array[None],
    "a scalar": lambda array, _: array[:1].sum(),
}


@every_operator
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_changed_input_gives_a_tensor_or_a_model_error(op_type: str, mutation: str) -> None:
    generator = np.random.default_rng(2)
    for encoded in encodings(op_type):
        for at in range(len(encoded.inputs)):
            for _ in range(40):
                arrays = [array for _, array in encoded.inputs]
                arrays[at] = np.asarray(MUTATIONS[mutation](arrays[at], generator))
                try:
                    decode(BY_OP_TYPE[op_type], arrays)
                except ModelError as error:
                    assert str(error)


@every_operator
def test_a_missing_input_is_a_model_error(op_type: str) -> None:
    for encoded in encodings(op_type):
        with pytest.raises(ModelError, match=f"{op_type}: {len(encoded.inputs) - 1} inputs, expected"):
            BY_OP_TYPE[op_type].decode([array for _, array in encoded.inputs][1:])


@every_operator
@pytest.mark.parametrize("shape", [(0,), (-1, -480), (1 << 40,), (1 << 20, 1 << 10), (1,) * 65, (800,), (300,), ()])
def test_a_shape_that_is_not_that_of_the_streams_is_a_model_error(op_type: str, shape: tuple[int, ...]) -> None:
    for encoded in encodings(op_type):
        arrays = [array for _, array in encoded.inputs]
        arrays[-1] = np.array(shape, np.int64)
        with pytest.raises(ModelError, match=op_type):
            BY_OP_TYPE[op_type].decode(arrays)


@every_operator
@given(values=weights(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_a_tensor_or_a_model_error(op_type: str, values: Array, data: st.DataObject) -> None:
    assume(values.dtype.kind == "f" or not op_type.startswith("DecodeScaledPool"))
    decoder = BY_OP_TYPE[op_type]
    arrays = [np.frombuffer(data.draw(st.binary(max_size=40)), np.uint8) for _ in decoder.input_names]
    for at, name in enumerate(decoder.input_names):
        if name in ("values", "table", "symbols", "vectors"):
            arrays[at] = values.reshape(-1)
    arrays[-1] = np.array(data.draw(st.lists(st.integers(1, 9), max_size=3)), np.int64)
    try:
        decode(decoder, list(arrays))
    except ModelError as error:
        assert op_type in str(error)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((2, 3), np.float64), "its elements have type float64"),
        (np.zeros((2, 3), np.complex64), "its elements have type complex64"),
        (np.zeros((2, 0), np.int8), "it has no elements"),
    ],
)
@pytest.mark.parametrize("method", DECODERS)
def test_a_tensor_that_cannot_be_held_is_told(method: str, values: Array, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        DECODERS[method].encode(values, Settings())


@pytest.mark.parametrize("method", ["packed", "huffman", "pool"])
def test_too_many_distinct_values_are_told(method: str) -> None:
    values = np.arange(8 * 300, dtype=np.float32).reshape(300, 8)
    with pytest.raises(ModelError, match=r"more than 256 distinct values|does not consist of 256 vectors"):
        DECODERS[method].encode(values, Settings())
