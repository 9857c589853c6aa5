"""Pooling the weights of a dense model: what changes, what is made of pool vectors already, and what cannot be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import Lut, Pool
from wpconvert.codecs.pool_table import LUT_BITS, MAX_SHIFT
from wpconvert.model.rules import Choice, shared
from wpconvert.model.weight import Fixed, Rewritable, Weight
from wpconvert.transforms.base import Applied, Change, DenseModel, weights_snr
from wpconvert.transforms.pool import GROUP, cut, exact, fits, lanes
from wpconvert.transforms.pool_fit import Part, fit, nearest
from wpconvert.transforms.pool_settings import DEFAULT_SIZE, NETWORK, POOL, POOLED_OPERATORS, PoolSettings, changed_by

# Tensors that make an exact pool larger than the default belong to it if each vector they add stands for so many.
_LEAST_USES = 4


@dataclass(frozen=True)
class _Job:
    """The model, how its weights are pooled, and bits of activations by key."""

    model: DenseModel
    settings: PoolSettings
    act_bits: Mapping[str, int]

    def lut(self, members: Sequence[Rewritable], shift: int) -> Lut:
        """Where the table of a pool of these weights is."""
        return self.settings.lut_for(min(self.act_bits[weight.key] for weight in members), shift)


def pool_weights(
    model: DenseModel, choices: Sequence[Choice], act_bits: Mapping[str, int], settings: PoolSettings
) -> Applied:
    """Pool the weights of a model whose choice is to be pooled, in place; `choices` are all of the model.

    `act_bits` of the weights, by key, say which pools need a look-up table. Weights that consist of few enough vectors
    already stay as they are; the others beside them are pooled only if a rule asks for them.
    """
    result, job = Applied(), _Job(model, settings, act_bits)
    asked = {choice.weight.key for choice in choices if choice.rule is not None}
    groups: defaultdict[int, list[list[Rewritable]]] = defaultdict(list)
    for sharing in shared(choices):
        reasons = {
            choice.weight.key: _obstacle(model, choice.weight, sharing) for choice in sharing if choice.method == POOL
        }
        if any(reasons.values()):
            result.reasons |= {key: reason or "" for key, reason in reasons.items()}
        elif reasons:
            # None has a reason against it, so that all can be rewritten.
            members = [choice.weight for choice in sharing if isinstance(choice.weight, Rewritable)]
            groups[0 if settings.scope == NETWORK else members[0].storage].append(members)
    for group in groups.values():
        own, vectors = _of_few_vectors(group, settings)
        if vectors is None:
            _pool_group(job, group, result)
            continue
        made = [weight for together in own for weight in together]
        pool = _exact_pool(job, vectors, made, result.notes)
        result.changed |= {weight.key: changed_by(pool, act_bits[weight.key]) for weight in made}
        more: list[list[Rewritable]] = []
        for together in group:
            keys = {weight.key for weight in together}
            if keys & result.changed.keys():
                continue
            if keys & asked:
                more.append(together)
            else:
                why = "kept: does not consist of the pool's vectors; a rule can pool it"
                result.reasons |= dict.fromkeys(keys, why)
        if more:
            _pool_group(job, more, result)
    return result


def _obstacle(model: DenseModel, weight: Weight, sharing: Sequence[Choice]) -> str | None:
    """Why a weight cannot be pooled; `sharing` are those that share its bytes."""
    if isinstance(weight, Fixed):
        return weight.obstacle
    for name in weight.operators:
        if name not in POOLED_OPERATORS:
            return f"weights of {name} cannot be pooled"
    if model.grouped(weight.key):
        return "weights of a grouped convolution cannot be pooled"
    for choice in sharing:
        other = choice.weight
        if choice.method != POOL or not isinstance(other, Rewritable) or other.shape != weight.shape:
            return f"shares its data with {other.label}, which is not pooled the same way"
    return None


def _vectors(members: Sequence[Rewritable]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """The vectors of all weights, int8[n, 8], and what `lanes` says of them."""
    values = [weight.values for weight in members]
    return np.concatenate([cut(v) for v in values]), np.concatenate([lanes(v.shape) for v in values])


def _of_few_vectors(
    group: Sequence[Sequence[Rewritable]], settings: PoolSettings
) -> tuple[list[Sequence[Rewritable]], NDArray[np.int8] | None]:
    """Those of the weights, in lists of those that share their bytes, that consist of a pool's vectors already, and
    these vectors, int8[K, 8].

    None of them, unless they are most of the weights: a few small tensors have few vectors by chance.
    """
    cuts = [_vectors(sharing[:1]) for sharing in group]
    uses = [len(vectors) / len(np.unique(vectors, axis=0)) for vectors, _ in cuts]
    own: list[int] = []
    pool = np.zeros((0, GROUP), np.int8)
    for index in sorted(range(len(group)), key=lambda i: -uses[i]):
        parts = [cuts[i] for i in (*own, index)]
        found = exact(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        worth = settings.size or max(DEFAULT_SIZE, len(pool) + len(cuts[index][0]) // _LEAST_USES)
        if found is not None and len(found) <= worth:
            own.append(index)
            pool = found
    if len(own) < len(group) and 2 * sum(len(cuts[i][0]) for i in own) < sum(len(vectors) for vectors, _ in cuts):
        return [], None
    return [group[i] for i in sorted(own)], pool


def _exact_pool(job: _Job, found: NDArray[np.int8], members: Sequence[Rewritable], notes: list[str]) -> Pool:
    """The pool that the weights are made of, of the vectors that were found."""
    settings = job.settings
    # Which pool it is is given: entries get the bits it takes.
    bits, shift = next(
        ((bits, shift) for bits, shift in _kinds(settings.lut_bits) if fits(found, bits, shift).all()), (16, 0)
    )
    if bits != settings.lut_bits:
        notes.append(f"the exact pool of the weights needs {bits}-bit look-up entries, not {settings.lut_bits}")
    which = "the weights" if settings.scope == NETWORK else members[0].label
    notes.append(f"{which}: an exact pool of {len(found)} vectors; no weight changes")
    return Pool(found, bits, shift, job.lut(members, shift))


def _kinds(lut_bits: int) -> list[tuple[int, int]]:
    """Bits and shifts of entries, what was asked for first, then what holds more."""
    return [(bits, shift) for bits in sorted(LUT_BITS) if bits >= lut_bits for shift in _shifts(bits)]


def _shifts(bits: int) -> range:
    return range(MAX_SHIFT + 1 if bits == min(LUT_BITS) else 1)


def _pool_group(job: _Job, group: Sequence[Sequence[Rewritable]], result: Applied) -> None:
    """Fit a pool to weights, in lists of those that share their bytes, and put what is made of it in their place."""
    settings, members = job.settings, [weight for sharing in group for weight in sharing]
    scales = {weight.key: job.model.scales(weight.key) for weight in members}
    parts = [Part.from_weights(weight.values, scales[weight.key]) for weight in members]
    vectors, shift = fit(parts, settings.size or DEFAULT_SIZE, settings.lut_bits, settings.seed)
    pool = Pool(vectors, settings.lut_bits, shift, job.lut(members, shift))
    for sharing in group:
        before = sharing[0].values
        values, factors = nearest(before, vectors)
        changes = [Change(w.key, values, (scales[w.key] * factors).astype(np.float32)) for w in sharing]
        problem = job.model.put(changes)
        if problem is not None:
            result.reasons |= {weight.key: f"cannot be pooled: {problem}" for weight in sharing}
            continue
        for change in changes:
            snr = weights_snr(before, scales[change.key], values, change.scales)
            result.changed[change.key] = changed_by(pool, job.act_bits[change.key], snr)
