"""The instructions of a program, from objdump."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wpconvert.target.tools import checked, find_tool, run_tool

_LINE = re.compile(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(\S+)(?:\t([^;@<]*))?")
_BRANCH = re.compile(r"(?:b|bl|cbn?z|le|letp|wls|wlstp)(?:\.\d+)?|b(?:eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)")
_TARGET = re.compile(r"(?:^|, )([0-9a-f]+)$")
_REGISTER = re.compile(r"\b(r\d+|sp|lr|pc|ip|fp|sl|sb|q\d|[sd]\d+)\b")
_RANGE = re.compile(r"\b([rsd])(\d+)-\1(\d+)\b")
_ALIASES = {"sb": "r9", "sl": "r10", "fp": "r11", "ip": "r12", "sp": "r13", "lr": "r14", "pc": "r15"}


@dataclass(frozen=True)
class Instruction:
    """One instruction. `operands` as objdump writes them, without comments."""

    address: int
    size: int
    mnemonic: str
    operands: str

    @property
    def end(self) -> int:
        """Address of the instruction after it."""
        return self.address + self.size

    @cached_property
    def registers(self) -> tuple[str, ...]:
        """Registers in the order they are written, ranges unrolled; r13 to r15 for sp, lr and pc."""
        text = _RANGE.sub(lambda m: ", ".join(f"{m[1]}{n}" for n in range(int(m[2]), int(m[3]) + 1)), self.operands)
        return tuple(_ALIASES.get(name, name) for name in _REGISTER.findall(text))

    @cached_property
    def target(self) -> int | None:
        """Where a branch with an address goes, None for other instructions."""
        found = _TARGET.search(self.operands) if _BRANCH.fullmatch(self.mnemonic) else None
        return None if found is None else int(found[1], 16)


def disassemble(elf: Path, machine: str | None = None) -> dict[int, Instruction]:
    """All instructions of the program's code sections by address; data in between is left out.

    machine: objdump's name of the architecture, where it does not find it in the file (it then misses Helium).
    """
    chosen = [] if machine is None else ["-m", machine]
    command: list[str | Path] = [find_tool("arm-none-eabi-objdump"), "-d", "-z", *chosen, elf]
    return parse_disassembly(checked(run_tool(command), "disassembling the firmware"))


def parse_disassembly(text: str) -> dict[int, Instruction]:
    """The instructions in objdump's output."""
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match and not match[3].startswith("."):
            address, size = int(match[1], 16), len(match[2].replace(" ", "")) // 2
            mnemonic = match[3].removesuffix(".n").removesuffix(".w")
            found[address] = Instruction(address, size, mnemonic, (match[4] or "").strip())
    return found
