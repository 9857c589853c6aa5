"""Attributes executions to operators, functions and instruction classes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wpconvert.benchmark.counts import Counts, Executions, Interval, merged
from wpconvert.benchmark.cycles import CostTable, Modelled, model_cycles
from wpconvert.benchmark.disassembly import Instruction
from wpconvert.benchmark.flash import BOARD, Piece, part_at
from wpconvert.benchmark.program import Program
from wpconvert.benchmark.result import ClassCount, FunctionCount
from wpconvert.errors import ToolError

# Invoke of each interpreter whose images can be read, and the function in which it calls the operators.
_INTERPRETERS = (
    ("wpconvert::MicroInterpreter::Invoke", "wpconvert::MicroInterpreter::Invoke"),
    ("tflite::MicroInterpreter::Invoke", "tflite::MicroInterpreterGraph::InvokeSubgraph"),
)
_CLOCK = "port_ticks"


@dataclass(frozen=True)
class Markers:
    """Addresses at which the plugin ends an interval.

    invoke: the first instruction of MicroInterpreter::Invoke. clock: that of port_ticks, which the firmware calls
    around AllocateTensors and around Invoke. calls: the calls through a pointer where operators are called, each with
    the instruction after it.
    """

    invoke: int
    clock: int
    calls: Mapping[int, int]

    @property
    def addresses(self) -> tuple[int, ...]:
        """All of them, for the plugin."""
        return (self.invoke, self.clock, *self.calls, *self.calls.values())


@dataclass(frozen=True)
class Inference:
    """One Invoke: the executions of each operator, those of the interpreter between them, and all together."""

    operators: tuple[Executions, ...]
    interpreter: Executions
    total: Executions


def find_markers(program: Program, code: Mapping[int, Instruction]) -> Markers:
    """The markers of a firmware image. ToolError when it has no interpreter that is known, or no port_ticks."""
    functions = {function.name: function for function in program.functions}
    names = next((pair for pair in _INTERPRETERS if all(name in functions for name in pair)), None)
    if names is None or _CLOCK not in program.symbols:
        raise ToolError(f"the firmware image has no symbol {_CLOCK if names else _INTERPRETERS[0][0]}")
    invoke, caller = (functions[name] for name in names)
    inside = [code[a] for a in range(caller.address, caller.address + caller.nbytes, 2) if a in code]
    calls = {i.address: i.end for i in inside if i.mnemonic == "blx"}
    return Markers(invoke.address, program.symbols[_CLOCK] & ~1, calls)


def inferences(counts: Counts, markers: Markers, is_firmware: Callable[[int], bool]) -> list[Inference]:
    """All inferences of a run, without the program around the interpreter: addresses that `is_firmware` knows."""
    found = []
    opened = [None, *(interval.marker for interval in counts.intervals[:-1])]
    pieces = list(zip(opened, counts.intervals, strict=True))
    start = None
    for index, (opener, interval) in enumerate(pieces):
        if opener == markers.invoke:
            start = index
        if start is not None and interval.marker in (markers.clock, None):
            found.append(_inference(pieces[start : index + 1], markers, is_firmware))
            start = None
    return found


def _inference(
    pieces: Sequence[tuple[int | None, Interval]], markers: Markers, is_firmware: Callable[[int], bool]
) -> Inference:
    kept = [
        (
            opener,
            Interval(interval.marker, Counter({a: n for a, n in interval.executions.items() if not is_firmware(a)})),
        )
        for opener, interval in pieces
    ]
    called: Counter[int] = Counter()
    for opener, interval in kept:
        if opener is not None and markers.calls.get(opener) == interval.marker:
            called[opener] += interval.instructions
    # TFLM calls its allocator through a pointer as well: operators are called where most is executed.
    site = called.most_common(1)[0][0] if called else None
    operators, around = [], []
    for opener, interval in kept:
        if opener is not None and opener == site and interval.marker == markers.calls[opener]:
            operators.append(interval.executions)
        else:
            around.append(interval)
    interpreter = merged(around)
    total = interpreter.copy()
    for operator in operators:
        total.update(operator)
    return Inference(tuple(operators), interpreter, total)


def prepare_instructions(counts: Counts, markers: Markers, is_firmware: Callable[[int], bool]) -> int:
    """Instructions of AllocateTensors: between the first two readings of the clock."""
    for before, interval in zip(counts.intervals, counts.intervals[1:], strict=False):
        if before.marker == markers.clock and interval.marker == markers.clock:
            return sum(n for a, n in interval.executions.items() if not is_firmware(a))
    return 0


@dataclass(frozen=True)
class Profiler:
    """What is needed to read counts: the image, its instructions, where they come from, and the core's costs."""

    program: Program
    code: Mapping[int, Instruction]
    pieces: Sequence[Piece]
    table: CostTable

    def is_firmware(self, address: int) -> bool:
        """Whether the instruction belongs to the program around the interpreter: start-up, semihosting, main."""
        return part_at(self.pieces, address) == BOARD

    def model(self, executions: Executions) -> Modelled:
        """Modelled cycles and classes of executions that belong together: one operator, or the interpreter."""
        return model_cycles(executions, self.code, self.table)

    def functions(self, executions: Executions, modelled: Modelled) -> tuple[FunctionCount, ...]:
        """Executions by function, most first."""
        sums = _sums(executions, modelled, lambda at: (self.program.function_at(at), part_at(self.pieces, at)))
        return tuple(FunctionCount(name, part, *numbers) for (name, part), numbers in sums)

    def classes(self, executions: Executions, modelled: Modelled) -> tuple[ClassCount, ...]:
        """Executions by instruction class, most first."""
        sums = _sums(executions, modelled, lambda at: (modelled.classes[at],))
        return tuple(ClassCount(name, *numbers) for (name,), numbers in sums)


def _sums(
    executions: Executions, modelled: Modelled, kind_of: Callable[[int], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[int]]]:
    """Instructions and modelled cycles by what `kind_of` says of addresses, most instructions first."""
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for address, count in executions.items():
        entry = sums[kind_of(address)]
        entry[0] += count
        entry[1] += modelled.cycles[address]
    return sorted(sums.items(), key=lambda row: (-row[1][0], row[0][0]))
