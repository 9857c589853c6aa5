"""`wpconvert MODEL`: rewrite, verify, report, write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from wpconvert.backends.c import emit_c
from wpconvert.cli.checks import check_options, check_paths, destination, refuse_tflite_options
from wpconvert.cli.common import (
    EngineOption,
    EvalOption,
    InputsOption,
    RandomOption,
    SeedOption,
    with_outcome,
)
from wpconvert.cli.console import OUT, ModelArgument, progress_bar
from wpconvert.cli.pooling import (
    ActBitsOption,
    LutBitsOption,
    LutOption,
    PoolScopeOption,
    PoolSizeOption,
    pool_settings,
)
from wpconvert.engines.choice import engine_named
from wpconvert.errors import UsageError, VerificationError
from wpconvert.files import write_all
from wpconvert.formats.registry import format_of
from wpconvert.formats.tflite.convert import Converted, Settings
from wpconvert.formats.tflite.convert import convert as convert_bytes
from wpconvert.formats.tflite.file import parse, read
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.job.sampling import DEFAULT_SAMPLES, Sampling
from wpconvert.job.verify import verdict
from wpconvert.model.pooling import POOL
from wpconvert.model.rules import AUTO, METHODS, Rules
from wpconvert.model.runtimes import BUNDLED, RUNTIMES
from wpconvert.plan.goal import (
    BALANCED,
    DEFAULT_GOAL,
    DEFAULT_SLOWDOWN,
    FILE,
    OPTIMIZE,
    SIZE,
    SPEED,
    Goal,
)
from wpconvert.report.export import conversion_report
from wpconvert.report.text import print_conversion
from wpconvert.target.board import board_named, boards

DEFAULT_METHOD = AUTO


def _path_option(flag: str, metavar: str, text: str, *short: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*short, flag, metavar=metavar, help=text, show_default=False)
    return option


def convert(
    model: ModelArgument,
    method: Annotated[
        str,
        typer.Option("-m", "--method", metavar="METHOD", help=f"How weights are stored: {', '.join(METHODS)}."),
    ] = DEFAULT_METHOD,
    output: Annotated[Path | None, _path_option("--output", "OUT", "The rewritten model.", "-o")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace MODEL itself, atomically.")] = False,
    to_c: Annotated[
        Path | None,
        _path_option("--to-c", "FILE.c", "Also (or only) write the model as C: FILE.c and FILE.h."),
    ] = None,
    rules: Annotated[
        Path | None,
        _path_option("--rules", "RULES.yaml", "Methods by tensor name, operator or key; the last match wins."),
    ] = None,
    dump_plan: Annotated[
        Path | None, _path_option("--dump-plan", "PLAN.yaml", "Write the resolved plan, a file for --rules.")
    ] = None,
    optimize: Annotated[
        str | None,
        typer.Option(
            "--optimize",
            metavar="FOR",
            help=(
                f"{BALANCED} (default): least flash, model and code, "
                f"at most {100 * (DEFAULT_SLOWDOWN - 1):.0f} % slower; "
                f"{SIZE}: least flash; {SPEED}: fewest cycles; {FILE}: smallest file, as slow as {BALANCED}."
            ),
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="T",
            help=f"Whose speed auto predicts: {', '.join(boards())} ({DEFAULT_GOAL.target} by default).",
            show_default=False,
        ),
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime",
            metavar="R",
            help=f"What runs the model: {', '.join(RUNTIMES)} (upstream TensorFlow Lite Micro with our operators).",
        ),
    ] = BUNDLED,
    max_slowdown: Annotated[
        float | None,
        typer.Option(
            "--max-slowdown",
            metavar="F",
            help=(
                "Most cycles and instructions that auto may take, times those of the dense model "
                f"({DEFAULT_SLOWDOWN:g} for {BALANCED} and {FILE}); inf for no limit."
            ),
            show_default=False,
        ),
    ] = None,
    flash: Annotated[
        int | None,
        typer.Option("--flash", min=1, metavar="BYTES", help="Model and code must fit this flash.", show_default=False),
    ] = None,
    ram: Annotated[
        int | None,
        typer.Option("--ram", min=1, metavar="BYTES", help="The arena must fit this memory.", show_default=False),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Build and run plans on the simulated board until one keeps to its limits as measured."
        ),
    ] = False,
    pool_size: PoolSizeOption = None,
    lut_bits: LutBitsOption = None,
    act_bits: ActBitsOption = None,
    pool_scope: PoolScopeOption = None,
    lut: LutOption = None,
    calibration: Annotated[
        Path | None,
        _path_option("--calibrate", "DATA.npz", "Quantise a float .onnx model with these samples, then lower it."),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold", min=0.0, max=1.0, metavar="SHARE", help="Least share of zeros to rewrite a tensor."
        ),
    ] = 0.0,
    strip: Annotated[
        bool, typer.Option("--strip", help="Drop names, ranges, attached files and what only `restore` needs.")
    ] = False,
    no_memory_plan: Annotated[
        bool,
        typer.Option("--no-memory-plan", help="Do not say in the model where activations lie in the arena."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write no model: only --report and --dump-plan.")] = False,
    report: Annotated[Path | None, _path_option("--report", "FILE.json|.csv", "Write the report to a file.")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not run the models.")] = False,
    inputs: InputsOption = None,
    evaluation: EvalOption = None,
    random: RandomOption = None,
    seed: SeedOption = 0,
    engine: EngineOption = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="One table with all tensors, full names.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Rewrite a model: find its weights, compress them, verify the result, write it.

    The outputs of the rewritten model, and what its operators compute, are compared bit for bit with the original's
    before anything is written; where weights are pooled, with those of the dense model of the pooled weights, and the
    loss is reported. What an .onnx model was lowered to is compared with it, too.
    """
    place = destination(model, output, in_place, to_c, dry_run)
    check_options(method, to_c, report, verbose, quiet)
    check_paths(model, place, to_c, dump_plan, report, rules, inputs, evaluation)
    chosen_rules = Rules(rules=[]) if rules is None else _loaded(rules)
    automatic = AUTO in (method, *(rule.method for rule in chosen_rules.rules))
    goal = _goal(automatic, optimize, target, max_slowdown, flash, ram, runtime)
    if measure and goal is None and not automatic:
        raise UsageError("--measure is for -m auto, or for a method with --target")
    if measure and runtime != BUNDLED:
        raise UsageError(f"--measure runs the bundled runtime, not --runtime {runtime}")
    pooling = POOL in (method, *(rule.method for rule in chosen_rules.rules))
    pool = pool_settings(pooling, pool_size, lut_bits, act_bits, pool_scope, lut)
    core = None if goal is None or target is None else goal.core
    settings = Settings(method, chosen_rules, threshold, strip, goal, pool, not no_memory_plan, core)
    if no_verify and evaluation is not None:
        raise UsageError("--eval and --no-verify exclude each other: accuracies come from running the models")
    sampling = Sampling(inputs=inputs, evaluation=evaluation, count=random, seed=seed)
    is_onnx = format_of(model).suffix == ".onnx"
    lowering = is_onnx and (to_c is not None or (output is not None and output.suffix.lower() == ".tflite"))
    if calibration is not None and not lowering:
        raise UsageError("--calibrate is for an .onnx model that becomes a .tflite one, with -o OUT.tflite or --to-c")
    if is_onnx and not lowering:
        refuse_tflite_options(
            {
                "--optimize": optimize,
                "--target": target,
                "--runtime": None if runtime == BUNDLED else runtime,
                "--max-slowdown": max_slowdown,
                "--flash": flash,
                "--ram": ram,
                "--measure": measure or None,
                "--lut-bits": lut_bits,
                "--act-bits": act_bits,
                "--pool-scope": pool_scope,
                "--lut": lut,
                "--strip": strip or None,
                "--no-memory-plan": no_memory_plan or None,
            }
        )
        from wpconvert.cli import convert_onnx as onnx  # noqa: PLC0415 - ONNX for its models alone
        from wpconvert.formats.onnx.convert import Settings as OnnxSettings  # noqa: PLC0415

        onnx.convert_onnx(
            model,
            OnnxSettings(method, chosen_rules, threshold, pool),
            onnx.Outputs(None if dry_run else place, dump_plan, report, verbose, quiet),
            None if no_verify else sampling,
            engine,
        )
        return
    chosen = engine_named(engine)
    network, samples, beside = None, None, None
    if lowering:
        from wpconvert.cli.lowering import Network  # noqa: PLC0415 - ONNX for its models alone

        network = Network.read(model, calibration)
        data, original = network.lowered.data, network.model
        if not no_verify:
            beside = network.inputs(sampling, calibration)
            samples = network.taken(beside)
    else:
        data, original = read(model)
        if not no_verify:
            samples = sampling.of(TfliteForms(original, original))
    converted = _convert(model, data, original, settings, measure, quiet)
    verification = None
    if samples is not None:
        with progress_bar("verify", 2 * len(samples.samples), quiet) as bar:
            verification = verdict(
                TfliteForms(original, parse(converted.data, as_is=True)), samples, chosen, bar.advance
            )
    report_so_far = converted.report
    if network is not None:
        report_so_far, verification = network.reported(
            report_so_far, verification, converted.data, beside, chosen, quiet
        )
    files: dict[Path, bytes | Path] = {}
    if place is not None and not dry_run:
        files[place] = converted.data
    if to_c is not None and not dry_run:
        files |= emit_c(to_c, converted.data, model.name)
        if report_so_far.attached_after:
            note = f"{to_c.name} leaves out the {report_so_far.attached_after:,} bytes behind the model"
            report_so_far = replace(report_so_far, notes=(*report_so_far.notes, note))
    if dump_plan is not None:
        files[dump_plan] = converted.plan.encode()
    written = [*files, *([report] if report is not None else [])]
    result = with_outcome(report_so_far, verification, written, dry_run)
    if report is not None:
        # A path that is no text becomes escapes, which JSON knows too.
        files[report] = conversion_report(report, result).encode("utf-8", "backslashreplace")
    failed = verification is not None and not verification.passed
    if files and not failed:
        write_all(files)
    if not quiet:
        print_conversion(OUT, result, verbose, dry_run)
    if failed:
        raise VerificationError(f"{model}: the rewritten model does not compute the same; nothing was written")


convert.epilog = (  # type: ignore[attr-defined]
    "Examples:\n\n"
    "  wpconvert model.tflite -o small.tflite\n\n"
    "  wpconvert model.tflite --target mps2-m4 --optimize speed -o fast.tflite\n\n"
    "  wpconvert model.tflite --target mps2-m3 --flash 65536 --strip -o fits.tflite\n\n"
    "  wpconvert model.tflite --optimize file --max-slowdown inf --strip -o download.tflite\n\n"
    "  wpconvert model.tflite --dry-run\n\n"
    "  wpconvert model.onnx -o small.onnx\n\n"
    "  wpconvert model.onnx -o model.tflite --calibrate samples.npz\n\n"
    "  wpconvert model.tflite -m rle --strip --to-c firmware/model.c\n\n"
    "  wpconvert model.tflite -m pool --pool-size 64 --eval test.npz -o pooled.tflite\n\n"
    "  wpconvert model.tflite --rules rules.yaml --dry-run --dump-plan plan.yaml\n\n"
    f"Without --inputs, {DEFAULT_SAMPLES} random inputs or more verify the result, chosen to exercise the model."
)


def _loaded(rules: Path) -> Rules:
    from wpconvert.model.rules_file import load_rules  # noqa: PLC0415 - pydantic for its files alone

    return load_rules(rules)


def _goal(
    automatic: bool,
    optimize: str | None,
    target: str | None,
    max_slowdown: float | None,
    flash: int | None,
    ram: int | None,
    runtime: str,
) -> Goal | None:
    """What the options ask of the planner; None where nothing is planned or predicted."""
    if optimize is not None and optimize not in OPTIMIZE:
        raise UsageError(f"unknown --optimize {optimize!r}, expected one of {', '.join(OPTIMIZE)}")
    if optimize is not None and not automatic:
        raise UsageError("--optimize is for -m auto, or a rule with method auto")
    if max_slowdown is not None and not max_slowdown > 0:
        raise UsageError(f"--max-slowdown {max_slowdown:g}, expected a positive factor, 1.1 for a tenth slower")
    if runtime not in RUNTIMES:
        raise UsageError(f"unknown --runtime {runtime!r}, expected one of {', '.join(RUNTIMES)}")
    if not automatic and runtime == BUNDLED and (target, max_slowdown, flash, ram) == (None,) * 4:
        return None
    board = board_named(target or DEFAULT_GOAL.target)
    default = BALANCED if automatic else None
    return Goal(board.name, board.core, optimize or default, max_slowdown, flash, ram, runtime)


def _convert(path: Path, data: bytes, model: TfliteModel, settings: Settings, measure: bool, quiet: bool) -> Converted:
    with progress_bar("encode", 1, quiet) as bar:
        heard = (lambda weights: bar.total(len(weights)), lambda _: bar.advance())
        if not measure:
            return convert_bytes(str(path), data, settings, *heard, model=model)
        from wpconvert.job.measured import convert_measured  # noqa: PLC0415 - it brings the benchmark with it

        return convert_measured(str(path), data, settings, settings.planned or DEFAULT_GOAL, *heard)
