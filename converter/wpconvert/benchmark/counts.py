"""What tools/qemu_plugin writes: executions of each instruction, in the intervals between markers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wpconvert.errors import ToolError

_FIRST_LINE = "wpconvert-counts 1"

Executions = Counter[int]
"""Executions by instruction address."""


@dataclass(frozen=True)
class Interval:
    """What ran before a marker: `marker` is the address of the instruction that ended it, None when the run ended."""

    marker: int | None
    executions: Executions

    @property
    def instructions(self) -> int:
        """Instructions executed in this interval."""
        return self.executions.total()


@dataclass(frozen=True)
class Counts:
    """A whole run. `opcodes`: the bytes of each instruction by address; code that was overwritten shows its last."""

    intervals: tuple[Interval, ...]
    opcodes: dict[int, bytes]

    @property
    def instructions(self) -> int:
        """Instructions executed from reset to the end."""
        return sum(interval.instructions for interval in self.intervals)


def parse_counts(text: str) -> Counts:
    """The file's content. ToolError when it is not whole, as after a simulator that was killed."""
    lines = iter(text.splitlines())
    if next(lines, "") != _FIRST_LINE:
        raise ToolError("the instruction counts do not come from wpconvert's QEMU plugin")
    try:
        return _parse_body(lines)
    except (ValueError, KeyError, IndexError) as error:
        raise ToolError(f"the instruction counts cannot be read: {error}") from error


def _parse_body(lines: Iterator[str]) -> Counts:
    by_slot: list[tuple[int | None, dict[int, int]]] = []
    addresses: dict[int, int] = {}
    opcodes: dict[int, bytes] = {}
    for line in lines:
        word, *rest = line.split()
        if word == "interval":
            by_slot.append((None if rest[0] == "exit" else int(rest[0], 16), {}))
        elif word == "insn":
            addresses[int(rest[0])] = int(rest[1], 16)
            opcodes[int(rest[1], 16)] = bytes.fromhex(rest[2])
        elif word == "end":
            counts = Counts(tuple(_interval(marker, slots, addresses) for marker, slots in by_slot), opcodes)
            if counts.instructions != int(rest[0]):
                raise ValueError(f"{counts.instructions} executions listed, but {rest[0]} counted")
            return counts
        else:
            by_slot[-1][1][int(word)] = int(rest[0])
    raise ValueError("the last line is missing; the simulator did not exit normally")


def _interval(marker: int | None, slots: dict[int, int], addresses: dict[int, int]) -> Interval:
    executions: Executions = Counter()
    for slot, count in slots.items():
        executions[addresses[slot]] += count
    return Interval(marker, executions)


def merged(intervals: Iterable[Interval]) -> Executions:
    """Executions of several intervals together."""
    total: Executions = Counter()
    for interval in intervals:
        total.update(interval.executions)
    return total
