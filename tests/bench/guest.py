"""Builds tests/bench/guest for a core and runs it under QEMU with the counting plugin."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from wpconvert.benchmark.counts import Counts, parse_counts
from wpconvert.benchmark.plugin import build_plugin, plugin_arguments
from wpconvert.benchmark.program import Program, load_program

FOLDER = Path(__file__).parent / "guest"
TOOLS = ("qemu-system-arm", "arm-none-eabi-gcc", "arm-none-eabi-objdump", "arm-none-eabi-c++filt", "cc")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


@dataclass(frozen=True)
class Machine:
    """How to build for a simulated board, and the address of a device register that can be read."""

    core: str
    flags: tuple[str, ...]
    qemu: str
    device: int


MACHINES = (
    Machine("cortex-m3", ("-mcpu=cortex-m3", "-mthumb"), "mps2-an385", 0x40000000),
    Machine("cortex-m4", ("-mcpu=cortex-m4", "-mthumb"), "mps2-an386", 0x40000000),
    Machine("cortex-m55", ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"), "mps3-an547", 0x48000000),
)


@dataclass(frozen=True)
class GuestRun:
    """The program and its counts; `marker` is the address of `marker`."""

    machine: Machine
    elf: Path
    program: Program
    counts: Counts
    marker: int


def run_guest(machine: Machine, folder: Path, *extra: str) -> GuestRun:
    """Build and run; a guest that does not end by itself fails."""
    elf, out = folder / "guest.elf", folder / "counts.txt"
    build = ["arm-none-eabi-gcc", *machine.flags, f"-DDEVICE={machine.device:#x}", *extra, "-nostdlib", "-static"]
    build += ["-Wl,--build-id=none", "-T", str(FOLDER / "guest.ld"), "-o", str(elf), str(FOLDER / "guest.S")]
    subprocess.run(build, check=True, timeout=60)
    program = load_program(elf)
    marker = program.symbols["marker"] & ~1
    qemu = ["qemu-system-arm", "-machine", machine.qemu, "-nographic", "-monitor", "none", "-serial", "none"]
    qemu += ["-semihosting-config", "enable=on,target=native", "-icount", "shift=0", "-kernel", str(elf)]
    subprocess.run([*qemu, *plugin_arguments(build_plugin(), out, [marker])], check=True, timeout=60)
    return GuestRun(machine, elf, program, parse_counts(out.read_text()), marker)
