"""The commands that train: progress, logs and files around the recipes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from wpconvert.errors import UsageError

from .. import methods
from ..loop.checkpoint import Checkpoint
from ..loop.evaluation import evaluate
from ..loop.processes import first_process, joined
from ..recipes.recipe import Named, read, shipped
from ..recipes.runner import Prepared, open_recipe
from ..recipes.runner import train as run_recipe
from ..report.table import Measured, table
from ..report.tracking import Run, track
from .options import ERR, TestOption, TrackOption

RecipeArgument = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help=f"A YAML file, or one of {', '.join(shipped())}.", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe; can be given several times."),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for network, checkpoint and log.")]


@dataclass
class _Watcher:
    """Shows the steps of an epoch, and gives its metrics to the run."""

    progress: Progress
    run: Run
    epochs: int
    task: TaskID = field(init=False)

    def __post_init__(self) -> None:
        self.task = self.progress.add_task("")

    def start(self, epoch: int, steps: int) -> None:
        self.progress.reset(self.task, total=steps, description=f"epoch {epoch + 1} of {self.epochs}")

    def step(self) -> None:
        self.progress.advance(self.task)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.run.metrics(epoch, metrics)
        measured = {name: value for name, value in metrics.items() if name.startswith("validation")}
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in measured.items())
        self.progress.console.print(f"epoch {epoch + 1} of {self.epochs}: {told}")


@contextmanager
def _watched(prepared: Prepared, name: str, out: Path, tracked: bool) -> Iterator[_Watcher]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        track(tracked, out, name, prepared.identity(), {"dataset": prepared.recipe.data.source}) as run,
        Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress,
    ):
        yield _Watcher(progress, run, prepared.recipe.epochs)


def _train(named: Named, out: Path, tracked: bool, test: bool) -> Measured:
    """Train a recipe: the network is OUT/NAME.pt, its checkpoint OUT/NAME.checkpoint."""
    with ERR.status(f"reading {named.recipe.data.source}"):
        prepared = open_recipe(named.recipe)
    checkpoint = Checkpoint(out / f"{named.name}.checkpoint", prepared.identity())
    with joined(prepared.device) as (processes, device):
        if processes.rank:
            trained, best = run_recipe(prepared, checkpoint=checkpoint, processes=processes, device=device)
            return Measured(best.epoch, best.validation_accuracy)
        with _watched(prepared, named.name, out, tracked) as watcher:
            trained, best = run_recipe(
                prepared, checkpoint=checkpoint, observer=watcher, processes=processes, device=device
            )
            out.mkdir(parents=True, exist_ok=True)
            trained.save(out / f"{named.name}.pt")
            watcher.run.artifact(out / f"{named.name}.pt")
    for method in methods.open_all(trained.methods).values():
        for what, value in method.report(trained.network).items():
            ERR.print(f"{what}: {value:.4g}" if isinstance(value, float) else f"{what}: {value}")
    return Measured(
        best.epoch, best.validation_accuracy, evaluate(trained.network, prepared.data, "test")[0] if test else None
    )


def train(
    recipe: RecipeArgument,
    changes: SetOption = None,
    out: OutOption = Path("wptrain-out"),
    test: TestOption = False,
    tracked: TrackOption = False,
) -> None:
    """Train a network as a recipe says: FOLDER/RECIPE.pt. Run again, it continues from its checkpoint."""
    named = read(recipe, changes or ())
    found = _train(named, out, tracked, test)
    last = f", test accuracy {found.test:.4f}" if found.test is not None else ""
    if first_process():
        typer.echo(f"{out / named.name}.pt: epoch {found.epoch + 1}, validation accuracy {found.validation:.4f}{last}")


def sweep(
    recipe: RecipeArgument,
    over: Annotated[
        list[str],
        typer.Option("--over", metavar="KEY=A,B,…", help="A setting and its values; can be given several times."),
    ],
    changes: SetOption = None,
    out: OutOption = Path("wptrain-out"),
    test: TestOption = False,
    tracked: TrackOption = False,
) -> None:
    """Train a recipe with each combination of settings; print a table. Seeds share a row: mean, least to most."""
    axes = [_axis(each) for each in over]
    # All of them are checked before the first one is trained.
    runs = []
    for combination in itertools.product(*axes):
        told = [f"{key}={value}" for key, value in combination]
        label = ", ".join(each for each in told if not each.startswith("seed="))
        runs.append((label, out / "-".join(told).replace("/", "_"), read(recipe, [*(changes or ()), *told])))
    rows: dict[str, list[Measured]] = {}
    for label, folder, named in runs:
        rows.setdefault(label, []).append(_train(named, folder, tracked, test))
    if first_process():
        typer.echo(table(rows))


def _axis(given: str) -> Sequence[tuple[str, str]]:
    key, equals, values = given.partition("=")
    if not equals or not all(values.split(",")):
        raise UsageError(f"--over {given}: expected KEY=A,B,…")
    return [(key, value) for value in values.split(",")]
