"""The grid on which sections of blobs and pool tensors lie."""

from __future__ import annotations

ALIGNMENT = 16


def aligned(nbytes: int) -> int:
    """The bytes that a section of `nbytes` takes."""
    return (nbytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
