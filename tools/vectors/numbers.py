"""Well-mixed integers, and rescale worked out literally."""

from __future__ import annotations

import csv
import io

import numpy as np
from numpy.typing import NDArray


def noise(count: int, seed: int) -> NDArray[np.int64]:
    """`count` well-mixed integers in 0 … 65535, by an integer hash of their position."""
    x = np.arange(count, dtype=np.uint64) + np.uint64(seed) * np.uint64(1_000_003)
    for _ in range(2):
        x = (x ^ (x >> np.uint64(15))) * np.uint64(0x9E3779B1) & np.uint64(0xFFFFFFFF)
    return (x >> np.uint64(16)).astype(np.int64)


def wrapped(number: int) -> int:
    """An integer modulo 2^32, in the range of int32."""
    return (number + 2**31) % 2**32 - 2**31


def rescale(acc: int, m: int, s: int) -> int:
    """rescale(acc, m, s) of docs/FORMAT.md, in exact integers."""
    left, right = max(s, 0), max(-s, 0)
    h = min((wrapped(acc << left) * m + 2**30) // 2**31, 2**31 - 1)
    magnitude = (2 * abs(h) + (1 << right)) >> (right + 1)
    return magnitude if h >= 0 else -magnitude


def rescale_arguments() -> list[tuple[int, int, int]]:
    """Accumulator, multiplier and shift of each row of rescale.csv."""
    low, high, half = -(2**31), 2**31 - 1, 2**30
    rows = [(0, half, 0), (1, 0, 0), (low, 0, 30), (high, high, 0), (low, high, 0), (high, half, 0), (low, half, 0)]
    # Halves in the high multiply: acc / 2 is rounded up, towards plus infinity.
    rows += [(acc, half, 0) for acc in range(-5, 6)]
    # Halves in the right shift: rounded away from zero. 2^31 − 1 keeps small accumulators as they are.
    rows += [(acc, high, -1) for acc in range(-5, 6)]
    rows += [(acc, high, -2) for acc in (-7, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 7)]
    # Both roundings: what rounding once would give differs.
    rows += [(acc, half, shift) for acc in (-11, -7, -3, -1, 1, 3, 7, 11) for shift in (-1, -2, -3)]
    # Left shifts, some of which wrap.
    rows += [(acc, m, s) for acc in (-3, 1, 100_000) for m in (half, high) for s in (1, 7, 15, 30)]
    # Everything is shifted out, or nearly.
    rows += [(acc, high, s) for acc in (low, low + 1, -half, half, high) for s in (-29, -30, -31)]
    mixed = noise(3 * 40, 90)
    for position in range(40):
        a, b, c = (int(v) for v in mixed[3 * position : 3 * position + 3])
        rows.append(((a - 32768) * 37 * (1 + b % 50), half + (b * 16383 + c) % half, c % 26 - 20))
    return rows


def rescale_csv() -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["accumulator", "multiplier", "shift", "expected"])
    writer.writerows((*row, rescale(*row)) for row in rescale_arguments())
    return out.getvalue().encode()
