"""Which method each weight gets: the fewest bytes of file, the bodies of decoders counted once each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations


def fewest_bytes(
    dense: Sequence[int], costs: Sequence[Mapping[str, int]], decoders: Mapping[str, int], base: int
) -> list[str | None]:
    """The method of each weight, None for those that stay as they are.

    dense: bytes of each weight as it is. costs: by method, of those that come into question. decoders: bytes that each
    method needs once; base: that any rewriting needs once. All sets of methods are tried.
    """
    known = sorted({method for weight in costs for method in weight})
    best: tuple[int, list[str | None]] = (sum(dense), [None] * len(dense))
    for count in range(1, len(known) + 1):
        for methods in combinations(known, count):
            total = base + sum(decoders[method] for method in methods)
            chosen: list[str | None] = []
            for plain, weight in zip(dense, costs, strict=True):
                method = min((m for m in methods if m in weight), key=lambda m: weight[m], default=None)
                if method is not None and weight[method] >= plain:
                    method = None
                chosen.append(method)
                total += plain if method is None else weight[method]
            if total < best[0]:
                best = total, chosen
    return best[1]
