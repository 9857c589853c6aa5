"""`wpconvert verify ORIGINAL REWRITTEN`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from wpconvert.cli.common import (
    EngineOption,
    EvalOption,
    InputsOption,
    RandomOption,
    SeedOption,
    check_onnx_engine,
    engine_named,
    read_inputs,
    samples_of,
)
from wpconvert.cli.console import OUT, JsonOption, progress_bar
from wpconvert.errors import UsageError
from wpconvert.formats.onnx.sniff import is_onnx
from wpconvert.formats.tflite.file import read
from wpconvert.job.verify import verify_models
from wpconvert.report.export import to_json
from wpconvert.report.text import print_verification


def verify(
    original: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The model before.", show_default=False)],
    rewritten: Annotated[Path, typer.Argument(metavar="REWRITTEN", help="The model after.", show_default=False)],
    inputs: InputsOption = None,
    evaluation: EvalOption = None,
    random: RandomOption = None,
    seed: SeedOption = 0,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run two models on the same inputs; compare all weights, outputs and what operators compute, bit by bit.

    Exit code 0 only if all are equal. Of a model with pooled weights, the loss is reported, and exit code 0 says that
    it computes what its own dense model does. An .onnx model and the .tflite model it was lowered to round differently:
    outputs are compared in steps of the latter, and 0 says that in every sample the largest value of each output is
    where ONNX Runtime has it, or where ONNX Runtime's value is at most one step below its largest; these are counted.
    """
    if is_onnx(original):
        from wpconvert.formats.onnx.file import read as read_onnx  # noqa: PLC0415 - ONNX for its models alone
        from wpconvert.formats.onnx.mixed import exercising_inputs, verify_mixed  # noqa: PLC0415
        from wpconvert.formats.onnx.ports import ports_of as onnx_ports_of  # noqa: PLC0415
        from wpconvert.formats.onnx.verify import verify_onnx  # noqa: PLC0415
    if is_onnx(original) and is_onnx(rewritten):
        check_onnx_engine(engine)
        model = read_onnx(original)
        samples = read_inputs(inputs, random, seed, onnx_ports_of(model), evaluation)
        with progress_bar("verify", 2 * len(samples.samples), as_json) as bar:
            result = verify_onnx(model, rewritten, samples, bar.advance)
    elif is_onnx(original):
        chosen = engine_named(engine)
        lowered = read(rewritten)[1]
        drawn = partial(exercising_inputs, lowered)
        samples = read_inputs(inputs, random, seed, onnx_ports_of(read_onnx(original)), evaluation, drawn)
        with progress_bar("verify", 2 * len(samples.samples), as_json) as bar:
            result = verify_mixed(original, lowered, samples, chosen, bar.advance)
    elif is_onnx(rewritten):
        raise UsageError("give the .onnx model first, then the .tflite model it was lowered to")
    else:
        chosen = engine_named(engine)
        (_, first), (_, second) = read(original), read(rewritten)
        samples = samples_of(first, inputs, random, seed, evaluation)
        with progress_bar("verify", 2 * len(samples.samples), as_json) as bar:
            result = verify_models(first, second, samples, chosen, bar.advance)
    if as_json:
        OUT.file.write(to_json(result))
    else:
        print_verification(OUT, result)
    if not result.passed:
        raise typer.Exit(1)


verify.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n"
    "  wpconvert verify model.tflite small.tflite\n\n"
    "  wpconvert verify model.tflite small.tflite --inputs test.npz --engine litert\n\n"
    "  wpconvert verify model.tflite pooled.tflite --eval test.npz\n\n"
    "  wpconvert verify model.onnx small.onnx --inputs test.npz\n\n"
    "  wpconvert verify model.onnx lowered.tflite --eval test.npz"
)
