"""`wpconvert array X.npy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import wpconvert
from wpconvert.cli.console import JsonOption, examples, show
from wpconvert.codecs import CODECS
from wpconvert.errors import UsageError
from wpconvert.report.view import View


@examples(
    "array weights.npy", "array weights.npy -m dcsr -o weights.bin", "array weights.npy -m huffman --to-c tests/layer.c"
)
def array(
    array: Annotated[Path, typer.Argument(metavar="X.npy", help="An int8 array of 1 to 4 dimensions.")],
    method: Annotated[
        str | None, typer.Option("-m", "--method", metavar="METHOD", help=f"One method only: {', '.join(CODECS)}.")
    ] = None,
    row_dims: Annotated[
        int,
        typer.Option(
            "--row-dims", min=1, max=4, metavar="N", help="The first N dimensions are rows; 3 for depthwise weights."
        ),
    ] = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT.bin", help="Write the blob of the method.")
    ] = None,
    to_c: Annotated[
        Path | None, typer.Option("--to-c", metavar="FILE.c", help="Write test data for one kernel in C.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the bytes of an int8 array with each method; write it as a blob, or as C test data for one kernel.

    A blob of method pool needs its pool tensor, which is written beside it under the suffix .pool.
    """
    result: View
    if method is not None:
        result = wpconvert.encode(array, method, row_dims=row_dims, output=output, to_c=to_c)
    elif output is not None or to_c is not None:
        raise UsageError(f"{'-o' if output is not None else '--to-c'} needs -m METHOD")
    else:
        result = wpconvert.sizes(array, row_dims=row_dims)
    show(result, as_json)
