"""How often each branch was taken, from how often each instruction ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from wpconvert.benchmark.counts import Executions
from wpconvert.benchmark.disassembly import Instruction

_ENDS = ("b", "bx", "pop", "tbb", "tbh", "udf")
_CALLS = ("bl", "blx")


@dataclass(frozen=True)
class Flow:
    """`taken`: jumps of each branch with an address. `fallen`: arrivals at each instruction from the one before it.

    guessed: the branches whose jumps the counts do not settle.
    """

    taken: Mapping[int, int]
    fallen: Mapping[int, int]
    guessed: frozenset[int]


def is_conditional(instruction: Instruction) -> bool:
    """Whether the instruction goes to its target or to the next one."""
    return instruction.target is not None and instruction.mnemonic not in ("b", *_CALLS)


def _goes_on(instruction: Instruction) -> bool:
    """Whether what follows in memory also follows in time: not after jumps, returns and calls."""
    name = instruction.mnemonic
    if name == "pop" or name.startswith("ldm"):
        return "r15" not in instruction.registers
    return name not in _ENDS and name not in _CALLS


def flow_of(executions: Executions, program: Mapping[int, Instruction]) -> Flow:
    """Solve "arrivals = executions" at every branch target and after every conditional branch.

    Exact when each has one unknown at a time, which holds for loops and if-else. Where it does not, or where an
    indirect jump arrives, a branch counts as taken as rarely as the counts allow.
    """
    ran = {address: program[address] for address in sorted(executions) if address in program}
    before = {instruction.end: instruction for instruction in ran.values() if _goes_on(instruction)}
    sources: dict[int, list[int]] = defaultdict(list)
    taken: dict[int, int] = {}
    open_branches: set[int] = set()
    guessed: set[int] = set()
    for address, instruction in ran.items():
        if instruction.target is None:
            continue
        sources[instruction.target].append(address)
        if is_conditional(instruction):
            open_branches.add(address)
        else:
            taken[address] = executions[address]
    places = {t for t in sources if t in ran} | {ran[b].end for b in open_branches}
    # Where nothing comes from above, calls through pointers may arrive: those places only when the others are used up.
    reached = {place for place in places if place in before}
    while open_branches:
        if _solve_once(executions, before, sources, taken, open_branches, reached):
            continue
        unsettled = set(open_branches)
        if not _solve_once(executions, before, sources, taken, open_branches, places - reached):
            branch = min(open_branches)
            taken[branch] = max(0, executions[branch] - executions[ran[branch].end])
            open_branches.discard(branch)
        guessed |= unsettled - open_branches
    fallen = {}
    for address in ran:
        previous = before.get(address)
        if previous is not None:
            left = executions[previous.address]
            if is_conditional(previous):
                left -= taken[previous.address]
            fallen[address] = min(left, executions[address])
    return Flow(taken, fallen, frozenset(guessed))


def _solve_once(
    executions: Executions,
    before: Mapping[int, Instruction],
    sources: Mapping[int, list[int]],
    taken: dict[int, int],
    open_branches: set[int],
    places: set[int],
) -> bool:
    """Settle the branches that are the only unknown where they arrive; whether there was one."""
    progress = False
    for place in sorted(places):
        previous = before.get(place)
        behind = previous.address if previous is not None and is_conditional(previous) else None
        unknown = [b for b in sources.get(place, ()) if b in open_branches]
        if behind is not None and behind in open_branches:
            unknown.append(behind)
        if len(unknown) != 1:
            continue
        rest = executions[place] - sum(taken.get(b, 0) for b in sources.get(place, ()))
        if previous is not None:
            rest -= executions[previous.address] - (taken.get(previous.address, 0) if behind is not None else 0)
        branch = unknown[0]
        jumps = -rest if branch == behind else rest
        taken[branch] = min(max(jumps, 0), executions[branch])
        open_branches.discard(branch)
        progress = True
    return progress
