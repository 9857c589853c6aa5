"""The firmware image: its functions, and where its flash goes."""

from __future__ import annotations

import subprocess
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from wpconvert.errors import ToolError

NO_SYMBOL = "(no symbol)"


@dataclass(frozen=True)
class Function:
    """A function of the image: [address, address + nbytes)."""

    name: str
    address: int
    nbytes: int


@dataclass(frozen=True)
class Section:
    """An output section that takes memory; `stored` when its bytes are in flash, not only reserved at run time."""

    name: str
    address: int
    nbytes: int
    stored: bool


@dataclass(frozen=True)
class Program:
    """What the ELF file says. Functions are sorted by address; `symbols` has the address of every named symbol."""

    functions: tuple[Function, ...]
    sections: tuple[Section, ...]
    symbols: dict[str, int]

    @property
    def flash_nbytes(self) -> int:
        """Bytes of all sections that are stored: code, constants, and the initial values of variables."""
        return sum(section.nbytes for section in self.sections if section.stored)

    def function_at(self, address: int) -> str:
        """Name of the function an address belongs to."""
        index = bisect_right(self.functions, address, key=lambda function: function.address) - 1
        if index >= 0 and address < self.functions[index].address + self.functions[index].nbytes:
            return self.functions[index].name
        return NO_SYMBOL


def load_program(elf: Path) -> Program:
    """Read an ELF file. ToolError when it is none or has no symbols."""
    try:
        with elf.open("rb") as file:
            return _program(ELFFile(file))
    except (OSError, ELFError) as error:
        raise ToolError(f"{elf}: cannot read the firmware image: {error}") from error


def _program(elf: ELFFile) -> Program:
    sections = tuple(
        Section(s.name, s["sh_addr"], s["sh_size"], s["sh_type"] != "SHT_NOBITS")
        for s in elf.iter_sections()
        if s["sh_flags"] & SH_FLAGS.SHF_ALLOC and s["sh_size"]
    )
    functions: dict[int, tuple[str, int]] = {}
    symbols: dict[str, int] = {}
    for table in elf.iter_sections():
        if not isinstance(table, SymbolTableSection):
            continue
        for symbol in table.iter_symbols():
            if symbol.name and symbol["st_shndx"] != "SHN_UNDEF":
                address = symbol["st_value"]
                symbols[symbol.name] = address
                if symbol["st_info"]["type"] == "STT_FUNC":
                    functions.setdefault(address & ~1, (symbol.name, symbol["st_size"]))
    names = demangle([name for name, _ in functions.values()])
    sizes = {address: size for address, (_, size) in functions.items()}
    return Program(_with_sizes(dict(zip(sizes, names, strict=True)), sizes), sections, symbols)


def _with_sizes(names: Mapping[int, str], sizes: Mapping[int, int]) -> tuple[Function, ...]:
    """Functions by address. Of the C library's assembly some have no size: they end where the next one starts."""
    ordered = sorted(sizes)
    ends = [*ordered[1:], ordered[-1] + 4] if ordered else []
    return tuple(
        Function(names[address], address, sizes[address] or end - address)
        for address, end in zip(ordered, ends, strict=True)
    )


def demangle(names: list[str]) -> list[str]:
    """C++ names as they are written, without parameters; unchanged when the tool is absent."""
    try:
        done = subprocess.run(
            ["arm-none-eabi-c++filt", "-p"], input="\n".join(names), capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return names
    plain = done.stdout.splitlines()
    return plain if len(plain) == len(names) else names
