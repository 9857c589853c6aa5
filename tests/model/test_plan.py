"""Encoding by choice: nothing grows, shared storage goes together or not at all, and the plan can be fed back."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tflite.harness import sparse
from wpconvert.codecs import CODECS, STANDALONE, encode
from wpconvert.errors import ModelError
from wpconvert.job.rules_file import parse_rules
from wpconvert.model.plan import Outcome, dump_plan, encode_all, encoded, left_unchanged
from wpconvert.model.rules import Choice
from wpconvert.model.weight import Fixed, Rewritable, Stored, Weight


def weight(seed: int = 0, shape: tuple[int, ...] = (64, 64), zeros: float = 0.95, **fields: object) -> Rewritable:
    values = sparse(seed, shape, zeros)
    base = Rewritable("0:1", "w", ("FULLY_CONNECTED",), shape, "INT8", values.nbytes, values=values, storage=seed)
    return replace(base, **fields)  # type: ignore[arg-type]


def outcome(w: Weight, method: str = "rle", threshold: float = 0.0) -> Outcome:
    return encode_all([Choice(w, method, threshold)])[0]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 300),
    st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
    st.sampled_from(("none", *STANDALONE)),
    st.integers(-500, 500),
)
def test_no_outcome_is_larger_than_the_dense_tensor_with_what_comes_beside(
    rows: int, cols: int, zeros: float, method: str, overhead: int
) -> None:
    w = weight(rows, (rows, cols), zeros, overhead=overhead)
    result = outcome(w, method)
    if result.blob is None:
        assert result.method == "none" and result.reason
        assert result.nbytes == w.nbytes
        # `packed` cannot hold every weight; too small a budget is the reason then, or just that.
        with suppress(ModelError) if method == "packed" else nullcontext():
            assert method == "none" or encode(method, w.values, 1).nbytes >= w.nbytes - max(overhead, 0)
    else:
        assert result.nbytes + overhead < w.nbytes
        assert method == "dense" or result.nbytes < w.nbytes


@pytest.mark.parametrize("method", list(CODECS))
def test_lower_bound_that_saves_encoding_is_one(method: str) -> None:
    w = weight(3)
    from_bound = outcome(replace(w, overhead=w.nbytes), method)
    assert "needs at least" in str(from_bound.reason)


def test_obstacle_method_none_and_threshold_are_the_reasons() -> None:
    assert outcome(Fixed.with_obstacle(weight(), "because")).reason == "because"
    assert outcome(weight(), "none").reason == "method none"
    assert "below the threshold 99.9 %" in str(outcome(weight(), "rle", 0.999).reason)
    assert outcome(weight(), "rle", 0.5).blob is not None


def test_weights_that_share_storage_stay_together_when_one_has_to() -> None:
    good = weight(storage=5, key="0:1")
    bad = Fixed.with_obstacle(replace(good, key="0:2", name="other"), "no")
    alone = weight(storage=6, key="0:3")
    results = encode_all([Choice(w, "rle", 0.0) for w in (good, bad, alone)])
    assert [r.method for r in results] == ["none", "none", "rle"]
    assert results[0].reason == "shares its data with other [0:2], which is unchanged"
    assert results[1].reason == "no"


def test_blobs_in_different_layouts_must_be_smaller_together() -> None:
    first = weight(zeros=0.6, storage=5)
    second = replace(first, key="0:2", shape=(16, 256), values=first.values.reshape(16, 256))
    for w in (first, second):
        assert outcome(w).blob is not None
    results = encode_all([Choice(w, "rle", 0.0) for w in (first, second)])
    assert [r.method for r in results] == ["none", "none"]
    assert "their compressed forms together would be larger" in str(results[0].reason)


def test_equal_blobs_of_shared_storage_count_once() -> None:
    first = weight(zeros=0.75, storage=5)
    results = encode_all([Choice(w, "rle", 0.0) for w in (first, replace(first, key="0:2"))])
    assert [r.method for r in results] == ["rle", "rle"]


def test_stored_form_stays_unless_the_new_one_is_smaller() -> None:
    w = weight()
    blobs = {name: encoded(w, name) for name in STANDALONE}
    assert blobs["rle"].nbytes < blobs["dcsr"].nbytes
    stored = replace(w, stored=Stored("dcsr", blobs["dcsr"]))
    assert outcome(stored, "rle").method == "rle"
    for method in ("none", "dense"):
        result = outcome(stored, method)
        assert (result.method, result.nbytes) == ("dcsr", blobs["dcsr"].nbytes)
        assert result.reason
    assert outcome(replace(w, stored=Stored("rle", blobs["rle"])), "dcsr").method == "rle"
    assert left_unchanged(outcome(stored, "rle"), "why") == Outcome(stored, "dcsr", blobs["dcsr"], "why")


def test_progress_is_told_of_every_weight() -> None:
    seen: list[str] = []
    encode_all([Choice(weight(key=f"0:{i}"), "none", 0.0) for i in range(3)], lambda w: seen.append(w.key))
    assert seen == ["0:0", "0:1", "0:2"]


def test_dumped_plan_is_a_rules_file_with_one_rule_per_weight_that_can_be_rewritten() -> None:
    weights = [
        weight(key="0:1", storage=1),
        Fixed.with_obstacle(weight(key="0:2", storage=2), "no"),
        weight(key="1:3", storage=3, zeros=0.0),
    ]
    plan = dump_plan(encode_all([Choice(w, "dcsr", 0.5) for w in weights]))
    rules = parse_rules(plan, "plan").rules
    assert [(r.tensor, r.method, r.threshold) for r in rules] == [("0:1", "dcsr", 0.0), ("1:3", "none", 0.0)]


def test_sparsity_counts_zeros() -> None:
    w = weight(values=np.array([[0, 1], [0, 0]], np.int8), shape=(2, 2))
    assert w.sparsity == 0.75
    assert Fixed.with_obstacle(w, "no").sparsity is None


def test_a_tensor_that_no_reader_would_decode_stays_with_the_reason() -> None:
    """So empty that its blob would claim more weights a byte than decoders take from a file they cannot trust."""
    values = np.broadcast_to(np.int8(0), (16400, 5000))
    result = outcome(Rewritable("0:1", "w", ("FULLY_CONNECTED",), values.shape, "INT8", values.size, values=values))
    assert result.blob is None
    assert result.reason is not None and result.reason.startswith("rle cannot store it: ")
