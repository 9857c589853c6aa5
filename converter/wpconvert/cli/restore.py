"""`wpconvert restore MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import wpconvert
from wpconvert.cli.console import OUT, ModelArgument, examples


@examples("restore small.tflite -o dense.tflite", "restore small.onnx -o dense.onnx")
def restore(
    model: ModelArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The dense model.")],
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Restore the dense model with the original weights, shapes, types and quantisation, for any runtime.

    Of a .tflite file written with --strip, names, ranges and original scales are lost, which is reported; the weights
    are exact.
    """
    done = wpconvert.restore(model, output=output)
    if not quiet:
        done.print_on(OUT)
