"""`wpconvert schedule MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import wpconvert
from wpconvert.cli.console import JsonOption, examples, progress_stages, show
from wpconvert.errors import UsageError

_DIGITS = 20


@examples(
    "schedule model.tflite --arch ultra96",
    "schedule model.onnx --arch zcu102 --effective-bits 1 -o schedule.csv",
    "schedule model.tflite --arch ultra96 --speedup 2 --inputs x.npz --rules digits.yaml",
    "schedule resnet18.csv --arch ultra96 --compatible",
)
def schedule(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL|TABLE.csv", help="A .tflite or .onnx model, or a table of layers.")
    ],
    arch: Annotated[
        str,
        typer.Option("--arch", metavar="NAME|FILE.ini", help="The accelerator: ultra96, zcu102, xc7z020, or a file."),
    ],
    effective_bits: Annotated[
        int | None,
        typer.Option(
            "--effective-bits",
            min=1,
            max=4,
            metavar="N",
            help="Signed digits of a weight (2 by default).",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", metavar="N,N,…", help="Signed digits of each layer instead.", show_default=False),
    ] = None,
    speedup: Annotated[
        float | None,
        typer.Option(
            "--speedup",
            metavar="X",
            help="Instead, be so many times as fast as the DSP blocks alone, with the digits that lose least.",
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", metavar="X.npz", help="Samples: with --speedup, digits lose what outputs lose."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="OUT.yaml", help="Write the digits of --speedup for -m msd.")
    ] = None,
    compatible: Annotated[
        bool, typer.Option("--compatible", help="Read a table and search tiles as the published scheduler does.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT.csv", help="Write a line for each layer.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Schedule a model on an FPGA accelerator with weights of few signed digits (MSD): tiles and times.

    For each layer: the tile that takes the fewest cycles, how its filters are split between look-up tables and DSP
    blocks, and what bounds it. Times are modelled. A table has a line of titles, then for each layer its name, input
    height and width, filter height and width, channels, filters and stride.
    """
    given = [
        name
        for name, value in (("--effective-bits", effective_bits), ("--layers", layers), ("--speedup", speedup))
        if value is not None
    ]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other")
    result = wpconvert.schedule(
        model,
        arch=arch,
        effective_bits=2 if effective_bits is None else effective_bits,
        layers=None if layers is None else _numbers(layers),
        speedup=speedup,
        inputs=inputs,
        rules=rules,
        compatible=compatible,
        output=output,
        progress=progress_stages(as_json),
    )
    show(result, as_json)


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    # Python does not read whole numbers of more than some thousand digits.
    if not all(part.isdecimal() and len(part) < _DIGITS for part in parts):
        raise UsageError(f"--layers {text}: expected whole numbers with commas between them")
    return [int(part) for part in parts]
