"""`wpconvert batch MANIFEST`."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.main import get_command

from wpconvert.backends.registry import BACKENDS
from wpconvert.batch.journal import Journal
from wpconvert.batch.manifest import Task, check_outputs, load_manifest
from wpconvert.batch.run import KEPT, Result, run_batch
from wpconvert.batch.work import DONE, FAILED
from wpconvert.cli.console import OUT, JsonOption, examples, progress_bar
from wpconvert.cli.convert import convert
from wpconvert.errors import BatchError, UsageError
from wpconvert.interrupts import Interrupted
from wpconvert.report.export import many_to_json
from wpconvert.report.table import escape
from wpconvert.units import number


@examples("batch models.yaml --workers 4", "batch models.yaml --scheduler tcp://10.0.0.5:8786")
def batch(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A .yaml file.")],
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Models at a time (one per core by default; with --scheduler one per worker thread).",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="ADDRESS", help="Address of a running Dask scheduler; its workers then convert."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert many models in parallel. Finished ones are not converted again; a failure stops no other model.

    The manifest lists models, outputs and options; results are recorded in MANIFEST.done next to it, and one line per
    model is printed.
    """
    tasks = [_checked(manifest, index, task) for index, task in enumerate(load_manifest(manifest), 1)]
    check_outputs(manifest, tasks)
    count = workers or len(os.sched_getaffinity(0))
    results: list[Result] = []
    try:
        with progress_bar("convert", len(tasks), as_json) as bar:
            for result in run_batch(tasks, Journal(manifest), count, scheduler, workers):
                results.append(result)
                if not as_json:
                    _print(OUT, result)
                bar.advance()
    except Interrupted as interrupt:
        more = f"; {len(results)} of {len(tasks)} models are done; run the batch again for the others"
        raise Interrupted(interrupt.number, more) from interrupt
    order = {str(task.output): index for index, task in enumerate(tasks)}
    results.sort(key=lambda result: order[result.output])
    if as_json:
        OUT.file.write(many_to_json("models", results))
    counts = Counter(result.status for result in results)
    if not as_json:
        OUT.print(f"{counts[DONE]} done, {counts[KEPT]} kept from a previous run, {counts[FAILED]} failed")
    if failed := counts[FAILED]:
        raise BatchError(f"{manifest}: {failed} of {len(results)} models failed; fix them and run the batch again")


def _checked(manifest: Path, number: int, task: Task) -> Task:
    """The task with the files that its options name. UsageError for options that `wpconvert` or a batch does not take.

    number: of the model, from 1.
    """
    try:
        given = _PARSER.make_context("convert", [str(task.model), "-o", str(task.output), *task.options]).params
    except typer.TyperException as error:
        raise UsageError(f"{manifest}: options of model {number}: {error.format_message().rstrip('.')}") from error
    taken = [flag for flag, name in _OF_BATCH.items() if given[name]]
    if taken or given["output"] != task.output:
        raise UsageError(
            f"{manifest}: options of model {number}: {taken[0] if taken else '-o'} is not allowed in a batch"
        )
    reads = [given[name] for name in _READ if given[name] is not None]
    writes = [given["dump_plan"]] if given["dump_plan"] is not None else []
    for backend in BACKENDS.values():
        if (emitted := given[backend.parameter]) is not None:
            writes += backend.outputs(emitted)
    return replace(
        task, reads=tuple(task.folder / file for file in reads), writes=tuple(task.folder / file for file in writes)
    )


def _parser() -> Any:
    """What parses the options of `wpconvert MODEL`, without those that only print something."""
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": []})
    app.command("convert")(convert)
    return get_command(app)


_PARSER = _parser()
_OF_BATCH = {"--in-place": "in_place", "--dry-run": "dry_run", "--report": "report", "-v": "verbose", "-q": "quiet"}
"""Options that say what the batch says, or that leave nothing to note; and their parameters."""
_READ = ("rules", "calibration", "inputs", "evaluation")
"""Parameters that are files to read."""


def _print(console: Console, result: Result) -> None:
    """A line for a model, as soon as it is done with, also where standard output is a file."""
    sizes = f", {number(result.nbytes_before)} → {number(result.nbytes_after)} bytes" if result.status == DONE else ""
    said = f": {result.message}" if result.message else ""
    console.print(escape(f"{result.model}: {result.status}{sizes}{said}"))
    console.file.flush()
