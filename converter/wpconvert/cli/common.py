"""What the commands share: consoles, progress bars, option types."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from wpconvert.engines import ENGINES
from wpconvert.engines.base import Engine
from wpconvert.engines.inputs import Inputs, load_inputs, random_inputs
from wpconvert.errors import UsageError
from wpconvert.tflite.model import TfliteModel

# Lines are left to the terminal to wrap, so that paths can be copied; tables fit its width.
# What is piped or logged is not bound to the 80 columns of a terminal nobody has.
OUT = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)
ERR = Console(stderr=True, highlight=False)

DEFAULT_SAMPLES = 4

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A .tflite file.", show_default=False)]
InputsOption = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        metavar="X.npz",
        help="Inputs: one array per model input, samples first; an array `labels` adds accuracy.",
        show_default=False,
    ),
]
EvalOption = Annotated[
    Path | None,
    typer.Option(
        "--eval",
        metavar="DATA.npz",
        help="Inputs with `labels`, to tell the accuracy before and after.",
        show_default=False,
    ),
]
RandomOption = Annotated[
    int | None,
    typer.Option("--random", min=1, metavar="N", help=f"N random inputs ({DEFAULT_SAMPLES} by default)."),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random inputs.")]
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="NAME", help=f"What executes the models: {', '.join(ENGINES)}.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@dataclass
class Bar:
    """A progress bar that counts; does nothing when hidden."""

    progress: Progress | None
    task: int = 0

    def advance(self) -> None:
        """One step done."""
        if self.progress is not None:
            self.progress.advance(TaskID(self.task))

    def total(self, steps: int) -> None:
        """Set the number of steps once it is known."""
        if self.progress is not None:
            self.progress.update(TaskID(self.task), total=steps)


@contextmanager
def progress_bar(title: str, total: int, quiet: bool) -> Iterator[Bar]:
    """A bar on standard error while a person waits: only on a terminal, gone when done."""
    if quiet or not ERR.is_terminal or total == 0:
        yield Bar(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as progress:
        yield Bar(progress, progress.add_task(title, total=total))


def engine_named(name: str) -> Engine:
    """The engine of that name; UsageError naming the known ones."""
    engine = ENGINES.get(name)
    if engine is None:
        raise UsageError(f"unknown engine {name!r}, expected one of {', '.join(ENGINES)}")
    return engine


def read_inputs(
    path: Path | None, count: int | None, seed: int, model: TfliteModel, evaluation: Path | None = None
) -> Inputs:
    """The samples that --inputs, --random or --eval ask for."""
    given = [("--inputs", path), ("--eval", evaluation), ("--random", count)]
    named = [name for name, value in given if value is not None]
    if len(named) > 1:
        raise UsageError(f"{named[0]} and {named[1]} exclude each other")
    if evaluation is not None:
        inputs = load_inputs(evaluation, model)
        if inputs.labels is None:
            raise UsageError(f"--eval {evaluation}: no array `labels`; use --inputs for inputs without")
        return inputs
    if path is not None:
        return load_inputs(path, model)
    return random_inputs(model, DEFAULT_SAMPLES if count is None else count, seed)
