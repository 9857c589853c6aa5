"""`wpconvert restore MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import wpconvert
from wpconvert.cli.console import OUT, ModelArgument


def restore(
    model: ModelArgument,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="OUT", help="The dense model.", show_default=False),
    ],
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Give back the dense model: weights, shapes, types and quantisation as they were. Any runtime runs it.

    Of a .tflite file written with --strip, names, ranges and original scales are gone; this is said, and the weights
    are exact.
    """
    done = wpconvert.restore(model, output=output)
    if not quiet:
        done.print_on(OUT)


restore.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n  wpconvert restore small.tflite -o dense.tflite\n\n  wpconvert restore small.onnx -o dense.onnx"
)
