"""Rows of codes of one width, 1 to 8 bits; each row starts with a new byte, the first code is in its lowest bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def row_nbytes(cols: int, bits: int) -> int:
    """Bytes of a row of `cols` codes of `bits` bits."""
    return (cols * bits + 7) // 8


def bits_for(values: int) -> int:
    """Bits of a code that tells so many values apart, at least 1."""
    return max(1, (values - 1).bit_length())


def pack(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """uint8[rows, cols] codes below 2^bits to uint8[rows, row_nbytes(cols, bits)]."""
    rows, cols = codes.shape
    padded = np.zeros((rows, (cols + 7) // 8 * 8), np.uint8)
    padded[:, :cols] = codes
    eights = padded.view("<u8")
    for way, stay, move in _steps(bits):
        moved = (eights & move) >> way
        eights &= stay
        eights |= moved
    groups = padded.reshape(rows, -1, 8)[:, :, :bits].reshape(rows, -1)
    return np.ascontiguousarray(groups[:, : row_nbytes(cols, bits)])


def unpack(packed: NDArray[np.uint8], bits: int, cols: int) -> NDArray[np.uint8]:
    """The inverse of `pack`; bits after the last code are ignored."""
    rows, nbytes = packed.shape
    groups = (cols + 7) // 8
    if nbytes != groups * bits:
        packed = np.pad(packed, ((0, 0), (0, groups * bits - nbytes)))
    spread = np.zeros((rows, groups, 8), np.uint8)
    spread[:, :, :bits] = packed.reshape(rows, groups, bits)
    eights = spread.view("<u8")
    for way, stay, move in reversed(_steps(bits)):
        moved = (eights << way) & move
        eights &= stay
        eights |= moved
    return spread.reshape(rows, -1)[:, :cols]


def _steps(bits: int) -> list[tuple[np.uint64, np.uint64, np.uint64]]:
    """How the codes of eight bytes come together: pairs, fours, all eight.

    Of each step the way of every second field towards the field below it, and masks of fields that stay and that move.
    """
    steps = []
    for width in (8, 16, 32):
        field = bits * width // 8
        stay = sum((1 << field) - 1 << at for at in range(0, 64, 2 * width))
        steps.append((np.uint64(width - field), np.uint64(stay), np.uint64(stay << width)))
    return steps
