"""Programs that building and simulating need: finding them, running them, and saying what to install."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from wpconvert.errors import ToolError

_PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib",
    "arm-none-eabi-g++": "gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib",
    "arm-none-eabi-size": "binutils-arm-none-eabi",
    "arm-none-eabi-addr2line": "binutils-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "cmake": "cmake",
    "ninja": "ninja-build",
}
"""Debian packages by command."""

_BUILD_TIMEOUT_S = 1800
_SHOWN = 300


def find_tool(command: str) -> str:
    """The full path of a command; ToolError that says what to install."""
    path = shutil.which(command)
    if path is None:
        package = _PACKAGES.get(command)
        remedy = f"; install it, on Debian: apt-get install {package}" if package else ""
        raise ToolError(f"{command} is not on PATH{remedy}")
    return path


def run_tool(command: Sequence[str | Path], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of the build and return whatever it did; ToolError only when it does not end."""
    try:
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{Path(command[0]).name} did not finish within {_BUILD_TIMEOUT_S} seconds") from error


def checked(done: subprocess.CompletedProcess[str], what: str) -> str:
    """Standard output of a program that succeeded; ToolError with its first error line otherwise."""
    if done.returncode:
        raise ToolError(f"{what} failed: {first_error(done.stdout + done.stderr)}")
    return done.stdout


def first_error(text: str) -> str:
    """The line of a compiler's, linker's or CMake's output that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "no output"
    for sign in ("undefined reference", "error:", "Error"):
        found = [i for i, line in enumerate(lines) if sign in line and "collect2" not in line]
        if found:
            # The first line of CMake's message only says where.
            last = found[0] + (2 if lines[found[0]].startswith("CMake Error") else 1)
            return " ".join(lines[found[0] : last])[:_SHOWN]
    return lines[-1][:_SHOWN]
