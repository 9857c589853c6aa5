"""Small C++ programs on a board, without a model."""

from __future__ import annotations

from pathlib import Path

from wpconvert.target.board import Board
from wpconvert.target.firmware import COMPILE_FLAGS, build_firmware
from wpconvert.target.image import link
from wpconvert.target.simulator import SIMULATORS, simulate
from wpconvert.target.tools import checked, find_tool, run_tool

HEAD = '#include "port.h"\n#include "line.h"\n'


def build(board: Board, source: str, folder: Path) -> Path:
    """The image of a program that defines main."""
    firmware = build_firmware(board)
    (folder / "program.cc").write_text(HEAD + source)
    compiler = find_tool("arm-none-eabi-g++")
    done = run_tool([compiler, f"@{firmware / COMPILE_FLAGS}", "-c", "program.cc"], cwd=folder)
    checked(done, "compiling")
    link(board, firmware, [folder / "program.o"], folder / "program.elf")
    return folder / "program.elf"


def execute(board: Board, source: str, folder: Path) -> tuple[int, str]:
    """Exit code and output of a program, run in `folder`."""
    image = build(board, source, folder)
    return simulate(SIMULATORS["qemu"].command(board, image), folder, 60)
