"""What rewriting adds beside blobs: as files show it, in few passes; and plans that can be fed back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.networks import random_network
from tests.tflite.harness import converted, forced
from wpconvert.codecs import STANDALONE
from wpconvert.formats.tflite.builder import Builder
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.overhead import Overheads
from wpconvert.formats.tflite.rewrite import rewrite
from wpconvert.formats.tflite.schema import ModelT
from wpconvert.formats.tflite.weights import find_weights
from wpconvert.model.plan import Outcome, blobs_nbytes, encoded
from wpconvert.model.rules import AUTO, Rule
from wpconvert.model.weight import Rewritable

SEEDS = st.integers(0, 1 << 16)
FRAMES = {False: range(50, 300), True: range(-150, 200)}
"""What any rewritten file has, the frame of its metadata, with names and stripped; and what alignment hides."""
_MOST_PASSES = 12
"""The planner writes a few plans, however many layers there are."""
METHODS = (*STANDALONE, "none", AUTO)


def written_nbytes(data: bytes, outcomes: Sequence[Outcome], strip: bool) -> int:
    model = parse(data)
    rewrite(model, outcomes, strip)
    return len(serialise(model))


def dense_blobs(data: bytes, strip: bool) -> list[Outcome]:
    """Every weight of a network with its overhead, as a dense blob."""
    weights = find_weights(parse(data))
    overheads = Overheads(weights, parse(data), strip)
    given = [overheads.with_overhead(weight) for weight in weights]
    return [Outcome(w, "dense", encoded(w, "dense")) for w in given if isinstance(w, Rewritable)]


def counted(outcomes: Sequence[Outcome]) -> int:
    """What these should add to a file."""
    groups: defaultdict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.weight.storage].append(outcome)
    return sum(
        blobs_nbytes(group) - group[0].weight.nbytes + sum(outcome.weight.overhead for outcome in group)
        for group in groups.values()
    )


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(2, 16), st.booleans())
def test_overheads_add_up_to_what_the_file_grows_by(seed: int, operators: int, strip: bool) -> None:
    data = random_network(seed, operators)
    outcomes = dense_blobs(data, strip)
    grown = written_nbytes(data, outcomes, strip) - written_nbytes(data, [], strip)
    assert grown - counted(outcomes) in FRAMES[strip]


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.booleans())
def test_what_does_not_pay_beside_the_others_stays_dense(seed: int, strip: bool) -> None:
    """A part of the weights, each in turn left out: the file is smaller with it."""
    data = random_network(seed, 8)
    weights = find_weights(parse(data))
    overheads = Overheads(weights, parse(data), strip)
    random = np.random.default_rng(seed)
    outcomes = [
        Outcome(w, "huffman", encoded(w, "huffman"))
        if isinstance(w, Rewritable) and random.random() < 0.6
        else Outcome(w, "none")
        for w in map(overheads.with_overhead, weights)
    ]
    # Weights that share their bytes are rewritten together.
    apart = {o.weight.storage for o in outcomes if o.blob is None}
    outcomes = [Outcome(o.weight, "none") if o.weight.storage in apart else o for o in outcomes]
    paying = overheads.paying(outcomes)
    assert overheads.paying(paying) == paying
    whole = written_nbytes(data, paying, strip)
    for storage in {o.weight.storage for o in paying if o.blob is not None}:
        rest = [Outcome(o.weight, "none") if o.weight.storage == storage else o for o in paying]
        if any(outcome.blob is not None for outcome in rest):
            assert whole < written_nbytes(data, rest, strip)


def test_as_many_passes_for_many_layers_as_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()

    def counting(owner: type, name: str) -> None:
        real = getattr(owner, name)

        def counted(*arguments: object, **named: object) -> object:
            calls[name] += 1
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, counted)

    counting(ModelT, "InitFromPackedBuf")
    counting(Builder, "Finish")
    for method in ("rle", "auto"):
        found = []
        for operators in (3, 24):
            data = random_network(5, operators)
            calls.clear()
            converted(data, method)
            found.append(dict(calls))
        assert found[0] == found[1] or (method == "auto" and max(found[1].values()) < _MOST_PASSES)


@st.composite
def rules_for(draw: st.DrawFn, data: bytes) -> list[Rule]:
    """A rule for some of the weights, each with another method."""
    keys = [weight.key for weight in find_weights(parse(data))]
    chosen = draw(st.lists(st.sampled_from(keys), unique=True))
    return [
        Rule(tensor=key, method=draw(st.sampled_from(METHODS)), threshold=draw(st.sampled_from((None, 0.0, 0.5))))
        for key in chosen
    ]


@settings(max_examples=25, deadline=None)
@given(st.data(), SEEDS, st.booleans(), st.sampled_from(METHODS), st.sampled_from((None, "rle", "dense")))
def test_a_dumped_plan_gives_the_same_file(
    draw: st.DataObject, seed: int, strip: bool, method: str, before: str | None
) -> None:
    """With mixed rules, on models that were rewritten before, too, and whatever the method is otherwise."""
    data = random_network(seed, draw.draw(st.integers(1, 7)))
    if before is not None:
        data = converted(data, before).data if draw.draw(st.booleans()) else forced(data, before)
    rules = draw.draw(rules_for(data))
    first = converted(data, method, strip=strip, rules=rules, threshold=draw.draw(st.sampled_from((0.0, 0.4))))
    plan = [Rule(**rule) for rule in yaml.safe_load(first.plan)["rules"]]
    again = converted(data, draw.draw(st.sampled_from(METHODS)), strip=strip, rules=plan)
    assert again.data == first.data
    assert again.plan == first.plan
    assert [t.method for t in again.report.tensors] == [t.method for t in first.report.tensors]
