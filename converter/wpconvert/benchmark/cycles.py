"""Modelled cycles: a cost table of the core applied to measured executions. docs/CYCLE_MODEL.md describes the model."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from wpconvert.benchmark.counts import Executions
from wpconvert.benchmark.disassembly import Instruction
from wpconvert.benchmark.flow import Flow, flow_of, is_conditional
from wpconvert.errors import ToolError

_CONDITION = "(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)"
_SETS_FLAGS = re.compile(rf"(?:cmp|cmn|tst|teq|(?:\w+)s){_CONDITION}?")
_WRITES_NOTHING = ("str", "stm", "push", "cmp", "cmn", "tst", "teq", "vstr", "vst", "vcmp", "b", "cb", "i")
OTHER = "not in the cost table"


@dataclass(frozen=True)
class Cost:
    """An entry of the table. Cycles unless said otherwise; the keys are explained in docs/CYCLE_MODEL.md."""

    name: str
    match: re.Pattern[str]
    cycles: int
    operands: re.Pattern[str] | None = None
    per_register: int = 0
    refill: str | None = None
    after_load: int | None = None
    opens_loads: bool = False
    pipe: str | None = None
    occupies: int = 1
    latency: int = 1

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> Cost:
        """Of an entry in a file, whose names these are but for its class."""
        patterns = {"match": _pattern(entry["match"])}
        if "operands" in entry:
            patterns["operands"] = re.compile(entry["operands"])
        return cls(**{key: value for key, value in entry.items() if key != "class"} | patterns, name=entry["class"])


@dataclass(frozen=True)
class CostTable:
    """The costs of one core, the first match counts. refill: cycles of a pipeline refill; machine: for objdump."""

    core: str
    machine: str | None
    refill: int
    costs: tuple[Cost, ...]
    dual_issue: re.Pattern[str] | None
    dual_issue_immediate: re.Pattern[str] | None
    _found: dict[tuple[str, str], Cost | None] = field(default_factory=dict, init=False, compare=False, repr=False)

    def find(self, instruction: Instruction) -> Cost | None:
        """The entry of an instruction, None when the table has none."""
        key = instruction.mnemonic, instruction.operands
        if key not in self._found:
            self._found[key] = next((cost for cost in self.costs if _is(cost, *key)), None)
        return self._found[key]


def _is(cost: Cost, mnemonic: str, operands: str) -> bool:
    return bool(cost.match.fullmatch(mnemonic) and (cost.operands is None or cost.operands.search(operands)))


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("{cc}", _CONDITION).replace("{c}", f"{_CONDITION}?").replace("{v}", "[te]?"))


@cache
def cost_table(core: str) -> CostTable:
    """The table of a core, `cortex-m55`. ToolError when there is none."""
    resource = resources.files(__package__) / "costs" / f"{core}.toml"
    if not resource.is_file():
        raise ToolError(f"no cycle model for {core}")
    table = tomllib.loads(resource.read_text(encoding="utf-8"))
    inherited = cost_table(table["base"]).costs if "base" in table else ()
    optional = {key: _pattern(table[key]) if key in table else None for key in ("dual_issue", "dual_issue_immediate")}
    costs = tuple(map(Cost.from_entry, table["cost"]))
    return CostTable(table["core"], table.get("machine"), table["refill"], costs + inherited, **optional)


@dataclass(frozen=True)
class Modelled:
    """`cycles`: modelled cycles of all executions of each address; `classes`: the class of each address."""

    cycles: Mapping[int, int]
    classes: Mapping[int, str]

    @property
    def total(self) -> int:
        """Modelled cycles of all addresses."""
        return sum(self.cycles.values())


def together(parts: Iterable[Modelled]) -> Modelled:
    """The sum of executions that were modelled one by one.

    Not the same as modelling their sum: what the counts leave open about branches is decided in each part.
    """
    cycles: Counter[int] = Counter()
    classes: dict[int, str] = {}
    for part in parts:
        cycles.update(part.cycles)
        classes.update(part.classes)
    return Modelled(cycles, classes)


def model_cycles(executions: Executions, program: Mapping[int, Instruction], table: CostTable) -> Modelled:
    """Cycles of measured executions. An instruction without a table entry takes one cycle, in a class of its own."""
    flow = flow_of(executions, program)
    cycles: dict[int, int] = {}
    classes: dict[int, str] = {}
    paired_at = -1
    for address in sorted(executions):
        instruction, count = program.get(address), executions[address]
        cost = table.find(instruction) if instruction is not None else None
        if instruction is None or cost is None:
            cycles[address], classes[address] = count, OTHER
            continue
        own = cost.cycles + cost.per_register * _list_length(instruction)
        total = own * count + _refills(instruction, cost, count, flow) * table.refill
        fallen, previous = flow.fallen.get(address, 0), _previous(address, program)
        if fallen and previous is not None:
            before = table.find(previous)
            if paired_at != previous.address and _issue_together(table, previous, instruction):
                total -= own * fallen
                paired_at = address
            elif before is not None:
                total += _adjustment(before, previous, cost, instruction) * fallen
        cycles[address], classes[address] = total, cost.name
    return Modelled(cycles, classes)


def _previous(address: int, program: Mapping[int, Instruction]) -> Instruction | None:
    for size in (2, 4):
        found = program.get(address - size)
        if found is not None and found.size == size:
            return found
    return None


def _list_length(instruction: Instruction) -> int:
    """Registers between braces; of push, pop, ldm, stm and their vector forms."""
    names = instruction.registers
    return len(names) - (0 if instruction.operands.startswith("{") else 1)


def _refills(instruction: Instruction, cost: Cost, count: int, flow: Flow) -> int:
    if cost.refill == "always":
        return count
    if cost.refill == "taken":
        return flow.taken.get(instruction.address, 0)
    if cost.refill == "to pc":
        names = instruction.registers
        listed = names if "{" in instruction.operands else names[:1]
        return count if "r15" in listed else 0
    return 0


def _adjustment(before: Cost, previous: Instruction, cost: Cost, instruction: Instruction) -> int:
    """Cycles more or less because of the instruction just before."""
    depends = _depends(previous, instruction)
    if before.opens_loads and cost.after_load is not None:
        base = _address_registers(instruction)
        return 0 if previous.registers[:1] and previous.registers[0] in base else cost.after_load - cost.cycles
    wait = 0
    if before.pipe is not None and before.pipe == cost.pipe:
        wait = before.occupies - 1
    if depends:
        wait = max(wait, before.latency - 1)
    return wait


def _address_registers(instruction: Instruction) -> tuple[str, ...]:
    inside = instruction.operands.partition("[")[2].partition("]")[0]
    return Instruction(0, 0, "", inside).registers


def _depends(previous: Instruction, instruction: Instruction) -> bool:
    written = previous.registers[:1]
    return bool(written) and not previous.mnemonic.startswith(_WRITES_NOTHING) and written[0] in instruction.registers


def _issue_together(table: CostTable, previous: Instruction, instruction: Instruction) -> bool:
    """Whether two 16-bit instructions issue in one cycle: one of the simple kind, neither waiting for the other."""
    if table.dual_issue is None or previous.size != 2 or instruction.size != 2:
        return False
    if not (_is_simple(table, previous) or _is_simple(table, instruction)) or _depends(previous, instruction):
        return False
    reads_flags = is_conditional(instruction) or instruction.mnemonic.startswith("it")
    return not (reads_flags and _SETS_FLAGS.fullmatch(previous.mnemonic))


def _is_simple(table: CostTable, instruction: Instruction) -> bool:
    if table.dual_issue is None or not table.dual_issue.fullmatch(instruction.mnemonic):
        return False
    immediate = table.dual_issue_immediate
    return immediate is None or not immediate.fullmatch(instruction.mnemonic) or "#" in instruction.operands
