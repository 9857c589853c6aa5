"""What all commands share: consoles, progress bars, the first argument and --json."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from wpconvert.report.screen import Screen
from wpconvert.report.view import View

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from wpconvert.job.progress import Stages


# What is piped or logged is not bound to the 80 columns of a terminal nobody has.
OUT = Screen(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)
ERR = Screen(stderr=True)

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A .tflite or .onnx file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


C = TypeVar("C", bound=Callable[..., None])


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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - only where somebody looks

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as progress:
        yield Bar((progress, progress.add_task(title, total=total)))


def progress_stages(quiet: bool) -> Stages:
    """The stages of a job as progress bars, of which a quiet command shows none."""
    return partial(progress_bar, quiet=quiet)


def show(result: View, as_json: bool) -> None:
    """Print a result."""
    if as_json:
        OUT.file.write(result.to_json())
    else:
        result.print_on(OUT)


def examples(*lines: str, more: str = "") -> Callable[[C], C]:
    """Decorator of a command that has examples, and perhaps more, at the end of its help."""

    def add(command: C) -> C:
        paragraphs = ["Examples:", *(f"  wpconvert {line}" for line in lines), *([more] if more else [])]
        command.epilog = "\n\n".join(paragraphs)  # type: ignore[attr-defined]
        return command

    return add
