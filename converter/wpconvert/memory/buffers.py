"""Buffers with lifetimes, and where they lie in one piece of memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Buffer:
    """`nbytes` (a multiple of 16) that are in use from step `first` to step `last`, both included."""

    nbytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Layout:
    """The offset of each buffer, and the bytes that all of them need."""

    offsets: tuple[int, ...]
    nbytes: int


def peak(buffers: Sequence[Buffer]) -> int:
    """The most bytes that are in use at one step: no layout is smaller."""
    changes: defaultdict[int, int] = defaultdict(int)
    for buffer in buffers:
        changes[buffer.first] += buffer.nbytes
        changes[buffer.last + 1] -= buffer.nbytes
    return max(accumulate(changes[step] for step in sorted(changes)), default=0)
