"""Random numbers that depend on nothing but a seed, an epoch and the index of a sample.

Philox4x32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011) makes them from a counter and a key
instead of a state. So a sample is changed in the same way whichever process reads it, and in whatever order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF
_MASK = np.uint64(_WORD)
_SHIFT = np.uint64(32)
_WORDS = 4


class Key(NamedTuple):
    """What random changes of a training sample depend on, besides its index; both at least 0."""

    seed: int
    epoch: int


def uniform(key: Key, indices: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) for each index, [n, count]: multiples of 2^-32.

    The first numbers of an index are the same for any `count`. Seeds count modulo 2^64, epochs modulo 2^32.
    """
    index = np.asarray(indices, np.int64).astype(np.uint64)[:, np.newaxis]
    block = np.arange(-(-count // _WORDS), dtype=np.uint64)[np.newaxis]
    epoch = np.full_like(index, key.epoch & _WORD)
    counter = np.broadcast_arrays(block, index & _MASK, index >> _SHIFT, epoch)
    words = np.stack(philox(counter, (key.seed & _WORD, key.seed >> 32 & _WORD)), axis=-1)
    return words.reshape(len(index), -1)[:, :count] / 2.0**32


def philox(
    counter: tuple[NDArray[np.uint64], ...], key: tuple[int, int]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Four words of 32 bits for each counter of four words; arrays of uint64 with one shape."""
    a, b, c, d = counter
    first, second = key
    for _ in range(_ROUNDS):
        low, high = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (
            (high >> _SHIFT) ^ b ^ np.uint64(first),
            high & _MASK,
            (low >> _SHIFT) ^ d ^ np.uint64(second),
            low & _MASK,
        )
        first, second = (first + _WEYL[0]) & _WORD, (second + _WEYL[1]) & _WORD
    return a, b, c, d
