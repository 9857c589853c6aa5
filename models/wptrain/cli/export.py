"""The command that exports a trained network."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wpconvert.errors import UsageError
from wpconvert.files import write_all

from ..exporters import EXPORTERS, exporter
from ..recipes.runner import load_network
from .options import DataOption, DatasetOption, NetworkArgument, load_fitting, quiet_converters


def export(
    source: NetworkArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar=f"OUT{'|'.join(EXPORTERS)}", help="Output file.", show_default=False)
    ],
    dataset: DatasetOption = "digits",
    data: DataOption = None,
) -> None:
    """Write a network as an int8 .tflite, with the exact integers of its methods; or as a float32 .onnx."""
    suffix = out.suffix.lower()
    if suffix not in EXPORTERS:
        raise UsageError(f"--out {out}: expected a name that ends in {' or '.join(EXPORTERS)}")
    quiet_converters()
    trained = load_network(source)
    try:
        content = exporter(suffix)(trained, partial(load_fitting, source, trained, dataset, data))
    except ValueError as error:
        raise UsageError(str(error)) from error
    write_all({out: content})
    typer.echo(f"{out}: {len(content):,} bytes")
