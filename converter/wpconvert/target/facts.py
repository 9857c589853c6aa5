"""What the device prints: one fact a line, `wp:NAME VALUE`; and what a fault means."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from wpconvert.target.tools import find_tool, run_tool

_CAUSES = {
    "IACCVIOL": "execution from a forbidden address",
    "DACCVIOL": "access to a forbidden address",
    "MUNSTKERR": "stack not readable on return",
    "MSTKERR": "stack overflow",
    "MLSPERR": "stack not writable for floating-point registers",
    "IBUSERR": "execution from an unmapped address",
    "PRECISERR": "access to an unmapped address",
    "IMPRECISERR": "write to an unmapped address some instructions earlier",
    "UNSTKERR": "stack not readable on return",
    "STKERR": "stack overflow",
    "LSPERR": "stack not writable for floating-point registers",
    "UNDEFINSTR": "undefined instruction",
    "INVSTATE": "jump to an address without the Thumb bit",
    "INVPC": "invalid return from an exception",
    "NOCP": "coprocessor instruction with the coprocessor disabled or absent",
    "STKOF": "stack overflow",
    "UNALIGNED": "unaligned access",
    "DIVBYZERO": "integer division by zero",
    "VECTTBL": "unreadable vector table",
}
_LINE = re.compile(r"^wp:(\w+) ?(.*)$", re.MULTILINE)


@dataclass
class Facts:
    """The facts of one run, None for those that were not printed."""

    hz: int | None = None
    arena: int | None = None
    prepare: int | None = None
    done: int | None = None
    ticks: list[int] = field(default_factory=list)
    error: str | None = None
    fault: str | None = None


def read_facts(output: str) -> Facts:
    """The facts in what a simulator printed; lines of others are skipped."""
    facts = Facts()
    for name, value in _LINE.findall(output.replace("\r", "")):
        if name in ("error", "fault"):
            setattr(facts, name, value.strip())
        elif name == "ticks" and value.isdigit():
            facts.ticks.append(int(value))
        elif name in ("hz", "arena", "prepare", "done") and value.isdigit():
            setattr(facts, name, int(value))
    return facts


def explain_fault(fault: str, image: Path) -> str:
    """A fault line of runtime/ports/common/fault.c in words, with the function that the image has at its pc."""
    kind, _, rest = fault.partition(" ")
    fields = dict(part.split("=", 1) for part in rest.split() if "=" in part)
    causes = fields.get("cause", "unknown").split(",")
    meanings = list(dict.fromkeys(_CAUSES[cause] for cause in causes if cause in _CAUSES))
    # Where the stack is the reason, the rest is its consequence.
    meanings = [meaning for meaning in meanings if meaning == "stack overflow"] or meanings
    text = f"{kind} ({', '.join(causes)}): {' and '.join(meanings) or 'unknown cause'}"
    if "address" in fields:
        text += f" at {fields['address']}"
    for name, word in (("pc", "in"), ("lr", "called from")):
        if name in fields:
            text += f", {word} {_function(image, fields[name])}"
    return text


def _function(image: Path, address: str) -> str:
    """`Softmax (0x00001234)`; the address alone where no symbol covers it."""
    # Bit 0 of a return address is the Thumb bit.
    plain = f"0x{int(address, 16) & ~1:08x}"
    done = run_tool([find_tool("arm-none-eabi-addr2line"), "-f", "-C", "-s", "-e", image, plain])
    name = done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else "??"
    return plain if name == "??" else f"{name} ({plain})"
