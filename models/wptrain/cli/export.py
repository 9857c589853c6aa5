"""The command that exports a trained network."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from wpconvert.errors import UsageError
from wpconvert.files import write_all

from ..data.module import SplitName
from ..exporters import EXPORTERS, exporter
from ..exporters.measure import evaluate_integers
from ..recipes.runner import load_network
from .options import ERR, DataOption, DatasetOption, NetworkArgument, load_fitting, quiet_converters

MEASURED: tuple[SplitName, ...] = ("validation", "test")


def export(
    source: NetworkArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar=f"OUT{'|'.join(EXPORTERS)}", help="Output file.", show_default=False)
    ],
    dataset: DatasetOption = "digits",
    data: DataOption = None,
    measure: Annotated[
        str | None,
        typer.Option(
            "--measure",
            metavar="|".join(MEASURED),
            help="Measure the int8 model on a split, in the native engine.",
        ),
    ] = None,
) -> None:
    """Write a network as an int8 .tflite, with the exact integers of its methods; or as a float32 .onnx."""
    suffix = out.suffix.lower()
    if suffix not in EXPORTERS:
        raise UsageError(f"--out {out}: expected a name that ends in {' or '.join(EXPORTERS)}")
    split = next((name for name in MEASURED if name == measure), None)
    if measure is not None and (split is None or suffix != ".tflite"):
        raise UsageError(f"--measure {measure}: expected {' or '.join(MEASURED)}, and an --out that ends in .tflite")
    quiet_converters()
    trained = load_network(source)
    load = cache(lambda: load_fitting(source, trained, dataset, data))
    try:
        content = exporter(suffix)(trained, load)
    except ValueError as error:
        raise UsageError(str(error)) from error
    write_all({out: content})
    told = ""
    if split is not None:
        with ERR.status("measuring"):
            told = f", {split} accuracy {evaluate_integers(content, load(), split)[0]:.4f}"
    typer.echo(f"{out}: {len(content):,} bytes{told}")
