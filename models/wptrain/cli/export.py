"""The command that exports a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wpconvert.errors import UsageError
from wpconvert.files import write_all

from ..recipes.runner import load_network
from .options import DataOption, DatasetOption, NetworkArgument, load_pair, quiet_converters


def export(
    source: NetworkArgument,
    out: Annotated[Path, typer.Option("--out", metavar="OUT.tflite|.onnx", help="Output file.", show_default=False)],
    dataset: DatasetOption = "digits",
    data: DataOption = None,
) -> None:
    """Write a network as an int8 .tflite, with the exact integers of its methods; or as a float32 .onnx."""
    suffix = out.suffix.lower()
    if suffix not in {".tflite", ".onnx"}:
        raise UsageError(f"--out {out}: expected a name that ends in .tflite or .onnx")
    quiet_converters()
    # Takes seconds, which only this command needs to spend.
    from ..exporters.trained import export as to_tflite  # noqa: PLC0415
    from ..exporters.trained import export_onnx  # noqa: PLC0415

    try:
        if suffix == ".onnx":
            content = export_onnx(load_network(source))
        else:
            content = to_tflite(*load_pair(source, dataset, data))
    except ValueError as error:
        raise UsageError(str(error)) from error
    write_all({out: content})
    typer.echo(f"{out}: {len(content):,} bytes")
