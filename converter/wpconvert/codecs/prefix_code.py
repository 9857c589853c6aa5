"""Canonical prefix codes: lengths that fit a histogram, and their description in a blob (docs/FORMAT.md, "Codes")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.bits import BitReader
from wpconvert.errors import ModelError

IntArray = NDArray[np.int64]

MAX_NBITS = 12
SYMBOLS = 256
MAX_GROUP_LOG2 = 4
_FIRST_GUESS = 8
# Bits of the tokens: same as before, one more or less, absent, anything else.
_SAME, _STEP, _ABSENT, _OTHER = 1, 3, 3, 7


@dataclass(frozen=True)
class Description:
    """Lengths of groups of 2^group_log2 neighbouring symbols, from symbol `first` on; 0: the group has no codes.

    Symbols of a group have codes of lengths[g] + group_log2 bits.
    """

    first: int
    group_log2: int
    lengths: tuple[int, ...]

    def of_symbols(self) -> IntArray:
        """The code length of every symbol, int64[256]; 0 for those without a code."""
        groups = np.array(self.lengths, np.int64)
        out = np.zeros(SYMBOLS, np.int64)
        out[self.first : self.first + (len(groups) << self.group_log2)] = np.repeat(
            np.where(groups > 0, groups + self.group_log2, 0), 1 << self.group_log2
        )
        return out

    def cost(self, histogram: IntArray) -> int:
        """Bits of symbols of this histogram, int64[256], and of the description."""
        numbers = [*self.head(), *self.tokens()]
        return int((histogram * self.of_symbols()).sum()) + sum(nbits for _, nbits in numbers)

    def head(self) -> list[tuple[int, int]]:
        """What is stored before the lengths: numbers and their bits."""
        return [(self.first, 8), (self.group_log2, 3), (len(self.lengths) - 1, 8)]

    def tokens(self) -> Iterator[tuple[int, int]]:
        """The lengths, each as a number and its bits."""
        guess = _FIRST_GUESS
        for length in self.lengths:
            if length == guess:
                yield 0b0, _SAME
            elif length == 0:
                yield 0b011, _ABSENT
            elif abs(length - guess) == 1:
                yield 0b001 | (length > guess) << 2, _STEP
            else:
                yield 0b111 | length << 3, _OTHER
            guess = length or guess


@dataclass(frozen=True)
class Head:
    """What is known of a code before its lengths are read."""

    first: int
    group_log2: int
    groups: int


def read_head(reader: BitReader) -> Head:
    """The head of a description; ModelError if its symbols are not within 0 … 255."""
    head = Head(reader.get(8), reader.get(3), reader.get(8) + 1)
    if head.group_log2 > MAX_GROUP_LOG2 or head.first + (head.groups << head.group_log2) > SYMBOLS:
        raise ModelError(
            f"weight blob: a prefix code of {head.groups} groups of 2^{head.group_log2} symbols from {head.first} "
            f"exceeds {SYMBOLS - 1}"
        )
    return head


def read_lengths(reader: BitReader, head: Head) -> Description:
    """The lengths after the heads; ModelError unless they make a complete code."""
    longest = MAX_NBITS - head.group_log2
    lengths = []
    guess = _FIRST_GUESS
    for _ in range(head.groups):
        if reader.get(1) == 0:
            lengths.append(guess)
        elif reader.get(1) == 0:
            guess += 1 if reader.get(1) else -1
            lengths.append(guess)
        elif reader.get(1) == 0:
            lengths.append(0)
        else:
            guess = reader.get(4)
            lengths.append(guess)
        if lengths[-1] > longest or guess == 0:
            raise ModelError(f"weight blob: a code length of {guess}, expected 1 to {longest}")
    room = sum(1 << (MAX_NBITS - length) for length in lengths if length)
    if room != 1 << MAX_NBITS:
        raise ModelError("weight blob: the code lengths do not form a complete prefix code")
    return Description(head.first, head.group_log2, tuple(lengths))


def fit(histogram: IntArray) -> Description:
    """The code that stores symbols of this histogram, int64[256], and itself in about the fewest bits."""
    counts = _with_two(histogram)
    _, group_log2 = min(_options(counts))
    first, groups = _grouped(counts, group_log2)
    lengths = limited_lengths(groups, MAX_NBITS - group_log2)
    return Description(first, group_log2, tuple(int(length) for length in lengths))


def estimate(histogram: IntArray) -> float:
    """About how many bits the symbols of this histogram, int64[256], and their code take."""
    return min(_options(_with_two(histogram)))[0]


def limited_lengths(counts: IntArray, limit: int) -> IntArray:
    """Optimal code lengths of at most `limit` bits (package-merge); counts of at least two symbols are not 0."""
    used = np.flatnonzero(counts)
    order = used[np.argsort(counts[used], kind="stable")]
    leaves = counts[order]
    packages = leaves[:0]
    levels = []
    for _ in range(limit):
        items = np.concatenate((leaves, packages))
        by_weight = np.argsort(items, kind="stable")
        levels.append(by_weight < len(leaves))
        items = items[by_weight]
        packages = items[: len(items) & ~1].reshape(-1, 2).sum(axis=1)
    lengths = np.zeros(len(counts), np.int64)
    take = 2 * (len(leaves) - 1)
    for is_leaf in reversed(levels):
        count = int(np.count_nonzero(is_leaf[:take]))
        lengths[order[:count]] += 1
        take = 2 * (take - count)
    return lengths


def codes(lengths: IntArray) -> NDArray[np.uint64]:
    """Canonical codes as they stand in the bit string, first bit lowest: uint64[256] for lengths int64[256]."""
    out = np.zeros(SYMBOLS, np.uint64)
    used, nbits = _in_order(lengths)
    # Each code is the sum of the shares that those before it take of all bit strings: first bit highest.
    share = np.int64(1) << (MAX_NBITS - nbits)
    out[used] = _MIRRORED[np.cumsum(share) - share]
    return out


def _in_order(lengths: IntArray) -> tuple[IntArray, IntArray]:
    """The symbols that have codes in the order of these, and the lengths of the codes."""
    used = np.flatnonzero(lengths)
    nbits = lengths[used]
    order = np.argsort(nbits, kind="stable")
    return used[order], nbits[order]


def _mirrored() -> IntArray:
    """Every string of 12 bits with its first bit last, int64[4096]."""
    strings = np.arange(1 << MAX_NBITS)
    mirrored = np.zeros(len(strings), np.int64)
    for bit in range(MAX_NBITS):
        mirrored |= ((strings >> (MAX_NBITS - 1 - bit)) & 1) << bit
    return mirrored


_MIRRORED = _mirrored()


def lookup(lengths: IntArray) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Symbol and code length for any 12 bits that start with a code: two uint8[4096]."""
    used, nbits = _in_order(lengths)
    # In the order of codes, first bit highest, each fills a run of all bit strings.
    runs = np.repeat(np.arange(len(used)), np.int64(1) << (MAX_NBITS - nbits))
    found = []
    for values in (used, nbits):
        strings = np.zeros(1 << MAX_NBITS, np.uint8)
        strings[: len(runs)] = values[runs]
        found.append(strings[_MIRRORED])
    return found[0], found[1]


def _with_two(histogram: IntArray) -> IntArray:
    """The histogram with at least two symbols that occur: a complete code has no fewer."""
    if np.count_nonzero(histogram) > 1:
        return histogram
    counts = histogram.copy()
    here = int(np.argmax(counts))
    counts[[here, here ^ 1]] += 1
    return counts


def _options(counts: IntArray) -> list[tuple[float, int]]:
    """Bits and group_log2 of every group size that leaves two groups that occur."""
    grouped = [_grouped(counts, size)[1] for size in range(MAX_GROUP_LOG2 + 1)]
    total = int(np.add.reduce(counts))
    return [(_bits(groups, size, total), size) for size, groups in enumerate(grouped) if np.count_nonzero(groups) > 1]


def _grouped(counts: IntArray, group_log2: int) -> tuple[int, IntArray]:
    """First symbol of the first group, and how often each group occurs."""
    used = counts.nonzero()[0]
    groups = (int(used[-1] - used[0]) >> group_log2) + 1
    first = min(int(used[0]), SYMBOLS - (groups << group_log2))
    return first, np.add.reduce(counts[first : first + (groups << group_log2)].reshape(groups, -1), axis=1)


def _bits(groups: IntArray, group_log2: int, total: int) -> float:
    """About how many bits `total` symbols and the description take with these counts of groups of 2^group_log2."""
    used = groups[groups > 0]
    ideal = np.maximum(np.log2(total / used), 1)
    lengths = np.minimum(np.rint(ideal), MAX_NBITS - group_log2)
    steps = np.abs(lengths[1:] - lengths[:-1])
    same, step = np.count_nonzero(steps == 0), np.count_nonzero(steps == 1)
    tokens = _SAME * same + _STEP * step + _OTHER * (len(steps) - same - step)
    absent = len(groups) - len(used)
    return float(np.add.reduce(used * (ideal + group_log2))) + float(tokens) + _ABSENT * absent
