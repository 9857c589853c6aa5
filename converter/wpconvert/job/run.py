"""Running a model on a board, compared with the reference interpreter."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines import ENGINES, Sample
from wpconvert.engines.comparison import compare_output
from wpconvert.engines.exercise import exercising_samples
from wpconvert.engines.inputs import Inputs, ports_of
from wpconvert.errors import UsageError
from wpconvert.files import check_distinct, write_all
from wpconvert.formats.registry import read
from wpconvert.graph.executable import Executable
from wpconvert.job.progress import Stages, silent
from wpconvert.job.sampling import Sampling
from wpconvert.target import run_on
from wpconvert.target.board import board_named
from wpconvert.target.result import TargetReport
from wpconvert.target.runner import DeviceRun
from wpconvert.target.simulator import simulator_for

_REFERENCE = "reference"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a model runs. arena_nbytes: the most that the board has, by default. timeout_s: of the simulation."""

    target: str
    simulator: str
    timeout_s: float
    arena_nbytes: int | None = None


def run_file(
    path: Path,
    place: Place,
    *,
    sampling: Sampling,
    output: Path | None = None,
    stages: Stages = silent,
) -> TargetReport:
    """Build firmware for a model, run it on a board, and compare every output with the interpreter's.

    output: an .npz file for the outputs, with one array for each, samples first. Raises UsageError for a board, a
    simulator or samples that there are not, ToolError where a compiler or simulator is missing, DeviceError, and what
    reading the model raises.
    """
    board = board_named(place.target)
    simulator_for(board, place.simulator)
    if output is not None:
        _check_output(output, path, sampling.inputs)
    source = read(path)
    model = source.executable()
    samples = sampling.read(ports_of(model), partial(exercising_samples, model))
    if not samples.samples:
        raise UsageError("no samples to run")
    # One step for the board, which runs all samples at once.
    with stages("run", len(samples.samples) + 1) as stage:
        device = run_on(
            board,
            model,
            samples.samples,
            data=source.content(),
            simulator=place.simulator,
            timeout_s=place.timeout_s,
            arena_nbytes=place.arena_nbytes,
        )
        stage.advance()
        expected = ENGINES[_REFERENCE].run(model, samples.samples, stage.advance)
    report = _report(str(path), model, device, expected, samples)
    if output is not None:
        write_all({output: _archive(model, device.outputs)})
    return report


def _check_output(output: Path, *others: Path | None) -> None:
    if output.suffix != ".npz":
        raise UsageError(f"-o {output}: the suffix must be .npz")
    for other in others:
        if other is not None:
            check_distinct([other, output])


def _report(path: str, model: Executable, device: DeviceRun, expected: list[Sample], inputs: Inputs) -> TargetReport:
    outputs = tuple(
        compare_output(tensor.name, i, expected, device.outputs, inputs.labels)
        for i, tensor in enumerate(model.graph.main.outputs)
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
        notes=inputs.notes,
    )


def _archive(model: Executable, outputs: list[Sample]) -> bytes:
    """An .npz with one array for each output, samples first."""
    arrays: dict[str, NDArray[Any]] = {}
    for i, tensor in enumerate(model.graph.main.outputs):
        name = tensor.name or f"output_{i}"
        # A name that stands twice would overwrite the first one.
        arrays[f"{name}_{i}" if name in arrays else name] = np.stack([sample[i] for sample in outputs])
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
