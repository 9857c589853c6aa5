"""Which form each weight gets where only the size of the file counts: the fewest bytes, decoders counted once each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from wpconvert.model.reasons import SHARED_LARGER, decoder_too_large, shares_with, would_not_shrink
from wpconvert.model.weight import Weight


@dataclass(frozen=True)
class Alternative:
    """A form that a weight can have. nbytes: of the form; extra: of what else the file has for it; decoder: its name,
    of which the file has one for all forms that need it.
    """

    nbytes: int
    extra: int
    decoder: str

    @property
    def total(self) -> int:
        """Bytes in the file, without the decoder."""
        return self.nbytes + self.extra


@dataclass(frozen=True)
class Candidate:
    """A weight, its bytes in the file as it is, and its other forms by method; without any, reason says why."""

    weight: Weight
    nbytes: int
    forms: Mapping[str, Alternative]
    reason: str = ""


@dataclass(frozen=True)
class Sizes:
    """Bytes that a file has once: decoders by name; base, where any weight is rewritten. parts: what `extra` is for.

    shared: bytes that several candidates, by index, count more than once, for they share data.
    """

    decoders: Mapping[str, int]
    base: int
    parts: str
    shared: Callable[[Sequence[int]], int]


def smallest(candidates: Sequence[Candidate], sizes: Sizes) -> list[tuple[str | None, str]]:
    """The method of each weight, or None and the reason why it stays unchanged.

    Weights that share their data are rewritten together or not at all.
    """
    candidates = list(candidates)
    while True:
        chosen = _fewest_bytes(candidates, sizes)
        refused = _refused(candidates, chosen, sizes)
        if not refused:
            break
        for index, reason in refused.items():
            candidates[index] = Candidate(candidates[index].weight, candidates[index].nbytes, {}, reason)
    return [
        (method, _reason(candidate, sizes.parts) if method is None else "")
        for candidate, method in zip(candidates, chosen, strict=True)
    ]


def _fewest_bytes(candidates: Sequence[Candidate], sizes: Sizes) -> list[str | None]:
    """The method of each weight, None for those that stay unchanged. All sets of methods are tried."""
    known = sorted({method for candidate in candidates for method in candidate.forms})
    least = sum(candidate.nbytes for candidate in candidates)
    best: list[str | None] = [None] * len(candidates)
    for count in range(1, len(known) + 1):
        for methods in combinations(known, count):
            chosen = [_best(candidate, methods) for candidate in candidates]
            forms = [None if m is None else c.forms[m] for m, c in zip(chosen, candidates, strict=True)]
            total = sizes.base + sum(sizes.decoders[name] for name in {form.decoder for form in forms if form})
            total += sum(c.nbytes if form is None else form.total for c, form in zip(candidates, forms, strict=True))
            if total < least:
                least, best = total, chosen
    return best


def _best(candidate: Candidate, methods: Sequence[str]) -> str | None:
    forms = candidate.forms
    method = min((m for m in methods if m in forms), key=lambda m: forms[m].total, default=None)
    return None if method is None or forms[method].total >= candidate.nbytes else method


def _refused(candidates: Sequence[Candidate], chosen: Sequence[str | None], sizes: Sizes) -> dict[int, str]:
    """Weights that share data, of which not all are to be rewritten, or that would grow together; and why."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index, candidate in enumerate(candidates):
        groups[candidate.weight.storage].append(index)
    refused: dict[int, str] = {}
    for members in groups.values():
        left = [index for index in members if chosen[index] is None]
        if len(members) == 1 or len(left) == len(members):
            continue
        before = sum(candidates[index].nbytes for index in members) - sizes.shared(members)
        after = sum(candidates[i].forms[method].total for i in members if (method := chosen[i]) is not None)
        if left or after >= before:
            reason = shares_with(candidates[left[0]].weight.label) if left else SHARED_LARGER
            refused |= {index: reason for index in members if chosen[index] is not None}
    return refused


def _reason(candidate: Candidate, parts: str) -> str:
    """Why a weight is unchanged."""
    if not candidate.forms:
        return candidate.reason
    method = min(candidate.forms, key=lambda name: candidate.forms[name].total)
    form = candidate.forms[method]
    if form.total < candidate.nbytes:
        return decoder_too_large(method)
    named = f"the smallest, {method}," if len(candidate.forms) > 1 else method
    return would_not_shrink(named, f"{form.nbytes:,}", form.extra, parts)
