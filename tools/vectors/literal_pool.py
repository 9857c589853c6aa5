"""The arithmetic of pooled operators as docs/FORMAT.md tells it: integers, bit planes, one look-up at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.vectors.numbers import rescale, wrapped

LANES = 8


@dataclass(frozen=True)
class Arithmetic:
    """The numbers that decide what is looked up: vectors of the pool, lut_shift, act_bits and input zero point."""

    vectors: Sequence[Sequence[int]]
    lut_shift: int
    act_bits: int
    zero_point: int

    def level(self, x: int) -> int:
        d = 8 - self.act_bits
        step = 1 << d
        r = 0 if d == 0 else (step // 2 - (self.zero_point + 128)) % step
        half = 1 << self.act_bits - 1
        return min((x + 128 + r) // step, 2 * half - 1) - half

    def entry(self, pattern: int, s: int) -> int:
        total = sum(self.vectors[s][j] for j in range(LANES) if pattern >> j & 1)
        if self.lut_shift == 0:
            return total
        divisor = 1 << self.lut_shift
        return (total + divisor // 2) // divisor

    def plane(self, levels: Sequence[int], bit: int) -> int:
        """The pattern of one bit of eight levels in two's complement."""
        return sum((level >> bit & 1) << j for j, level in enumerate(levels))

    def look_up(self, levels: Sequence[int], s: int) -> int:
        top = self.act_bits - 1
        below = sum((1 << bit) * self.entry(self.plane(levels, bit), s) for bit in range(top))
        return below - (1 << top) * self.entry(self.plane(levels, top), s)

    def window(self, taps: Sequence[Sequence[int]], indices: Sequence[Sequence[int]]) -> int:
        """The sum of one filter: the channels of each tap, and the index of each group of each tap."""
        total = 0
        for channels, row in zip(taps, indices, strict=True):
            for group, s in enumerate(row):
                own = [self.level(x) for x in channels[LANES * group : LANES * (group + 1)]]
                total += self.look_up(own + [0] * (LANES - len(own)), s)
        return total


def requantised(total: int, bias: int, multiplier: int, shift: int, point: int, low: int, high: int) -> int:
    """The output of an accumulator."""
    acc = wrapped(bias + total)
    return min(max(wrapped(point + rescale(acc, multiplier, shift)), low), high)
