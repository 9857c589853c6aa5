"""dCSR as its authors describe it, one element at a time: what the vectorised encoder is compared with."""

from __future__ import annotations

import struct
from collections.abc import Sequence

LANES = 16


def encode_sections(matrix: Sequence[Sequence[int]]) -> list[bytes] | None:
    """Values, minima, low nibbles, planes and masks of a matrix; None when a row needs explicit zeros."""
    values = bytearray()
    minima = bytearray()
    deltas: list[list[int]] = []
    for row in matrix:
        columns = [c for c, value in enumerate(row) if value != 0]
        values += bytes(value & 255 for value in row if value != 0)
        if not columns:
            continue
        slope = (len(row) + len(columns) // 2) // len(columns)
        previous = None
        for start in range(0, len(columns), LANES):
            group = [column - slope * lane for lane, column in enumerate(columns[start : start + LANES])]
            lowest = min(group)
            minimum = lowest if previous is None else lowest - previous - slope * LANES
            delta = [value - lowest for value in group]
            if not -128 <= minimum <= 127 or max(d + slope * lane for lane, d in enumerate(delta)) > 255:
                return None
            minima += bytes([minimum & 255])
            deltas.append(delta + [0] * (LANES - len(delta)))
            previous = lowest
    return [bytes(values), bytes(minima), _low_nibbles(deltas), *_planes_and_masks(deltas)]


def _low_nibbles(deltas: list[list[int]]) -> bytes:
    out = bytearray()
    for even in range(0, len(deltas), 2):
        odd = deltas[even + 1] if even + 1 < len(deltas) else [0] * LANES
        out += bytes((high & 15) << 4 | low & 15 for high, low in zip(deltas[even], odd, strict=True))
    return bytes(out)


def _planes_and_masks(deltas: list[list[int]]) -> tuple[bytes, bytes]:
    bitmaps = []
    masks = b""
    for delta in deltas:
        bitmap = 0
        for plane in range(4):
            mask = sum((d >> (4 + plane) & 1) << lane for lane, d in enumerate(delta))
            if mask:
                bitmap |= 1 << plane
                masks += struct.pack("<H", mask)
        bitmaps.append(bitmap)
    if len(bitmaps) % 2:
        bitmaps.append(0)
    return bytes(high << 4 | low for high, low in zip(bitmaps[0::2], bitmaps[1::2], strict=True)), masks
