"""Pooling the weights of a `.tflite` model: another dense model, whose weights consist of pool vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import Lut, Pool
from wpconvert.codecs.pool_table import LUT_BITS, MAX_SHIFT
from wpconvert.errors import WpconvertError
from wpconvert.formats.tflite.model import TfliteModel, shape_of
from wpconvert.formats.tflite.replace import Change, put, rescaled_biases, scales_of
from wpconvert.formats.tflite.weights import Site, find_sites
from wpconvert.graph.custom.obstacles import Obstacle
from wpconvert.model.noise import snr_db
from wpconvert.model.pooling import DEFAULT_SIZE, NETWORK, POOLED_OPERATORS, PoolSettings
from wpconvert.model.weight import Fixed, Rewritable, Weight
from wpconvert.transforms.pool import GROUP, cut, exact, fits, lanes
from wpconvert.transforms.pool_fit import Part, fit, nearest

# Tensors that make an exact pool larger than the default belong to it if each vector they add stands for so many.
_LEAST_USES = 4


@dataclass
class Pooled:
    """What became of the weights that were to be pooled, by key: their pool, signal-to-noise ratio in decibels where
    their values changed, or the reason why they were not pooled. notes: for the user.
    """

    pools: dict[str, Pool] = field(default_factory=dict)
    snr_db: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def pool_weights(
    model: TfliteModel,
    weights: Sequence[Weight],
    chosen: Collection[str],
    asked: Collection[str],
    settings: PoolSettings,
) -> Pooled:
    """Pool the weights of a model that are chosen by their keys, in place; `weights` are all of the model.

    `act_bits` of the weights say which pools need a look-up table. Weights that consist of few enough vectors already
    stay as they are; the others beside them are pooled only if their keys are among those `asked` for one by one.
    """
    result = Pooled()
    sites = find_sites(model)
    stored: defaultdict[int, list[Weight]] = defaultdict(list)
    for weight in weights:
        stored[weight.storage].append(weight)
    groups: defaultdict[int, list[list[Rewritable]]] = defaultdict(list)
    for storage, sharing in stored.items():
        reasons = {
            weight.key: _obstacle(model, sites[weight.key], weight, sharing, chosen)
            for weight in sharing
            if weight.key in chosen
        }
        if any(reasons.values()):
            result.reasons |= {key: reason or "" for key, reason in reasons.items()}
        elif reasons:
            # None has a reason against it, so that all can be rewritten.
            members = [weight for weight in sharing if isinstance(weight, Rewritable)]
            groups[0 if settings.scope == NETWORK else storage].append(members)
    for group in groups.values():
        own, vectors = _of_few_vectors(group, settings)
        if vectors is None:
            _pool_group(model, sites, group, settings, result)
            continue
        made = [weight for together in own for weight in together]
        result.pools |= dict.fromkeys(
            (weight.key for weight in made), _exact_pool(vectors, made, settings, result.notes)
        )
        more: list[list[Rewritable]] = []
        for together in group:
            keys = {weight.key for weight in together}
            if keys & result.pools.keys():
                continue
            if keys & set(asked):
                more.append(together)
            else:
                why = "kept: not made of the vectors that other tensors are made of; a rule can pool it"
                result.reasons |= dict.fromkeys(keys, why)
        if more:
            _pool_group(model, sites, more, settings, result)
    return result


def _obstacle(
    model: TfliteModel, site: Site, weight: Weight, sharing: Sequence[Weight], chosen: Collection[str]
) -> str | None:
    """Why a weight cannot be pooled; `sharing` are those that share its bytes."""
    if isinstance(weight, Fixed):
        return weight.obstacle
    for name in weight.operators:
        if name not in POOLED_OPERATORS:
            return f"weights of {name} cannot be pooled"
    graph = model.root.subgraphs[site.subgraph]
    for use in site.uses:
        x = graph.tensors[graph.operators[use.operator].inputs[0]]
        if use.name == "CONV_2D" and shape_of(x)[-1] != weight.shape[-1]:
            return "weights of a grouped convolution cannot be pooled"
    for other in sharing:
        if other.key not in chosen or not isinstance(other, Rewritable) or other.shape != weight.shape:
            return f"shares its bytes with {other.label}, which is not pooled like it"
    return None


def _lut(members: Sequence[Rewritable], settings: PoolSettings, shift: int) -> Lut:
    return settings.lut_for(min(weight.act_bits for weight in members), shift)


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


def _exact_pool(
    found: NDArray[np.int8], members: Sequence[Rewritable], settings: PoolSettings, notes: list[str]
) -> Pool:
    """The pool that the weights are made of, of the vectors that were found."""
    # Which pool it is is given: entries get the bits it takes.
    bits, shift = next(
        ((bits, shift) for bits, shift in _kinds(settings.lut_bits) if fits(found, bits, shift).all()), (16, 0)
    )
    if bits != settings.lut_bits:
        notes.append(f"the weights' own pool needs look-up entries of {bits} bits, not {settings.lut_bits}")
    which = "the weights" if settings.scope == NETWORK else members[0].label
    notes.append(f"{which}: made of {len(found)} vectors already, an exact pool; no weight changes")
    return Pool(found, bits, shift, _lut(members, settings, shift))


def _kinds(lut_bits: int) -> list[tuple[int, int]]:
    """Bits and shifts of entries, what was asked for first, then what holds more."""
    return [(bits, shift) for bits in sorted(LUT_BITS) if bits >= lut_bits for shift in _shifts(bits)]


def _shifts(bits: int) -> range:
    return range(MAX_SHIFT + 1 if bits == min(LUT_BITS) else 1)


def _pool_group(
    model: TfliteModel,
    sites: dict[str, Site],
    group: Sequence[Sequence[Rewritable]],
    settings: PoolSettings,
    result: Pooled,
) -> None:
    """Fit a pool to weights, in lists of those that share their bytes, and put what is made of it in their place."""
    members = [weight for sharing in group for weight in sharing]
    scales = {weight.key: scales_of(model, sites[weight.key]) for weight in members}
    parts = [Part.of(weight.values, scales[weight.key]) for weight in members]
    vectors, shift = fit(parts, settings.size or DEFAULT_SIZE, settings.lut_bits, settings.seed)
    pool = Pool(vectors, settings.lut_bits, shift, _lut(members, settings, shift))
    for sharing in group:
        before = sharing[0].values
        values, factors = nearest(before, vectors)
        changes = [
            Change(sites[weight.key], values, (scales[weight.key] * factors).astype(np.float32)) for weight in sharing
        ]
        try:
            biases = [rescaled_biases(model, change) for change in changes]
        except (Obstacle, WpconvertError) as error:
            result.reasons |= {weight.key: f"cannot be pooled: {error}" for weight in sharing}
            continue
        for weight, change, bias in zip(sharing, changes, biases, strict=True):
            put(model, change, bias)
            result.pools[weight.key] = pool
            result.snr_db[weight.key] = _snr_db(before, scales[weight.key], values, change.scales)


def _snr_db(
    weights: NDArray[np.int8], scales: NDArray[Any], pooled: NDArray[np.int8], pooled_scales: NDArray[Any]
) -> float:
    """Signal-to-noise ratio of pooled weights, real numbers, in decibels; int8[channels, …], scales of the channels."""
    signal, noise = 0.0, 0.0
    rows = (np.broadcast_to(np.asarray(each, np.float64), len(weights)) for each in (scales, pooled_scales))
    for w, p, s, t in zip(weights, pooled, *rows, strict=True):
        signal += float(np.square(w * s).sum())
        noise += float(np.square(w * s - p * t).sum())
    return snr_db(signal, noise)
