"""`wpconvert verify ORIGINAL REWRITTEN`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import wpconvert
from wpconvert.cli.common import EngineOption, EvalOption, InputsOption, RandomOption, SeedOption
from wpconvert.cli.console import JsonOption, examples, progress_stages, show


@examples(
    "verify model.tflite small.tflite",
    "verify model.tflite small.tflite --inputs test.npz --engine litert",
    "verify model.tflite pooled.tflite --eval test.npz",
    "verify model.onnx small.onnx --inputs test.npz",
    "verify model.onnx lowered.tflite --eval test.npz",
)
def verify(
    original: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The original model.")],
    rewritten: Annotated[Path, typer.Argument(metavar="REWRITTEN", help="The rewritten model.")],
    inputs: InputsOption = None,
    evaluation: EvalOption = None,
    random: RandomOption = None,
    seed: SeedOption = 0,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run two models on the same inputs; compare all weights, outputs and intermediate results bit by bit.

    Exit code 0 only if all are equal. Of a model with pooled weights, the loss is reported, and exit code 0 says that
    it computes what its own dense model does. An .onnx model and the .tflite model it was lowered to round differently:
    outputs are compared in steps of the latter, and 0 says that in every sample the largest value of each output is
    where ONNX Runtime has it, or where ONNX Runtime's value is at most one step below its largest; these are counted.
    """
    result = wpconvert.verify(
        original,
        rewritten,
        inputs=inputs,
        evaluation=evaluation,
        random=random,
        seed=seed,
        engine=engine,
        progress=progress_stages(as_json),
    )
    show(result, as_json)
    if not result.passed:
        raise typer.Exit(1)
