"""`wpconvert restore MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wpconvert.cli.console import OUT, ModelArgument
from wpconvert.job.restore import restore_file
from wpconvert.report.table import escape


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
    done = restore_file(model, output)
    if quiet:
        return
    if not done.rewritten:
        OUT.print("the model has no rewritten operators; it was copied")
    for loss in done.losses:
        OUT.print(f"note: {escape(loss)}")
    OUT.print(f"wrote {escape(', '.join(map(str, done.files)))}, {done.nbytes_before:,} → {done.nbytes_after:,} bytes")


restore.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n  wpconvert restore small.tflite -o dense.tflite\n\n  wpconvert restore small.onnx -o dense.onnx"
)
