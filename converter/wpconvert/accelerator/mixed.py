"""How many signed digits each layer's weights have, so that a network is fast enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST_DIGITS = 3
"""Where the published order starts."""
_UNITS = 1 << 15
"""Parts of the limit of cycles; a choice may need so little less than the limit that no other one is missed by it."""


@dataclass(frozen=True)
class Demotion:
    """One step of the published order: a layer, its digits from here on, and the speed-up of the network then."""

    layer: int
    digits: int
    speedup: float


def published_order(cycles: Sequence[Sequence[int]], baseline: int) -> list[Demotion]:
    """All steps from three digits to one: of the layers that have the most digits, always the slowest one loses one.

    cycles: of each layer with one, two and three digits; baseline: of the network that the speed-up is against.
    """
    digits = [_MOST_DIGITS] * len(cycles)
    steps = []
    for most in range(_MOST_DIGITS, 1, -1):
        for _ in cycles:
            slowest = max((i for i, d in enumerate(digits) if d == most), key=lambda i: (cycles[i][most - 1], -i))
            digits[slowest] = most - 1
            total = sum(row[d - 1] for row, d in zip(cycles, digits, strict=True))
            steps.append(Demotion(slowest, most - 1, baseline / total))
    return steps


def least_error(cycles: Sequence[Sequence[int]], errors: Sequence[Sequence[float]], limit: int) -> list[int] | None:
    """The digits of each layer, from 1, with the least sum of errors within so many cycles; None where there are none.

    cycles, errors (finite): of each layer, with one digit first. Exact for cycles in steps of a 32,768th of the limit,
    rounded up, so that the limit is kept; what is left is spent on the layers where it takes off most.
    """
    if sum(map(min, cycles)) > limit:
        return None
    unit = max(1, -(-limit // _UNITS))
    room = limit // unit
    best: NDArray[np.float64] = np.zeros(room + 1)
    chosen = np.zeros((len(cycles), room + 1), np.int8)
    for layer, (times, losses) in enumerate(zip(cycles, errors, strict=True)):
        after = np.full(room + 1, np.inf)
        for digits, (time, loss) in enumerate(zip(times, losses, strict=True), 1):
            steps = -(-time // unit)
            if steps > room:
                continue
            candidate = np.full(room + 1, np.inf)
            candidate[steps:] = best[: room + 1 - steps] + loss
            chosen[layer, candidate < after] = digits
            after = np.minimum(after, candidate)
        best = after
    if not np.isfinite(best[room]):
        found = [row.index(min(row)) + 1 for row in map(list, cycles)]
    else:
        found, left = [], room
        for layer in range(len(cycles) - 1, -1, -1):
            digits = int(chosen[layer, left])
            found.insert(0, digits)
            left -= -(-cycles[layer][digits - 1] // unit)
    return _spent(cycles, errors, limit, found)


def _spent(
    cycles: Sequence[Sequence[int]], errors: Sequence[Sequence[float]], limit: int, digits: list[int]
) -> list[int]:
    """The digits, raised where the limit allows it, as long as an error gets smaller."""
    found = list(digits)
    while True:
        left = limit - sum(row[d - 1] for row, d in zip(cycles, found, strict=True))
        better = [
            (errors[layer][now - 1] - errors[layer][other], layer, other + 1)
            for layer, now in enumerate(found)
            for other in range(len(errors[layer]))
            if errors[layer][other] < errors[layer][now - 1] and cycles[layer][other] - cycles[layer][now - 1] <= left
        ]
        if not better:
            return found
        _, layer, now = max(better)
        found[layer] = now
