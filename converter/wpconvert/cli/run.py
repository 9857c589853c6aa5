"""`wpconvert run MODEL --target BOARD`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import wpconvert
from wpconvert.cli.common import InputsOption, RandomOption, SeedOption
from wpconvert.cli.console import JsonOption, ModelArgument, examples, progress_stages, show
from wpconvert.target import SIMULATORS, boards
from wpconvert.target.runner import DEFAULT_TIMEOUT_S


@examples(
    "run small.tflite --target corstone300",
    "run small.tflite --target mps2-m4 --inputs test.npz --json",
    more="Instructions are measured by the board's counter, one for each instruction executed.",
)
def run(
    model: ModelArgument,
    target: Annotated[str, typer.Option("--target", metavar="BOARD", help=f"Board: {', '.join(boards())}.")],
    inputs: InputsOption = None,
    random: RandomOption = None,
    seed: SeedOption = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT.npz", help="Write the outputs, with their names in the model."),
    ] = None,
    arena: Annotated[
        int | None,
        typer.Option("--arena", min=1, metavar="BYTES", help="Arena size (by default the largest that the board has)."),
    ] = None,
    simulator: Annotated[
        str, typer.Option("--simulator", metavar="NAME", help=f"Simulator: {', '.join(SIMULATORS)}.")
    ] = "qemu",
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="S", help="Time limit of the simulation in seconds.")
    ] = DEFAULT_TIMEOUT_S,
    as_json: JsonOption = False,
) -> None:
    """Run a model on a simulated board and compare its outputs, bit by bit, with the reference interpreter's.

    Builds firmware with exactly the model's operators; what is built is kept for the next run. Exit code 0 only if all
    outputs are identical.
    """
    report = wpconvert.run(
        model,
        target=target,
        inputs=inputs,
        random=random,
        seed=seed,
        output=output,
        arena=arena,
        simulator=simulator,
        timeout=timeout,
        progress=progress_stages(as_json),
    )
    show(report, as_json)
    if not report.identical:
        raise typer.Exit(1)
