"""What commands that run models share: engines, samples, and the options that choose them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wpconvert.engines import ENGINES, ONNX_ENGINE
from wpconvert.engines.choice import EXACT
from wpconvert.job.sampling import DEFAULT_SAMPLES

InputsOption = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        metavar="X.npz",
        help="Inputs: one array per model input, samples first; an array `labels` adds accuracies.",
    ),
]
EvalOption = Annotated[
    Path | None,
    typer.Option("--eval", metavar="DATA.npz", help="Inputs with an array `labels`: also compare accuracies."),
]
RandomOption = Annotated[
    int | None,
    typer.Option(
        "--random", min=1, metavar="N", help=f"Number of random inputs, at least ({DEFAULT_SAMPLES} by default)."
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random inputs.")]
EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help=f"Engine for .tflite models: {', '.join(ENGINES)}; by default {' or '.join(EXACT)}. "
        f"{ONNX_ENGINE.name} executes .onnx ones.",
    ),
]
