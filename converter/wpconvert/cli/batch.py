"""`wpconvert batch MANIFEST`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wpconvert.batch.journal import Journal
from wpconvert.batch.manifest import load_manifest
from wpconvert.batch.run import DONE, FAILED, KEPT, Result, run_batch
from wpconvert.cli.common import OUT, JsonOption, progress_bar
from wpconvert.errors import BatchError
from wpconvert.report.export import many_to_json
from wpconvert.report.text import escape, number, plain_table


def batch(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A .yaml file.", show_default=False)],
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, metavar="N", help="Models at once (one a core by default).", show_default=False
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", metavar="ADDRESS", help="Of a running Dask scheduler, whose workers convert instead."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert many models, several at once. What is done already is not done again; a failure stops nothing else.

    The manifest lists models, outputs and options; results are noted in MANIFEST.done beside it.
    """
    tasks = load_manifest(manifest)
    count = workers or len(os.sched_getaffinity(0))
    results = []
    with progress_bar("convert", len(tasks), as_json) as bar:
        for result in run_batch(tasks, Journal(manifest), count, scheduler):
            results.append(result)
            bar.advance()
    order = {str(task.output): index for index, task in enumerate(tasks)}
    results.sort(key=lambda result: order[result.output])
    if as_json:
        OUT.file.write(many_to_json("models", results))
    else:
        _print(OUT, results)
    failed = sum(result.status == FAILED for result in results)
    if failed:
        raise BatchError(f"{manifest}: {failed} of {len(results)} models failed; run it again when they are mended")


batch.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n"
    "  wpconvert batch models.yaml --workers 4\n\n"
    "  wpconvert batch models.yaml --scheduler tcp://10.0.0.5:8786"
)


def _print(console: Console, results: Sequence[Result]) -> None:
    table = plain_table([("model", False), ("", False), ("before", True), ("after", True)])
    for result in results:
        table.add_row(
            escape(result.model),
            result.status,
            number(result.nbytes_before),
            number(result.nbytes_after),
        )
    console.print(table, soft_wrap=False)
    for result in results:
        if result.message:
            # A line each, however long: a column would break it.
            console.print(f"{result.model}: {result.message}", markup=False, soft_wrap=True)
    counts = Counter(result.status for result in results)
    console.print(f"{counts[DONE]} done, {counts[KEPT]} kept from before, {counts[FAILED]} failed")
