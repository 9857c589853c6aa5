"""What rewriting a weight adds to the file beside its blob, counted from what leaves the file and what comes."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wpconvert.codecs.alignment import ALIGNMENT
from wpconvert.formats.tflite import metadata
from wpconvert.formats.tflite.metadata import Originals
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.parts import (
    OFFSET_NBYTES,
    Key,
    Parts,
    buffer_nbytes,
    is_data,
    key_nbytes,
    tables_nbytes,
    vector_keys,
)
from wpconvert.formats.tflite.rewrite import rewrite
from wpconvert.formats.tflite.weights import Site, find_sites
from wpconvert.graph.structure import Place
from wpconvert.model.encoded import Encoded
from wpconvert.model.plan import Outcome, blobs_nbytes, left_unchanged
from wpconvert.model.weight import Rewritable, Weight

_METHOD = "dense"
# The shape of a blob's tensor, a vector of one number.
_SHAPE_NBYTES = 8
# Less than this, alignment and deflating can hide.
_LEAST_SAVED = 4 * ALIGNMENT


class Overheads:
    """What rewriting adds to a model's file beside blobs. Weights that share their bytes are rewritten together.

    What stands in the file once for many, a vector for one, leaves with the last of them. What any rewritten file has,
    the frame of the metadata, counts for no weight.
    """

    def __init__(self, weights: Sequence[Weight], model: TfliteModel, strip: bool) -> None:
        """`weights` are those of the dense `model`, which is rewritten by this."""
        groups: defaultdict[int, list[Rewritable]] = defaultdict(list)
        for weight in weights:
            if isinstance(weight, Rewritable):
                groups[weight.storage].append(weight)
        sites = find_sites(model)
        rewrite(model, [], strip)
        before = Parts.from_model(model)
        rewrite(model, [_stub(weight) for group in groups.values() for weight in group], strip)
        after = Parts.from_model(model)
        changes = [_Change.between(before, after, [sites[weight.key] for weight in group]) for group in groups.values()]
        self._changes = dict(zip(groups, changes, strict=True))
        self._kept = _Kept(model, before.codes)
        self._leaving = _sum(change.leaving for change in changes)
        self._coming = _sum(change.coming for change in changes)
        self._share = self._kept.share(changes)

    def with_overhead(self, weight: Weight) -> Weight:
        """The weight with its overhead: its share of what rewriting every weight that can be adds to the file.

        It depends on neither methods nor choices.
        """
        change = self._changes.get(weight.storage)
        if change is None or not isinstance(weight, Rewritable):
            return weight
        leaving = sum(key_nbytes(key) * count / self._leaving[key] for key, count in change.leaving.items())
        coming = sum(key_nbytes(key) * count / self._coming[key] for key, count in change.coming.items())
        kept_nbytes = self._kept.nbytes(change, self._share)
        extra = weight.nbytes + change.nbytes + kept_nbytes + coming - leaving
        return replace(weight, overhead=round(extra / change.members))

    def paying(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, but weights stay dense where the file is no smaller with them: others need what they share.

        Where the input was rewritten before and where a transform has changed weights, outcomes stay as they are.
        """
        groups: defaultdict[int, list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            if outcome.blob is not None and outcome.weight.storage in self._changes:
                groups[outcome.weight.storage].append(outcome)
        settled = {o.weight.storage for o in outcomes if o.weight.stored is not None or _is_changed(o)}
        lost: set[int] = set()
        # The fewer are rewritten, the less each of them saves: all that do not pay can go at once.
        while True:
            rest = {storage: group for storage, group in groups.items() if storage not in lost}
            more = {s for s, n in self._growth(rest).items() if n > -_LEAST_SAVED} - settled
            if not more:
                break
            lost |= more
        reason = "would not shrink the file: the data that it shares with other tensors remains"
        return [left_unchanged(o, reason) if o.blob is not None and o.weight.storage in lost else o for o in outcomes]

    def _growth(self, groups: Mapping[int, Sequence[Outcome]]) -> dict[int, int]:
        """What the file grows by with each group, beside all others."""
        leaving = _sum(self._changes[storage].leaving for storage in groups)
        coming = _sum(self._changes[storage].coming for storage in groups)
        whole = len(groups) == len(self._changes)
        share = self._share if whole else self._kept.share([self._changes[storage] for storage in groups])
        result = {}
        for storage, group in groups.items():
            change = self._changes[storage]
            left = sum(key_nbytes(key) for key in change.leaving if leaving[key] == self._leaving[key])
            come = sum(key_nbytes(key) for key, count in change.coming.items() if coming[key] == count)
            extra = change.nbytes + self._kept.nbytes(change, share) + come - left
            result[storage] = blobs_nbytes(group) + round(extra)
        return result


def _is_changed(outcome: Outcome) -> bool:
    return outcome.rewritten and outcome.weight.changed is not None


def _stub(weight: Rewritable) -> Outcome:
    """The weight rewritten, with a blob that says no more than its layout."""
    layout = repr((weight.shape, weight.row_dims)).encode()
    return Outcome(weight, _METHOD, Encoded(np.frombuffer(layout, np.uint8)))


def _sum(counters: Iterable[Counter[Key]]) -> Counter[Key]:
    total: Counter[Key] = Counter()
    for counter in counters:
        total.update(counter)
    return total


@dataclass(frozen=True)
class _Change:
    """The rewriting of weights that share their bytes.

    members: how many they are. nbytes: what the file grows by beside the bytes of blobs, metadata, and what it has once
    for many: that leaves and comes, as often as this refers to it. originals: what is replaced.
    """

    members: int
    nbytes: int
    leaving: Counter[Key]
    coming: Counter[Key]
    originals: Originals
    originals_nbytes: int

    @classmethod
    def between(cls, before: Parts, after: Parts, sites: Sequence[Site]) -> _Change:
        """What rewriting all weights makes of these and their operators."""
        operators = [(site.subgraph, use.operator) for site in sites for use in site.uses]
        blobs = [(site.subgraph, site.tensor) for site in sites]
        # A table takes the place of a bias, or one after all tensors.
        tables = [(s, int(table)) for s, o in operators for table in after.operators[s, o].inputs[2:]]
        tensors = {place: before.tensors[place] for place in (*blobs, *tables) if place in before.tensors}
        old = [*tensors.values(), *(before.operators[place] for place in operators)]
        new = [*(after.tensors[place] for place in (*blobs, *tables)), *(after.operators[place] for place in operators)]
        leaving = Counter(key for key in before.keys(old) if key not in after.references)
        coming = Counter(key for key in after.keys(new) if key not in before.references and not is_data(key))
        buffers = len({int(after.tensors[place].buffer) for place in blobs})
        added = buffers + len(tables) - sum(is_data(key) for key in leaving)
        nbytes = (
            tables_nbytes(new)
            - tables_nbytes(old)
            + buffers * (_SHAPE_NBYTES + buffer_nbytes(0))
            + sum(buffer_nbytes(int(after.tensors[place].shape[0])) for place in tables)
            + OFFSET_NBYTES * (added + len(new) - len(old))
        )
        originals = Originals(before.codes, tensors, {place: before.operators[place] for place in operators})
        content = b"".join(raw for part in old for _, raw in vector_keys(part))
        return cls(len(sites), nbytes, leaving, coming, originals, len(zlib.compress(content)))


class _Kept:
    """What the metadata of a rewritten model keeps: records and, for `restore`, originals."""

    def __init__(self, model: TfliteModel, codes: list[Any]) -> None:
        """`codes` are those of the dense model."""
        provenance = metadata.read(model)
        self._codes = codes
        self._records: dict[Place, int] | None = None
        if provenance is not None and not provenance.stripped:
            self._records = {(r.subgraph, r.tensor): metadata.record_nbytes(r) for r in provenance.tensors}

    def share(self, changes: Sequence[_Change]) -> float:
        """What their originals take together for each byte that they hold alone: much is common to them."""
        if self._records is None or not changes:
            return 0.0
        together = Originals(self._codes, {}, {})
        frame = metadata.originals_nbytes(together)
        for change in changes:
            together.tensors.update(change.originals.tensors)
            together.operators.update(change.originals.operators)
        return (metadata.originals_nbytes(together) - frame) / sum(change.originals_nbytes for change in changes)

    def nbytes(self, change: _Change, share: float) -> float:
        """Of one of several changes with this share."""
        if self._records is None:
            return 0.0
        records = sum(self._records.get(place, 0) for place in change.originals.tensors)
        return records + share * change.originals_nbytes
