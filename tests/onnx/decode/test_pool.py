"""Weights made of vectors of a pool: exactly where they are, with scales where they are floats, or the nearest ones."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.onnx.decode import literal
from tests.onnx.decode.models import ENGINES, OPSETS, assert_same_bits, model_of
from tests.onnx.decode.weights import Array
from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode import BY_OP_TYPE, DECODERS, Encoded, Settings

POOL = DECODERS["pool"]
every_opset = pytest.mark.parametrize("opset", OPSETS)


@st.composite
def layers(draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
    """A weight's shape, of 2 to 4 dimensions, and which axis has its output channels."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 20)), *draw(st.lists(st.integers(1, 3), max_size=2)))
    return shape, draw(st.integers(0, 1))


def made_of(pool: Array, shape: tuple[int, ...], channel_axis: int, scales: Array | None, seed: int) -> Array:
    """Weights of vectors of the pool, eight input channels at a time, times scales of the output channels."""
    generator = np.random.default_rng(seed)
    depth = shape[1 - channel_axis]
    lines_shape = (shape[channel_axis], *shape[2:], depth)
    index = generator.integers(0, len(pool), (*lines_shape[:-1], -(-depth // 8)))
    lines = pool[index].reshape(*index.shape[:-1], -1)[..., :depth]
    if scales is not None:
        lines = lines * scales.reshape(-1, *[1] * (lines.ndim - 1))
    order = (0, lines.ndim - 1) if channel_axis == 0 else (lines.ndim - 1, 0)
    return np.ascontiguousarray(lines.transpose(*order, *range(1, lines.ndim - 1)))


def decoded(encoded: Encoded) -> Array:
    return BY_OP_TYPE[encoded.op_type].decode([array for _, array in encoded.inputs])


def assert_engines_agree(encoded: Encoded, expected: Array, opset: int) -> None:
    model = model_of(encoded, expected.dtype, expected.shape, opset)
    for run in ENGINES.values():
        assert_same_bits(run(model), expected)


@given(layer=layers(), size=st.integers(1, 256), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_int8_weights_of_a_given_pool_come_back(layer: tuple[tuple[int, ...], int], size: int, seed: int) -> None:
    shape, axis = layer
    pool = np.random.default_rng(seed).integers(-128, 128, (size, 8), dtype=np.int8)
    weights = made_of(pool, shape, axis, None, seed)
    assert weights.shape == shape
    encoded = POOL.encode(weights, Settings(channel_axis=axis, shared=pool))
    assert not encoded.lossy
    assert encoded.inputs[1][1].size == 8 * size
    assert_same_bits(decoded(encoded), weights)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@given(layer=layers(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_float_weights_of_a_given_pool_and_scales_come_back(
    dtype: str, layer: tuple[tuple[int, ...], int], seed: int
) -> None:
    shape, axis = layer
    generator = np.random.default_rng(seed)
    pool = generator.normal(size=(32, 8)).astype(dtype)
    scales = np.exp(generator.normal(size=shape[axis])).astype(dtype)
    weights = made_of(pool, shape, axis, scales, seed)
    encoded = POOL.encode(weights, Settings(channel_axis=axis, shared=pool))
    result = decoded(encoded)
    if encoded.lossy:
        # Of vectors of which only a few lanes count, another one may be as near.
        assert shape[1 - axis] % 8 or dtype == "float16"
    else:
        assert_same_bits(result, weights)


SCALED = {"float32": "DecodeScaledPool", "float16": "DecodeScaledPoolFloat16"}


@every_opset
@pytest.mark.parametrize(("dtype", "op_type"), SCALED.items())
@given(layer=layers(), size=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_the_body_gives_the_bits_of_clustered_weights_in_every_engine(
    dtype: str, op_type: str, opset: int, layer: tuple[tuple[int, ...], int], size: int, seed: int
) -> None:
    shape, axis = layer
    weights = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    encoded = BY_OP_TYPE[op_type].encode(weights, Settings(channel_axis=axis, options={"pool_size": size}))
    arrays = [array for _, array in encoded.inputs]
    assert_same_bits(literal.decode(op_type, arrays, weights.dtype), decoded(encoded))
    assert_engines_agree(encoded, decoded(encoded), opset)


def test_a_float16_weight_that_becomes_float32_has_been_rounded_before() -> None:
    weights = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float16)
    encoded = POOL.encode(weights, Settings(options={"pool_size": 9}))
    model = model_of(encoded, weights.dtype, weights.shape, 17)
    model.graph.node.append(helper.make_node("Cast", ["decoded"], ["wide"], to=TensorProto.FLOAT))
    model.graph.output[0].name = "wide"
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    for run in ENGINES.values():
        assert_same_bits(run(model), decoded(encoded).astype(np.float32))


def test_more_vectors_come_nearer_to_the_weights() -> None:
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    errors = []
    for size in (4, 16, 64, 256):
        encoded = BY_OP_TYPE["DecodeScaledPool"].encode(weights, Settings(options={"pool_size": size}))
        assert encoded.lossy
        errors.append(float(((decoded(encoded) - weights) ** 2).mean()))
    assert errors == sorted(errors, reverse=True)


def test_without_a_pool_and_a_size_nothing_is_changed() -> None:
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    with pytest.raises(ModelError, match="does not consist of 256 vectors of 8"):
        POOL.encode(weights, Settings())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_clustered(value: float) -> None:
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    weights[3, 5] = value
    with pytest.raises(ModelError, match="finite"):
        POOL.encode(weights, Settings(options={"pool_size": 8}))


@every_opset
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@given(layer=layers(), size=st.integers(1, 40), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_clustered_integers_are_the_nearest_vectors_in_every_engine(
    dtype: str, opset: int, layer: tuple[tuple[int, ...], int], size: int, seed: int
) -> None:
    shape, axis = layer
    limits = np.iinfo(dtype)
    weights = np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)
    pool = np.random.default_rng(seed + 1).integers(limits.min, limits.max + 1, (size, 8)).astype(dtype)
    encoded = POOL.encode(weights, Settings(channel_axis=axis, shared=pool))
    assert encoded.op_type == "DecodePool"
    result = decoded(encoded)
    assert_engines_agree(encoded, result, opset)
    depth = shape[1 - axis]
    for first in range(0, depth, 8):
        lanes = np.arange(first, min(first + 8, depth))
        was, now = (np.moveaxis(np.take(w, lanes, 1 - axis), 1 - axis, -1).astype(int) for w in (weights, result))
        distances = ((was[..., None, :] - pool[:, : len(lanes)].astype(int)) ** 2).sum(axis=-1)
        assert (((was - now) ** 2).sum(axis=-1) == distances.min(axis=-1)).all()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int4"])
def test_more_vectors_come_nearer_to_integers(dtype: str) -> None:
    weights = np.random.default_rng(0).integers(0, 8, (128, 64)).astype(ml_dtypes.int4 if dtype == "int4" else dtype)
    errors = []
    for size in (4, 16, 64, 256):
        encoded = POOL.encode(weights, Settings(options={"pool_size": size}))
        assert encoded.lossy
        errors.append(float(((decoded(encoded).astype(float) - weights.astype(float)) ** 2).mean()))
    assert errors == sorted(errors, reverse=True)


def test_pruned_weights_of_few_vectors_are_clustered_to_themselves() -> None:
    few = np.random.default_rng(0).integers(-128, 128, (6, 8), dtype=np.int8)
    weights = made_of(np.concatenate([np.zeros((2, 8), np.int8), few]), (300, 64), 0, None, 1)
    encoded = POOL.encode(weights, Settings(options={"pool_size": 8}))
    assert not encoded.lossy
    assert_same_bits(decoded(encoded), weights)
