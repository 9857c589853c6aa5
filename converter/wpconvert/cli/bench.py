"""`wpconvert bench MODEL`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wpconvert.benchmark.measure import NO_ERROR_TEXTS, benchmark
from wpconvert.benchmark.result import Benchmark, Comparison
from wpconvert.benchmark.text import print_benchmark, print_comparison
from wpconvert.cli.common import InputsOption, SeedOption
from wpconvert.cli.console import OUT, JsonOption, ModelArgument, progress_bar
from wpconvert.engines.inputs import ports_of
from wpconvert.formats.tflite.file import read
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.job.sampling import Sampling
from wpconvert.report.export import to_json
from wpconvert.target.board import board_named, boards
from wpconvert.target.runner import DEFAULT_TIMEOUT_S


def bench(
    model: ModelArgument,
    target: Annotated[
        str, typer.Option("--target", metavar="T", help=f"The board: {', '.join(boards())}.", show_default=False)
    ],
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="OTHER", help="A second model, measured beside it.", show_default=False),
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Show functions and instruction classes too.")] = False,
    functions: Annotated[
        int, typer.Option("--functions", min=1, metavar="N", help="Functions that --profile lists.")
    ] = 15,
    error_texts: Annotated[
        bool, typer.Option("--error-texts/--no-error-texts", help="Keep the texts of errors in the image.")
    ] = True,
    inputs: InputsOption = None,
    seed: SeedOption = 0,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, metavar="SECONDS", help="Stop a run that takes longer.")
    ] = DEFAULT_TIMEOUT_S,
    as_json: JsonOption = False,
) -> None:
    """Count the instructions of one inference on a simulated board, by layer; show arena and flash.

    Instructions are measured, exactly; cycles are modelled. The input is the first of --inputs, or a random one.
    """
    board = board_named(target)
    paths = [path for path in (model, against) if path is not None]
    defines = () if error_texts else (NO_ERROR_TEXTS,)
    results: list[Benchmark] = []
    models = [(path, *read(path)) for path in paths]
    TfliteForms(models[-1][2], models[0][2]).check()
    with progress_bar("bench", len(models), as_json) as bar:
        for path, data, parsed in models:
            samples = Sampling(inputs=inputs, count=None if inputs else 1, seed=seed).read(ports_of(parsed)).samples
            results.append(benchmark(str(path), data, parsed, board, samples[0], timeout_s=timeout, defines=defines))
            bar.advance()
    if against is not None:
        comparison = Comparison(results[0], results[1])
        if as_json:
            OUT.file.write(to_json(comparison))
        else:
            print_comparison(OUT, comparison, functions, profile)
    elif as_json:
        OUT.file.write(to_json(results[0]))
    else:
        print_benchmark(OUT, results[0], functions, profile)


bench.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n"
    "  wpconvert bench model.tflite --target corstone300\n\n"
    "  wpconvert bench small.tflite --target mps2-m4 --against model.tflite --profile"
)
