"""Which method each weight gets: the fewest bytes of file, the bodies of decoders counted once each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Cost:
    """Bytes of all that stands for a weight in one form, and the operator that decodes it."""

    nbytes: int
    op_type: str


def fewest_bytes(
    dense: Sequence[int], costs: Sequence[Mapping[str, Cost]], decoders: Mapping[str, int], base: int
) -> list[str | None]:
    """The method of each weight, None for those that stay unchanged.

    dense: bytes of each weight as it is. costs: by method, of those that come into question. decoders: bytes that each
    operator needs once; base: that any rewriting needs once. All sets of methods are tried.
    """
    known = sorted({method for weight in costs for method in weight})
    least = sum(dense)
    best: list[str | None] = [None] * len(dense)
    for count in range(1, len(known) + 1):
        for methods in combinations(known, count):
            chosen = [_smallest(plain, weight, methods) for plain, weight in zip(dense, costs, strict=True)]
            used = [None if method is None else weight[method] for method, weight in zip(chosen, costs, strict=True)]
            total = base + sum(decoders[op_type] for op_type in {cost.op_type for cost in used if cost is not None})
            total += sum(plain if cost is None else cost.nbytes for plain, cost in zip(dense, used, strict=True))
            if total < least:
                least, best = total, chosen
    return best


def _smallest(plain: int, weight: Mapping[str, Cost], methods: Sequence[str]) -> str | None:
    method = min((m for m in methods if m in weight), key=lambda m: weight[m].nbytes, default=None)
    return None if method is None or weight[method].nbytes >= plain else method
