"""Accelerators: an array of look-up tables that adds shifted activations, beside one of DSP blocks."""

from __future__ import annotations

import configparser
from dataclasses import dataclass, fields
from pathlib import Path

from wpconvert.errors import FileError, UsageError

# Bits of an input, a weight and an output in the buffers of each array, and of a block RAM.
_LUT_WIDTHS = (8, 4, 8)
_DSP_WIDTHS = (16, 8, 16)
_BRAM_BITS = 16384
_SECTION = "architecture"
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Architecture:
    """An accelerator.

    bandwidth: bytes of external memory a cycle. mhz: of its clock. lut_rows, lut_columns: the array that takes one
    signed digit of a weight a cycle. dsp_rows, dsp_columns: DSP blocks, which multiply two 8-bit activations with one
    8-bit weight a cycle. bram18: block RAMs of 18 Kbit of each of the six buffers. Source: MSD (FCCM 2023), of which
    three devices are built in.
    """

    name: str
    bandwidth: int
    mhz: float
    lut_rows: int
    lut_columns: int
    dsp_rows: int
    dsp_columns: int
    bram18: int

    @property
    def lut(self) -> tuple[int, int, int, int, int]:
        """Rows and columns, and words of the buffers of inputs, weights and outputs."""
        return (self.lut_rows, self.lut_columns, *self._depths(_LUT_WIDTHS))

    @property
    def dsp(self) -> tuple[int, int, int, int, int]:
        """The same of the DSP blocks."""
        return (self.dsp_rows, self.dsp_columns, *self._depths(_DSP_WIDTHS))

    def milliseconds(self, cycles: int) -> float:
        """Of so many cycles."""
        return cycles / (1000 * self.mhz)

    def _depths(self, widths: tuple[int, int, int]) -> tuple[int, int, int]:
        bits = self.bram18 * _BRAM_BITS
        inputs, weights, outputs = (-(-bits // width) for width in widths)
        return inputs, weights, outputs


BUILT_IN = {
    one.name: one
    for one in (
        Architecture("ultra96", 16, 214, 48, 48, 16, 16, 4),
        Architecture("zcu102", 16, 214, 100, 100, 48, 48, 6),
        Architecture("xc7z020", 8, 100, 40, 40, 14, 15, 4),
    )
}
"""The published ones, by name."""


def architecture_named(text: str) -> Architecture:
    """A built-in one by its name, or that of a file FILE.ini.

    UsageError for an unknown name or a wrong entry, FileError where the file cannot be read.
    """
    if text in BUILT_IN:
        return BUILT_IN[text]
    if not text.endswith(".ini"):
        raise UsageError(f"--arch {text}: expected one of {', '.join(BUILT_IN)}, or a file FILE.ini")
    return read_ini(Path(text))


def read_ini(path: Path) -> Architecture:
    """The entries of section [architecture], each once: bandwidth, mhz, lut_rows, … UsageError, FileError."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, configparser.Error) as error:
        raise UsageError(f"{path}: not an INI file: {' '.join(str(error).split())}") from error
    names = [field.name for field in fields(Architecture) if field.name != "name"]
    if _SECTION not in parser:
        raise UsageError(f"{path}: no section [{_SECTION}]; expected one with {', '.join(names)}")
    section = parser[_SECTION]
    unknown, missing = sorted({*section} - {*names}), [name for name in names if name not in section]
    if unknown or missing:
        wrong = f"unknown entry {unknown[0]}" if unknown else f"entry {missing[0]} is missing"
        raise UsageError(f"{path}: [{_SECTION}]: {wrong}; expected {', '.join(names)}")
    numbers = {name: _number(section[name], f"{path}: [{_SECTION}]: {name}", name == "mhz") for name in names}
    return Architecture(path.stem, **numbers)  # type: ignore[arg-type]  # whole but for mhz


def _number(text: str, where: str, fraction: bool) -> float | int:
    kind = "a number" if fraction else "a whole number"
    try:
        value = float(text) if fraction else int(text)
    except ValueError:
        value = 0
    if not 0 < value <= _LARGEST:
        raise UsageError(f"{where}: {text!r}, expected {kind} above 0, up to {_LARGEST}")
    return value
