"""Simulators: how each one is started, stopped after a time limit, and understood."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wpconvert.errors import DeviceError, ToolError, UsageError
from wpconvert.target.board import Board
from wpconvert.target.tools import find_tool

_MAX_WAIT_S = 1e6
"""The operating system takes no more than 2^31 milliseconds, and no infinity."""


@dataclass(frozen=True)
class Simulator:
    """`command(board, image)` gives the command line, run in the folder whose files the device sees.

    exact: whether the board's counter counts instructions, one each nanosecond.
    """

    name: str
    exact: bool
    command: Callable[[Board, Path], list[str]]


def _qemu(board: Board, image: Path) -> list[str]:
    return [
        find_tool("qemu-system-arm"),
        *board.simulators["qemu"],
        # One instruction takes one nanosecond of virtual time, on any host.
        *("-icount", "shift=0"),
        *("-display", "none", "-serial", "none", "-monitor", "none", "-no-reboot"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-kernel", str(image)),
    ]


def _fvp(board: Board, image: Path) -> list[str]:
    names = board.simulators["fvp"]
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        raise ToolError(f"{' or '.join(names)} is not on PATH; it is part of Arm's free Corstone-300 Ecosystem FVP")
    settings = {
        "cpu0.semihosting-enable": "1",
        "mps3_board.visualisation.disable-visualisation": "1",
        **{f"mps3_board.telnetterminal{i}.start_telnet": "0" for i in (0, 1, 2, 5)},
    }
    return [found, "-a", str(image), *(part for item in settings.items() for part in ("-C", "=".join(item)))]


SIMULATORS: dict[str, Simulator] = {s.name: s for s in (Simulator("qemu", True, _qemu), Simulator("fvp", False, _fvp))}


def simulator_for(board: Board, name: str) -> Simulator:
    """The simulator of that name; UsageError when there is none or the board does not run in it."""
    if name not in SIMULATORS:
        raise UsageError(f"unknown simulator {name!r}, expected one of {', '.join(SIMULATORS)}")
    if name not in board.simulators:
        raise UsageError(f"{board.name} does not run in {name}, only in {', '.join(board.simulators)}")
    return SIMULATORS[name]


def simulate(command: list[str], folder: Path, timeout_s: float) -> tuple[int, str]:
    """Run a simulator in a folder; its exit code (negative: the signal that ended it) and all it printed.

    Raises UsageError for a time that is not positive, DeviceError when it does not end within the time.
    """
    if not timeout_s > 0:
        raise UsageError(f"--timeout {timeout_s:g}, expected a positive number of seconds")
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A group of its own: a simulator may be a script that starts the real one.
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=min(timeout_s, _MAX_WAIT_S))
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            printed = process.communicate()[0].decode("utf-8", "replace")
            done = printed.count("wp:ticks")
            raise DeviceError(
                f"the device did not finish within {timeout_s:g} seconds ({done} inferences done); "
                "it hangs or needs a larger --timeout"
            ) from error
    return process.returncode, output.decode("utf-8", "replace")


def crash_reason(code: int, output: str) -> str:
    """What is known about a simulator that ended without a word from the device."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    fatal = next((line for line in lines if "fatal" in line or "rror" in line or "Lockup" in line), None)
    if fatal:
        return fatal[:300]
    if code < 0:
        return f"the simulator was terminated by {signal.Signals(-code).name}"
    return lines[-1][:300] if lines else f"the simulator exited with code {code} and no output"
