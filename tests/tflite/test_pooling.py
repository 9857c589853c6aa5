"""`-m pool` on files: what is pooled, what stays, what it does to the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.models import ModelBuilder
from tests.support.pools import Pooled, random_pool
from tests.tflite.harness import (
    assert_same_outputs,
    canonical,
    converted,
    inputs_for,
    names,
    reference,
    restored,
    rewritten_count,
    scales,
)
from wpconvert.codecs import Lut, Pool
from wpconvert.engines.inputs import random_inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite import metadata
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.formats.tflite.graph_reader import read_operator
from wpconvert.graph.custom.compressed import Compressed, read_compressed
from wpconvert.job.convert import Converted
from wpconvert.job.rules_file import parse_rules
from wpconvert.job.verify import OF_FEW_BITS, verdict
from wpconvert.model.rules import Rule
from wpconvert.report.result import TensorResult
from wpconvert.transforms.pool_settings import LAYER

Weights = NDArray[np.int8]


def random_weights(seed: int, shape: tuple[int, ...]) -> Weights:
    values = np.random.default_rng(seed).normal(0, 30, shape)
    return np.clip(np.rint(values), -127, 127).astype(np.int8)


def pool_weights(seed: int, shape: tuple[int, ...], size: int = 16, lut_bits: int = 8) -> Weights:
    """Weights made of vectors of a pool that is the same for all seeds."""
    pool = random_pool(np.random.default_rng(99), size, lut_bits)
    return Pooled.random(np.random.default_rng(seed), pool, shape).weights


def chain(*weights: Weights, classes: Weights | None = None) -> bytes:
    """3 × 3 convolutions one after the other, and a fully connected layer on them."""
    b = ModelBuilder()
    y = b.input((1, 4, 4, weights[0].shape[-1]), 0.5, -3)
    for seed, w in enumerate(weights):
        y = b.conv2d(
            y, w, np.arange(len(w)), scale=20.0, zero_point=5, weight_scales=scales(seed, len(w)), name=f"c{seed}"
        )
    if classes is not None:
        y = b.reshape(y, (1, 16 * len(weights[-1])))
        y = b.fully_connected(y, classes, scale=200.0)
    b.output(y)
    return b.to_bytes()


SHAPE = (32, 3, 3, 32)
FIRST = random_weights(1, (32, 3, 3, 8))


def trained() -> bytes:
    """A model that was not made for a pool."""
    return chain(FIRST, random_weights(2, SHAPE), random_weights(3, SHAPE), classes=random_weights(4, (10, 512)))


def exact() -> bytes:
    """A model whose second and third convolution are made of 16 vectors."""
    return chain(FIRST, pool_weights(2, SHAPE), pool_weights(3, SHAPE))


def by_shape(found: Converted, shape: tuple[int, ...]) -> list[TensorResult]:
    return [tensor for tensor in found.report.tensors if tensor.shape == shape]


def operators(data: bytes) -> list[Compressed]:
    model = parse(data)
    parts = [
        read_compressed(read_operator(model, 0, i)) for i, name in enumerate(names(data)) if name.startswith("WP_")
    ]
    return [part for part in parts if isinstance(part, Compressed)]


def test_convolutions_but_the_first_get_one_pool_and_the_report_tells_what_is_left_of_them() -> None:
    found = converted(trained(), "pool")
    pools = [part.side for part in operators(found.data)]
    assert len(pools) == 2 and all(isinstance(pool, Pool) and pool.size <= 64 for pool in pools)
    assert len({pool.pack().tobytes() for pool in pools if pool is not None}) == 1
    for tensor in by_shape(found, SHAPE):
        assert (tensor.method, tensor.details) == ("pool", {"pool_size": 64, "index_bits": 6, "act_bits": 8})
        assert tensor.snr_db is not None and 0 < tensor.snr_db < 30
    assert "the first convolution" in (by_shape(found, FIRST.shape)[0].reason or "")
    assert "fully connected; a rule can pool it" in (by_shape(found, (10, 512))[0].reason or "")


def test_a_larger_pool_leaves_more_of_the_weights() -> None:
    ratios = [
        [tensor.snr_db or 0 for tensor in by_shape(converted(trained(), "pool", options={"pool_size": size}), SHAPE)]
        for size in (4, 32, 128)
    ]
    assert sorted(ratios) == ratios and ratios[0][0] < ratios[1][0] < ratios[2][0]


@pytest.mark.parametrize("strip", [False, True])
def test_a_pooled_model_computes_what_its_restored_dense_model_does(strip: bool) -> None:
    data = trained()
    found = converted(data, "pool", strip=strip)
    inputs = inputs_for(data)
    assert_same_outputs(reference(found.data, inputs), reference(restored(found.data), inputs))
    assert reference(found.data, inputs)[0].tobytes() != reference(data, inputs)[0].tobytes()


def test_weights_made_of_few_vectors_are_stored_without_loss() -> None:
    data = exact()
    found = converted(data, "pool")
    assert [tensor.snr_db for tensor in by_shape(found, SHAPE)] == [None, None]
    assert any(
        "an exact pool of " in note and note.endswith("vectors; no weight changes") for note in found.report.notes
    )
    assert_same_outputs(reference(found.data, inputs_for(data)), reference(data, inputs_for(data)))
    assert restored(found.data) == canonical(data)


@pytest.mark.parametrize(("act_bits", "lut_bits"), [(7, 8), (3, 8), (1, 16), (8, 4)])
def test_an_exact_pool_stays_verifiable_with_fewer_bits(act_bits: int, lut_bits: int) -> None:
    data = chain(FIRST, pool_weights(2, SHAPE), pool_weights(3, SHAPE, lut_bits=lut_bits))
    model = parse(data)
    found = parse(converted(data, "pool", options={"act_bits": act_bits, "lut_bits": lut_bits}).data)
    inputs = random_inputs(model, 2, 0)
    verification = verdict(TfliteForms(model, found), inputs, ReferenceEngine())
    assert verification.passed and verification.weights_equal and verification.promise == OF_FEW_BITS
    wrong = parse(chain(FIRST, pool_weights(2, SHAPE), pool_weights(4, SHAPE, lut_bits=lut_bits)))
    assert not verdict(TfliteForms(wrong, found), inputs, ReferenceEngine()).weights_equal


def test_a_layer_beside_an_exact_pool_stays_as_it_is() -> None:
    dense = random_weights(5, (40, 1, 1, 32))
    data = chain(FIRST, pool_weights(2, SHAPE), pool_weights(3, SHAPE), dense)
    found = converted(data, "pool")
    assert [tensor.snr_db for tensor in by_shape(found, SHAPE)] == [None, None]
    (left,) = by_shape(found, dense.shape)
    assert left.method == "none" and "does not consist of the pool's vectors" in (left.reason or "")
    assert_same_outputs(reference(found.data, inputs_for(data)), reference(data, inputs_for(data)))


def test_a_small_layer_of_few_vectors_is_no_pool_for_the_others() -> None:
    small = random_weights(6, (8, 1, 1, 32))
    found = converted(chain(FIRST, small, random_weights(7, (32, 3, 3, 8)), random_weights(8, SHAPE)), "pool")
    (large,) = by_shape(found, SHAPE)
    assert large.method == "pool" and large.snr_db is not None


def test_an_exact_pool_gets_entries_that_hold_its_sums() -> None:
    data = chain(FIRST, pool_weights(2, SHAPE, lut_bits=16))
    pool = operators(converted(data, "pool").data)[0].side
    assert isinstance(pool, Pool) and pool.lut_bits == 16


def test_a_pool_for_each_layer() -> None:
    found = converted(trained(), "pool", options={"pool_scope": LAYER})
    packed = {part.side.pack().tobytes() for part in operators(found.data) if part.side is not None}
    assert len(packed) == 2


def test_look_up_entries_are_as_asked() -> None:
    found = converted(trained(), "pool", options={"lut_bits": 4, "lut": "flash"})
    pool = operators(found.data)[0].side
    assert isinstance(pool, Pool)
    assert (pool.lut_bits, pool.lut) == (4, Lut.FLASH)
    assert pool.lut_shift > 0


def test_rules_pool_what_is_left_out_else_and_set_the_bits_of_activations() -> None:
    data = trained()
    key = by_shape(converted(data, "none"), SHAPE)[0].key
    rules = [Rule(method="pool", operator="FULLY_CONNECTED"), Rule(method="pool", tensor=key, options={"act_bits": 5})]
    found = converted(data, "none", rules=rules)
    assert [(part.name, part.options.act_bits) for part in operators(found.data)] == [
        ("CONV_2D", 5),
        ("FULLY_CONNECTED", 8),
    ]
    plan = parse_rules(found.plan, "plan").rules
    assert converted(data, "none", rules=plan).data == found.data


def test_weights_that_cannot_be_pooled_say_why_also_where_a_rule_asks() -> None:
    b = ModelBuilder()
    x = b.input((1, 4, 4, 16), 0.5, 0)
    y = b.depthwise(x, random_weights(1, (1, 3, 3, 16)), scale=10.0)
    b.output(b.conv2d(y, random_weights(2, (32, 3, 3, 8)), scale=10.0))
    found = converted(b.to_bytes(), "none", rules=[Rule(method="pool", name="")])
    reasons = [tensor.reason or "" for tensor in found.report.tensors]
    assert "weights of DEPTHWISE_CONV_2D cannot be pooled" in reasons[0]
    assert "grouped convolution" in reasons[1]
    assert rewritten_count(found.data) == 0


def test_nothing_is_lost_where_pooling_does_not_pay() -> None:
    data = chain(FIRST, random_weights(2, (32, 1, 1, 32)))
    found = converted(data, "pool", options={"pool_size": 256})
    assert rewritten_count(found.data) == 0
    assert "would not shrink" in (by_shape(found, (32, 1, 1, 32))[0].reason or "")
    assert_same_outputs(reference(found.data, inputs_for(data)), reference(data, inputs_for(data)))


def test_tensors_that_share_their_bytes_are_pooled_together() -> None:
    b = ModelBuilder()
    y = b.conv2d(b.input((1, 4, 4, 8), 0.5, -3), FIRST, scale=20.0)
    shared = random_weights(2, SHAPE)
    w = b.constant(shared, scales(3, 32))
    for _ in range(2):
        y = b.conv2d(y, w, scale=20.0)
    b.output(y)
    found = converted(b.to_bytes(), "pool")
    first, second = operators(found.data)
    assert np.array_equal(first.weights, second.weights)
    assert not np.array_equal(first.weights, shared)
    inputs = inputs_for(found.data)
    assert_same_outputs(reference(found.data, inputs), reference(restored(found.data), inputs))


def test_a_pooled_file_is_not_pooled_again() -> None:
    pooled = converted(trained(), "pool").data
    assert converted(pooled, "pool").data == pooled
    other = converted(restored(pooled), "pool")
    assert [part.codec for part in operators(other.data)] == ["pool", "pool"]
    assert not any(tensor.snr_db for tensor in by_shape(other, SHAPE))


def test_pooling_more_of_a_pooled_file_leaves_what_is_pooled_as_it_is() -> None:
    pooled = converted(trained(), "pool").data
    found = converted(pooled, "pool", rules=[Rule(method="pool", operator="FULLY_CONNECTED")])
    before, after = operators(pooled), operators(found.data)
    assert [part.name for part in after] == ["CONV_2D", "CONV_2D", "FULLY_CONNECTED"]
    for one, other in zip(before, after, strict=False):
        assert np.array_equal(one.weights, other.weights)


@pytest.mark.parametrize("method", ["pool", "none"])
def test_a_lossy_file_stays_known_as_one(method: str) -> None:
    stripped = converted(converted(trained(), "pool").data, method, strip=True)
    assert rewritten_count(stripped.data) == 2
    provenance = metadata.read(parse(stripped.data))
    assert provenance is not None and provenance.lossy
    exactly = metadata.read(parse(converted(exact(), "pool").data))
    assert exactly is not None and not exactly.lossy


def test_fewer_bits_cannot_change_to_another_method() -> None:
    found = converted(trained(), "pool", options={"act_bits": 4})
    with pytest.raises(UnsupportedError, match="fewer activation bits"):
        converted(found.data, "huffman")


def test_the_same_file_every_time() -> None:
    settings: dict[str, Any] = {"options": {"pool_size": 16}}
    assert converted(trained(), "pool", **settings).data == converted(trained(), "pool", **settings).data
