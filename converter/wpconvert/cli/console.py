"""What all commands share: consoles, progress bars, the first argument and --json."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# Lines are left to the terminal to wrap, so that paths can be copied; tables fit its width.
# What is piped or logged is not bound to the 80 columns of a terminal nobody has.
OUT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)
ERR = Console(stderr=True, highlight=False)

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A .tflite or .onnx file.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@dataclass
class Bar:
    """A progress bar that counts; does nothing when hidden."""

    shown: tuple[Progress, TaskID] | None

    def advance(self) -> None:
        """One step done."""
        if self.shown is not None:
            progress, task = self.shown
            progress.advance(task)

    def total(self, steps: int) -> None:
        """Set the number of steps once it is known."""
        if self.shown is not None:
            progress, task = self.shown
            progress.update(task, total=steps)


@contextmanager
def progress_bar(title: str, total: int, quiet: bool) -> Iterator[Bar]:
    """A bar on standard error while a person waits: only on a terminal, gone when done."""
    if quiet or not ERR.is_terminal or total == 0:
        yield Bar(None)
        return
    from rich.progress import (  # noqa: PLC0415 - only where somebody looks
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as progress:
        yield Bar((progress, progress.add_task(title, total=total)))
