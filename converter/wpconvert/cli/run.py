"""`wpconvert run MODEL --target BOARD`."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from wpconvert.cli.common import InputsOption, RandomOption, SeedOption
from wpconvert.cli.console import OUT, JsonOption, ModelArgument, progress_bar
from wpconvert.engines import ENGINES, Sample
from wpconvert.engines.comparison import compare_output
from wpconvert.engines.exercise import exercising_samples
from wpconvert.engines.inputs import ports_of
from wpconvert.errors import UsageError
from wpconvert.files import same_file, write_all
from wpconvert.formats.tflite.file import read
from wpconvert.formats.tflite.model import TfliteModel, text
from wpconvert.job.sampling import Sampling
from wpconvert.report.export import to_json
from wpconvert.report.table import escape
from wpconvert.report.text import output_line
from wpconvert.target import SIMULATORS, boards, run_on
from wpconvert.target.board import board_named
from wpconvert.target.result import TargetReport
from wpconvert.target.runner import DEFAULT_TIMEOUT_S, DeviceRun
from wpconvert.target.simulator import simulator_for

_REFERENCE = "reference"


def run(
    model: ModelArgument,
    target: Annotated[
        str,
        typer.Option("--target", metavar="BOARD", help=f"Where it runs: {', '.join(boards())}.", show_default=False),
    ],
    inputs: InputsOption = None,
    random: RandomOption = None,
    seed: SeedOption = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="OUT.npz", help="Write the outputs, named as in the model.", show_default=False
        ),
    ] = None,
    arena: Annotated[
        int | None,
        typer.Option("--arena", min=1, metavar="BYTES", help="Arena size (the most that the board has, by default)."),
    ] = None,
    simulator: Annotated[
        str, typer.Option("--simulator", metavar="NAME", help=f"What simulates it: {', '.join(SIMULATORS)}.")
    ] = "qemu",
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="S", help="Seconds the simulation may take.")
    ] = DEFAULT_TIMEOUT_S,
    as_json: JsonOption = False,
) -> None:
    """Run a model on a simulated board and compare its outputs, bit by bit, with the reference interpreter's.

    Builds firmware with exactly the model's operators; what is built is kept for the next run. Exit code 0 only if all
    outputs are identical.
    """
    board = board_named(target)
    simulator_for(board, simulator)
    if output is not None:
        _check_output(output, model, inputs)
    data, parsed = read(model)
    sampling = Sampling(inputs=inputs, count=random, seed=seed)
    samples = sampling.read(ports_of(parsed), partial(exercising_samples, parsed))
    if not samples.samples:
        raise UsageError("no samples to run")
    # One step for the board, which runs all samples at once.
    with progress_bar("run", len(samples.samples) + 1, as_json) as bar:
        device = run_on(
            board,
            parsed,
            samples.samples,
            data=data,
            simulator=simulator,
            timeout_s=timeout,
            arena_nbytes=arena,
        )
        bar.advance()
        expected = ENGINES[_REFERENCE].run(parsed, samples.samples, bar.advance)
    report = _report(str(model), parsed, device, expected, samples.labels, samples.notes)
    if output is not None:
        write_all({output: _archive(parsed, device.outputs)})
    if as_json:
        OUT.file.write(to_json(report))
    else:
        print_run(OUT, report)
    if not report.identical:
        raise typer.Exit(1)


run.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n"
    "  wpconvert run small.tflite --target corstone300\n\n"
    "  wpconvert run small.tflite --target mps2-m4 --inputs test.npz --json\n\n"
    "Instructions are measured by the board's counter, one for each instruction executed."
)


def _check_output(output: Path, *others: Path | None) -> None:
    if output.suffix != ".npz":
        raise UsageError(f"-o {output}: the suffix must be .npz")
    for other in others:
        if other is not None and same_file(output, other):
            raise UsageError(f"{output} is named twice; inputs and outputs must be different files")


def _report(
    path: str,
    model: TfliteModel,
    device: DeviceRun,
    expected: list[Sample],
    labels: np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None,
    notes: tuple[str, ...],
) -> TargetReport:
    graph = model.root.subgraphs[0]
    outputs = tuple(
        compare_output(text(graph.tensors[index].name), i, expected, device.outputs, labels)
        for i, index in enumerate(graph.outputs)
    )
    counts = device.instructions
    sizes = device.image.sizes
    return TargetReport(
        model=path,
        target=device.board,
        simulator=device.simulator,
        samples=len(device.outputs),
        identical=all(output.equal for output in outputs),
        outputs=outputs,
        instructions=counts,
        instructions_mean=None if not counts else round(sum(counts) / len(counts)),
        prepare_instructions=device.prepare_instructions,
        arena_nbytes=device.arena_nbytes,
        code_nbytes=sizes.code_nbytes,
        model_nbytes=sizes.model_nbytes,
        ram_nbytes=sizes.ram_nbytes,
        notes=notes,
    )


def _archive(model: TfliteModel, outputs: list[Sample]) -> bytes:
    """An .npz with one array for each output, samples first."""
    graph = model.root.subgraphs[0]
    arrays = {}
    for i, index in enumerate(graph.outputs):
        name = text(graph.tensors[index].name) or f"output_{i}"
        # A name that stands twice would overwrite the first one.
        arrays[f"{name}_{i}" if name in arrays else name] = np.stack([sample[i] for sample in outputs])
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def print_run(console: Console, report: TargetReport) -> None:
    """Outputs, costs, then the verdict."""
    for output in report.outputs:
        console.print(escape(output_line(output)))
    for note in report.notes:
        console.print(f"note: {escape(note)}")
    if report.instructions_mean is not None:
        spread = max(report.instructions or [0]) - min(report.instructions or [0])
        varies = f", varying by {spread:,}" if spread else ""
        console.print(f"instructions per inference: {report.instructions_mean:,} (measured{varies})")
    console.print(f"arena: {report.arena_nbytes:,} bytes used")
    console.print(
        f"flash: {report.code_nbytes + report.model_nbytes:,} bytes "
        f"(code {report.code_nbytes:,}, model {report.model_nbytes:,})"
    )
    where = f"{report.target} ({report.simulator})"
    if report.identical:
        console.print(
            f"[bold green]identical[/bold green]: {where} gives the bits of the reference interpreter "
            f"on {report.samples} samples"
        )
        return
    broken = [f"output {output.name or i}" for i, output in enumerate(report.outputs) if not output.equal]
    console.print(f"[bold red]NOT identical[/bold red]: {where} differs in {escape(', '.join(broken))}")
