"""`wpconvert bench MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import wpconvert
from wpconvert.benchmark.text import FUNCTIONS, print_benchmark, print_comparison
from wpconvert.cli.common import InputsOption, SeedOption
from wpconvert.cli.console import OUT, JsonOption, ModelArgument, examples, progress_stages
from wpconvert.target.board import boards
from wpconvert.target.runner import DEFAULT_TIMEOUT_S


@examples(
    "bench model.tflite --target corstone300", "bench small.tflite --target mps2-m4 --against model.tflite --profile"
)
def bench(
    model: ModelArgument,
    target: Annotated[str, typer.Option("--target", metavar="T", help=f"The board: {', '.join(boards())}.")],
    against: Annotated[
        Path | None, typer.Option("--against", metavar="OTHER", help="A second model to compare with.")
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Also show functions and instruction classes.")] = False,
    functions: Annotated[
        int, typer.Option("--functions", min=1, metavar="N", help="Number of functions listed by --profile.")
    ] = FUNCTIONS,
    error_texts: Annotated[
        bool, typer.Option("--error-texts/--no-error-texts", help="Include error texts in the image.")
    ] = True,
    inputs: InputsOption = None,
    seed: SeedOption = 0,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, metavar="SECONDS", help="Time limit of the simulation in seconds.")
    ] = DEFAULT_TIMEOUT_S,
    as_json: JsonOption = False,
) -> None:
    """Count the instructions of one inference on a simulated board, by layer; show arena and flash.

    Instructions are measured, exactly; cycles are modelled. The input is the first of --inputs, or a random one.
    """
    result = wpconvert.bench(
        model,
        target=target,
        against=against,
        inputs=inputs,
        seed=seed,
        error_texts=error_texts,
        timeout=timeout,
        progress=progress_stages(as_json),
    )
    if as_json:
        OUT.file.write(result.to_json())
    elif isinstance(result, wpconvert.Comparison):
        print_comparison(OUT, result, functions, profile)
    else:
        print_benchmark(OUT, result, functions, profile)
