"""Bit strings: the first bit is the lowest bit of the first byte."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError

_WORD = 64


class BitWriter:
    """Collects bits. Items have at most 63 bits each; nothing may be set above an item's length."""

    def __init__(self) -> None:
        self._words: list[NDArray[np.uint64]] = []
        self._carry = 0
        self._carry_nbits = 0
        self.nbits = 0

    def put(self, *numbers: tuple[int, int]) -> None:
        """Numbers, each with its own number of bits."""
        items, nbits = zip(*numbers, strict=True)
        self.append(np.array(items, np.uint64), np.array(nbits, np.int64))

    def append(self, items: NDArray[np.uint64], nbits: NDArray[np.int64]) -> None:
        """Numbers, uint64[n], one after the other, each of its own number of bits, int64[n]."""
        if not len(items):
            return
        ends = self._carry_nbits + np.cumsum(nbits)
        position = ends - nbits
        word, shift = position >> 6, (position & 63).astype(np.uint64)
        out = np.zeros((int(ends[-1]) >> 6) + 1, np.uint64)
        first = np.flatnonzero(np.diff(word, prepend=-1))
        out[word[first]] = np.bitwise_or.reduceat(items << shift, first)
        crossing = np.flatnonzero((position & 63) + nbits > _WORD)
        out[word[crossing] + 1] |= items[crossing] >> (np.uint64(_WORD) - shift[crossing])
        out[0] |= np.uint64(self._carry)
        self._words.append(out[:-1])
        self._carry, self._carry_nbits = int(out[-1]), int(ends[-1]) & 63
        self.nbits += int(nbits.sum())

    def to_bytes(self) -> NDArray[np.uint8]:
        """uint8[⌈nbits / 8⌉], the last byte filled up with zeros."""
        words = np.concatenate([*self._words, np.array([self._carry], np.uint64)])
        return words.astype("<u8").view(np.uint8)[: (self.nbits + 7) // 8]


class BitReader:
    """Reads numbers from the front of a bit string; ModelError where it ends."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self._data = data
        self.position = 0

    def get(self, nbits: int) -> int:
        """The next number of `nbits` bits."""
        end = self.position + nbits
        if end > 8 * len(self._data):
            raise ModelError("weight blob: the code description is truncated")
        raw = int.from_bytes(self._data[self.position >> 3 : (end + 7) >> 3].tobytes(), "little")
        value = raw >> (self.position & 7) & ((1 << nbits) - 1)
        self.position = end
        return value


def windows(data: NDArray[np.uint8], first: int, last: int) -> NDArray[np.uint16]:
    """The 12 bits that start at each bit position [first, last): uint16[last − first]; zeros after the data."""
    begin = first >> 3
    octets = _padded(data, begin, (last >> 3) + 3).astype(np.uint32)
    word = octets[:-2] | octets[1:-1] << 8 | octets[2:] << 16
    every = (word[:, None] >> np.arange(8, dtype=np.uint32)).astype(np.uint16) & np.uint16(0xFFF)
    return every.reshape(-1)[first - 8 * begin : last - 8 * begin]


def gather(data: NDArray[np.uint8], positions: NDArray[np.int64], nbits: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of nbits[i] ≤ 32 bits at each bit position: int64[n]; zeros after the data."""
    result = np.zeros(len(positions), np.int64)
    byte = positions >> 3
    for k in range(5):
        at = byte + k
        inside = at < len(data)
        result |= np.where(inside, data[np.where(inside, at, 0)], 0).astype(np.int64) << (8 * k)
    return (result >> (positions & 7)) & ((np.int64(1) << nbits) - 1)


def _padded(data: NDArray[Any], begin: int, end: int) -> NDArray[Any]:
    part = data[begin:end]
    return np.append(part, np.zeros(end - begin - len(part), data.dtype))
