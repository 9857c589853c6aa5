"""`wpconvert MODEL`: rewrite, verify, report, write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

import wpconvert
from wpconvert.backends.registry import BACKENDS
from wpconvert.cli.common import EngineOption, EvalOption, InputsOption, RandomOption, SeedOption
from wpconvert.cli.console import OUT, ModelArgument, examples, progress_stages
from wpconvert.cli.registered import with_registered
from wpconvert.errors import UsageError, VerificationError
from wpconvert.job.sampling import DEFAULT_SAMPLES
from wpconvert.methods import METHODS
from wpconvert.model.changed import Values
from wpconvert.model.goal import BALANCED, BUNDLED, DEFAULT_GOAL, DEFAULT_SLOWDOWN, FILE, RUNTIMES, SIZE, SPEED
from wpconvert.model.rules import AUTO
from wpconvert.report.text import print_conversion
from wpconvert.target.board import boards

DEFAULT_METHOD = AUTO


def _path_option(flag: str, metavar: str, text: str, *short: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*short, flag, metavar=metavar, help=text)
    return option


@examples(
    "model.tflite -o small.tflite",
    "model.tflite --target mps2-m4 --optimize speed -o fast.tflite",
    "model.tflite --target mps2-m3 --flash 65536 --strip -o fits.tflite",
    "model.tflite --optimize file --max-slowdown inf --strip -o download.tflite",
    "model.tflite --dry-run",
    "model.onnx -o small.onnx",
    "model.onnx -o model.tflite --calibrate samples.npz",
    "model.tflite -m rle --strip --to-c firmware/model.c",
    "model.tflite -m pool --pool-size 64 --eval test.npz -o pooled.tflite",
    "model.tflite --rules rules.yaml --dry-run --dump-plan plan.yaml",
    more=f"Without --inputs, at least {DEFAULT_SAMPLES} random inputs, chosen to exercise the model, verify "
    "the result.",
)
@with_registered
def convert(
    model: ModelArgument,
    method: Annotated[
        str, typer.Option("-m", "--method", metavar="METHOD", help=f"Storage method of weights: {', '.join(METHODS)}.")
    ] = DEFAULT_METHOD,
    output: Annotated[Path | None, _path_option("--output", "OUT", "The rewritten model.", "-o")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace MODEL, atomically.")] = False,
    emit: Mapping[str, Path] = {},
    rules: Annotated[
        Path | None,
        _path_option("--rules", "RULES.yaml", "Methods by tensor name, operator or key; the last matching rule wins."),
    ] = None,
    dump_plan: Annotated[
        Path | None, _path_option("--dump-plan", "PLAN.yaml", "Write the method of every tensor as a file for --rules.")
    ] = None,
    optimize: Annotated[
        str | None,
        typer.Option(
            "--optimize",
            metavar="FOR",
            help=(
                f"{BALANCED} (default): least flash (model and code), "
                f"at most {100 * (DEFAULT_SLOWDOWN - 1):.0f} % slower; "
                f"{SIZE}: least flash; {SPEED}: fewest cycles; {FILE}: smallest file, same limit as {BALANCED}."
            ),
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            help=f"Board whose speed auto predicts: {', '.join(boards())} ({DEFAULT_GOAL.target} by default).",
        ),
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime",
            metavar="R",
            help=f"Runtime of the model: {', '.join(RUNTIMES)} (upstream TensorFlow Lite Micro with our operators).",
        ),
    ] = BUNDLED,
    max_slowdown: Annotated[
        float | None,
        typer.Option(
            "--max-slowdown",
            metavar="F",
            help=(
                "Limit for cycles and instructions, as a factor on those of the dense model "
                f"({DEFAULT_SLOWDOWN:g} for {BALANCED} and {FILE}); inf for no limit."
            ),
        ),
    ] = None,
    flash: Annotated[
        int | None, typer.Option("--flash", min=1, metavar="BYTES", help="Limit for model and code together.")
    ] = None,
    ram: Annotated[int | None, typer.Option("--ram", min=1, metavar="BYTES", help="Limit for the arena.")] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Build and run plans on the simulated board until one meets the limits as measured."
        ),
    ] = False,
    options: Values = {},  # noqa: B006 - stands for those of transforms
    calibration: Annotated[
        Path | None,
        _path_option(
            "--calibrate", "DATA.npz", "Quantise a float .onnx model with these samples, then convert it to .tflite."
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="Rewrite only tensors with at least this share of zeros.",
        ),
    ] = 0.0,
    strip: Annotated[
        bool, typer.Option("--strip", help="Drop names, ranges, attached files and data that only `restore` needs.")
    ] = False,
    no_memory_plan: Annotated[
        bool, typer.Option("--no-memory-plan", help="Do not add a memory plan for the arena to the model.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do not write the model, only --report and --dump-plan.")
    ] = False,
    report: Annotated[Path | None, _path_option("--report", "FILE.json|.csv", "Write the report to a file.")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not verify the result.")] = False,
    inputs: InputsOption = None,
    evaluation: EvalOption = None,
    random: RandomOption = None,
    seed: SeedOption = 0,
    engine: EngineOption = None,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Show full names, operators and shapes of all tensors.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Rewrite a model: find its weights, compress them, verify the result, write it.

    The outputs of the rewritten model, and what its operators compute, are compared bit for bit with the original's
    before anything is written; where weights are pooled, with those of the dense model of the pooled weights, and the
    loss is reported. What an .onnx model was lowered to is compared with it, too.
    """
    if verbose and quiet:
        raise UsageError("-v and -q exclude each other")
    if no_verify and evaluation is not None:
        raise UsageError("--eval and --no-verify exclude each other: accuracies need a run of the models")
    if output is None and not in_place and not emit and not dry_run:
        others = ", ".join(f"{backend.flag} {backend.metavar}" for backend in BACKENDS.values())
        raise UsageError(f"no output: give -o OUT, --in-place, {others} or --dry-run")
    try:
        result = wpconvert.convert(
            model,
            method=method,
            rules=rules,
            threshold=threshold,
            strip=strip,
            optimize=optimize,
            target=target,
            runtime=runtime,
            max_slowdown=max_slowdown,
            flash=flash,
            ram=ram,
            measure=measure,
            memory_plan=not no_memory_plan,
            calibration=calibration,
            output=output,
            in_place=in_place,
            emit=emit,
            plan=dump_plan,
            report=report,
            dry_run=dry_run,
            verified=not no_verify,
            inputs=inputs,
            evaluation=evaluation,
            random=random,
            seed=seed,
            engine=engine,
            progress=progress_stages(quiet),
            **options,
        )
    except VerificationError as failed:
        if not quiet and isinstance(failed.report, wpconvert.Conversion):
            print_conversion(OUT, failed.report, verbose, dry_run)
        raise
    if not quiet:
        print_conversion(OUT, result.report, verbose, dry_run)
