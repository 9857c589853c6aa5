"""What commands that run models share: engines, samples, and the options that choose them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from wpconvert.engines import ENGINES, ONNX_ENGINE
from wpconvert.engines.base import Engine
from wpconvert.engines.choice import EXACT
from wpconvert.engines.exercise import exercising_samples
from wpconvert.engines.inputs import Inputs, Port, load_samples, ports_of, random_samples
from wpconvert.errors import UsageError
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.report.result import Conversion, Verification

DEFAULT_SAMPLES = 4

InputsOption = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        metavar="X.npz",
        help="Inputs: one array per model input, samples first; an array `labels` adds accuracy.",
        show_default=False,
    ),
]
EvalOption = Annotated[
    Path | None,
    typer.Option(
        "--eval",
        metavar="DATA.npz",
        help="Inputs with `labels`, to tell the accuracy before and after.",
        show_default=False,
    ),
]
RandomOption = Annotated[
    int | None,
    typer.Option("--random", min=1, metavar="N", help=f"At least N random inputs ({DEFAULT_SAMPLES} by default)."),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random inputs.")]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help=f"What executes .tflite models: {', '.join(ENGINES)}; by default {' or '.join(EXACT)}. "
        f"{ONNX_ENGINE.name} executes .onnx ones.",
        show_default=False,
    ),
]


def engine_named(name: str | None) -> Engine | None:
    """The engine of that name for `.tflite` models, None where none is named; UsageError naming the known ones."""
    if name is None:
        return None
    engine = ENGINES.get(name)
    if engine is None:
        problem = f"engine {name!r} is for .onnx models" if name == ONNX_ENGINE.name else f"unknown engine {name!r}"
        raise UsageError(f"{problem}, expected one of {', '.join(ENGINES)}")
    return engine


def check_onnx_engine(name: str | None) -> None:
    """UsageError unless an engine of that name executes `.onnx` models."""
    if name not in (None, ONNX_ENGINE.name):
        raise UsageError(f"engine {name!r} does not execute .onnx models, expected {ONNX_ENGINE.name}")


def read_inputs(
    path: Path | None,
    count: int | None,
    seed: int,
    ports: Sequence[Port],
    evaluation: Path | None = None,
    drawn: Callable[[Sequence[Port], int, int], Inputs] = random_samples,
) -> Inputs:
    """The samples that --inputs, --random or --eval ask for; `drawn` makes so many random ones of a seed."""
    given = [("--inputs", path), ("--eval", evaluation), ("--random", count)]
    named = [name for name, value in given if value is not None]
    if len(named) > 1:
        raise UsageError(f"{named[0]} and {named[1]} exclude each other")
    if evaluation is not None:
        inputs = load_samples(evaluation, ports)
        if inputs.labels is None:
            raise UsageError(f"--eval {evaluation}: no array `labels`; use --inputs for inputs without")
        return inputs
    if path is not None:
        return load_samples(path, ports)
    return drawn(ports, DEFAULT_SAMPLES if count is None else count, seed)


def samples_of(
    model: TfliteModel, path: Path | None, count: int | None, seed: int, evaluation: Path | None = None
) -> Inputs:
    """`read_inputs` for a `.tflite` model; random samples are chosen to exercise it."""

    def drawn(ports: Sequence[Port], wanted: int, seed: int) -> Inputs:
        return exercising_samples(model, ports, wanted, seed)

    return read_inputs(path, count, seed, ports_of(model), evaluation, drawn)


def with_outcome(
    report: Conversion, verification: Verification | None, written: Sequence[Path], dry_run: bool
) -> Conversion:
    """The report of a conversion with what became of its result."""
    notes = list(report.notes)
    if dry_run:
        notes.append("dry run: the model was not written")
    if verification is None:
        notes.append("not verified (--no-verify)")
    return replace(report, notes=tuple(notes), verification=verification, written=tuple(map(str, written)))
