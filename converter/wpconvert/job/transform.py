"""Lossy methods: weights are changed before they are stored, as long as that pays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wpconvert.codecs import STANDALONE
from wpconvert.model.changed import Changed, Values
from wpconvert.model.plan import Outcome, encode_choice, settle_shared
from wpconvert.model.reasons import would_not_shrink
from wpconvert.model.rules import Choice
from wpconvert.model.weight import Rewritable
from wpconvert.transforms.base import DenseModel, Transform
from wpconvert.transforms.registry import TRANSFORMS


@dataclass(frozen=True)
class Transformed:
    """A dense model with changed weights, the choices with these weights, and notes by transform.

    Where no value changes the model is the one that was given.
    """

    dense: DenseModel
    choices: list[Choice]
    notes: dict[str, list[str]]


def transform(dense: DenseModel, choices: Sequence[Choice], options: Values) -> Transformed:
    """Change the weights whose choice is a transform; the others, and those that would not shrink, keep their values.

    Choices that nothing comes of get method `none` and the reason, the others the codec that stores them.
    """
    result = Transformed(dense, list(choices), {})
    for one in TRANSFORMS.values():
        if any(choice.method == one.name for choice in result.choices):
            result = _applied(one, result, options)
    return result


def _applied(one: Transform, before: Transformed, options: Values) -> Transformed:
    choices = one.preferred(before.choices)
    while any(choice.method == one.name for choice in choices):
        model = before.dense.copy()
        applied = one.apply(model, choices, options)
        after = model.values()
        tried = [
            _stored_by(one, replace(c, weight=replace(w, values=after[w.key], changed=changed)))
            for c in choices
            if (changed := applied.changed.get(c.weight.key)) is not None and isinstance(w := c.weight, Rewritable)
        ]
        reasons = applied.reasons | _not_worth_it(one, tried)
        if not reasons:
            by_key = {choice.weight.key: choice for choice in tried}
            found = [by_key.get(choice.weight.key, choice) for choice in choices]
            altered = any(changed.snr_db is not None for changed in applied.changed.values())
            return Transformed(model if altered else before.dense, found, before.notes | {one.name: applied.notes})
        # What stays as it is leaves what is shared to the others: they are changed anew, without it.
        choices = [c.left(reasons[c.weight.key]) if c.weight.key in reasons else c for c in choices]
    return replace(before, choices=choices)


def _stored_by(one: Transform, choice: Choice) -> Choice:
    """The choice of the codec that stores what the transform makes."""
    if one.codec is not None:
        return replace(choice, method=one.codec)
    tried = [replace(choice, method=method) for method in STANDALONE]
    return min(tried, key=lambda each: encode_choice(each).nbytes)


def _not_worth_it(one: Transform, tried: Sequence[Choice]) -> dict[str, str]:
    """Why weights that were changed do not get smaller, by key: by their own blobs, or with what stands beside them."""
    outcomes = settle_shared([encode_choice(choice) for choice in tried])
    reasons = {}
    groups: defaultdict[bytes, list[Outcome]] = defaultdict(list)
    for choice, outcome in zip(tried, outcomes, strict=True):
        weight, changed = choice.weight, outcome.weight.changed
        stored = weight.stored
        altered = weight.changed is not None and weight.changed.snr_db is not None
        if stored is not None and altered and outcome.nbytes >= stored.form.nbytes:
            reasons[weight.key] = f"would not shrink: stored by {stored.method} in {stored.form.nbytes:,} bytes"
        elif not outcome.rewritten or changed is None or changed is not weight.changed:
            reasons[weight.key] = outcome.reason or "would not shrink"
        elif stored is None and changed.nbytes and weight.nbytes <= outcome.nbytes + weight.overhead + changed.nbytes:
            beside = weight.overhead + changed.nbytes
            reasons[weight.key] = would_not_shrink(
                outcome.method, f"{outcome.nbytes:,}", beside, "table, options and scales of its own"
            )
        elif changed.side is not None:
            groups[changed.side.pack().tobytes()].append(outcome)
    if reasons:
        return reasons
    for packed, members in groups.items():
        saved = _saved(members)
        if saved <= len(packed):
            reason = one.not_worth.format(saved=saved, side=len(packed))
            reasons |= {outcome.weight.key: reason for outcome in members}
    return reasons


def _saved(outcomes: Sequence[Outcome]) -> int:
    """Bytes that these weights save, without what stands beside them; shared ones count once."""
    before, after = {}, {}
    for outcome in outcomes:
        before[outcome.weight.storage] = outcome.weight.stored_nbytes
        if outcome.blob is not None:
            after[outcome.weight.storage, outcome.blob.bytes.tobytes()] = outcome.blob.nbytes
    overhead = sum(outcome.weight.overhead for outcome in outcomes if outcome.weight.stored is None)
    return sum(before.values()) - sum(after.values()) - overhead


def changed_in(outcome: Outcome) -> Changed | None:
    """What a transform has made of a weight that is stored so."""
    changed = outcome.weight.changed
    if changed is None or not outcome.rewritten:
        return None
    codec = TRANSFORMS[changed.transform].codec
    return changed if outcome.method in (STANDALONE if codec is None else (codec,)) else None
