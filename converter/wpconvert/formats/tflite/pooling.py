"""Which weights of a `.tflite` model are pooled: those that are chosen, can be, and get smaller by it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wpconvert.codecs import Pool
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.pooled import Pooled, pool_weights
from wpconvert.formats.tflite.weights import rewritable_weights
from wpconvert.model.plan import Outcome, encode_choice, settle_shared
from wpconvert.model.pooling import POOL, PoolSettings
from wpconvert.model.rules import Choice
from wpconvert.model.weight import Rewritable

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_FULLY_CONNECTED = "FULLY_CONNECTED"


@dataclass(frozen=True)
class PooledModel:
    """A dense model whose chosen weights consist of pool vectors, and the choices with these weights.

    Where nothing is pooled the model is the one that was given.
    """

    dense: TfliteModel
    choices: list[Choice]
    notes: list[str]


def pool_choices(dense: TfliteModel, choices: Sequence[Choice], settings: PoolSettings) -> PooledModel:
    """Pool the weights whose choice is method `pool`; the others, and those that would not shrink, keep their values.

    Choices that nothing comes of get method `none` and the reason. Deterministic.
    """
    choices = _by_default(choices)
    while any(choice.method == POOL for choice in choices):
        model = dense.copy()
        ready = [replace(c, weight=replace(c.weight, act_bits=_act_bits(c, settings))) for c in choices]
        chosen = {choice.weight.key for choice in choices if choice.method == POOL}
        asked = {choice.weight.key for choice in choices if choice.rule is not None}
        pooled = pool_weights(model, [choice.weight for choice in ready], chosen, asked, settings)
        after = {weight.key: weight.values for weight in rewritable_weights(model)}
        tried = [
            (replace(c, weight=replace(w, values=after[w.key], pool=pool, snr_db=pooled.snr_db.get(w.key))), pool)
            for c in ready
            if (pool := pooled.pools.get(c.weight.key)) is not None and isinstance(w := c.weight, Rewritable)
        ]
        reasons = pooled.reasons | _not_worth_it(tried)
        if not reasons:
            by_key = {choice.weight.key: choice for choice, _ in tried}
            found = [by_key.get(choice.weight.key, choice) for choice in choices]
            return PooledModel(model if pooled.snr_db else dense, found, [*pooled.notes, _described(pooled)])
        # What stays as it is leaves the pool to the others: they are pooled anew, without it.
        choices = [
            replace(c, method="none", reason=reasons[c.weight.key]) if c.weight.key in reasons else c for c in choices
        ]
    return PooledModel(dense, list(choices), [])


def _by_default(choices: Sequence[Choice]) -> list[Choice]:
    """The choices, without the weights that only a rule pools: what depends on few weights, or needs them exact."""
    convolutions = (c.weight.key for c in choices if set(_CONVOLUTIONS) & set(c.weight.operators))
    first = next(convolutions, None)
    result = []
    for choice in choices:
        reason = None
        if choice.method == POOL and choice.rule is None and isinstance(choice.weight, Rewritable):
            if choice.weight.key == first and choice.weight.operators == ("CONV_2D",):
                reason = "kept: the first convolution; a rule can pool it"
            elif _FULLY_CONNECTED in choice.weight.operators:
                reason = "kept: fully connected; a rule can pool it"
        result.append(choice if reason is None else replace(choice, method="none", reason=reason))
    return result


def _act_bits(choice: Choice, settings: PoolSettings) -> int:
    """Bits of the activations that a weight is multiplied with."""
    asked = None if choice.rule is None else choice.rule.act_bits
    if choice.method != POOL:
        return choice.weight.act_bits
    return settings.act_bits if asked is None else asked


def _not_worth_it(tried: Sequence[tuple[Choice, Pool]]) -> dict[str, str]:
    """Why weights that were pooled do not get smaller, by key: by their own blobs, or together with their pool."""
    outcomes = settle_shared([encode_choice(choice) for choice, _ in tried])
    reasons = {}
    groups: defaultdict[bytes, list[Outcome]] = defaultdict(list)
    for (choice, pool), outcome in zip(tried, outcomes, strict=True):
        stored = choice.weight.stored
        if stored is not None and choice.weight.snr_db is not None and outcome.nbytes >= stored.form.nbytes:
            reasons[choice.weight.key] = f"would not shrink: its {stored.method} has {stored.form.nbytes:,} bytes"
        elif outcome.blob is None or outcome.weight.pool is not pool:
            reasons[choice.weight.key] = outcome.reason or "would not shrink"
        else:
            groups[pool.pack().tobytes()].append(outcome)
    if reasons:
        return reasons
    for packed, members in groups.items():
        saved = _saved(members)
        if saved <= len(packed):
            reason = f"would not shrink: indices save {saved:,} bytes, their pool takes {len(packed):,}"
            reasons |= {outcome.weight.key: reason for outcome in members}
    return reasons


def _saved(outcomes: Sequence[Outcome]) -> int:
    """Bytes that these weights save, without their pool; shared ones count once."""
    before, after = {}, {}
    for outcome in outcomes:
        before[outcome.weight.storage] = outcome.weight.stored_nbytes
        if outcome.blob is not None:
            after[outcome.weight.storage, outcome.blob.bytes.tobytes()] = outcome.blob.nbytes
    overhead = sum(outcome.weight.overhead for outcome in outcomes if outcome.weight.stored is None)
    return sum(before.values()) - sum(after.values()) - overhead


def _described(pooled: Pooled) -> str:
    """The pools in a line."""
    pools = list({id(pool): pool for pool in pooled.pools.values()}.values())
    first, tensors = pools[0], len(pooled.pools)
    most = max(pool.size for pool in pools)
    what = f"a pool of {most}" if len(pools) == 1 else f"{len(pools)} pools of at most {most}"
    where = ("no look-up table", "a look-up table made in RAM", "a look-up table in flash")[first.lut]
    return (
        f"{what} vectors for {tensors} {'tensor' if tensors == 1 else 'tensors'}: "
        f"{sum(pool.nbytes for pool in pools):,} bytes, {where}, entries of {first.lut_bits} bits"
    )
