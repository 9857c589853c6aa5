"""The grid on which sections of blobs, pool tensors, and buffers of an arena lie."""

from __future__ import annotations

ALIGNMENT = 16


def aligned(nbytes: int) -> int:
    """`nbytes` rounded up to the grid."""
    return (nbytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
