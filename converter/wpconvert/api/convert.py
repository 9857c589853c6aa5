"""Converting a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wpconvert.api.paths import PathLike, optional_path
from wpconvert.api.results import ConvertedModel
from wpconvert.api.stored import Files, Model, Samples, is_path
from wpconvert.errors import UsageError, VerificationError
from wpconvert.job.file import convert_file
from wpconvert.job.outputs import Outputs
from wpconvert.job.progress import Stages, silent
from wpconvert.job.request import Request


def convert(
    model: Model,
    *,
    method: str = "auto",
    rules: PathLike | None = None,
    threshold: float = 0.0,
    strip: bool = False,
    optimize: str | None = None,
    target: str | None = None,
    runtime: str = "bundled",
    max_slowdown: float | None = None,
    flash: int | None = None,
    ram: int | None = None,
    measure: bool = False,
    memory_plan: bool = True,
    calibration: Samples | None = None,
    output: PathLike | None = None,
    in_place: bool = False,
    emit: Mapping[str, PathLike] | None = None,
    plan: PathLike | None = None,
    report: PathLike | None = None,
    dry_run: bool = False,
    verified: bool = True,
    inputs: Samples | None = None,
    evaluation: Samples | None = None,
    random: int | None = None,
    seed: int = 0,
    engine: str | None = None,
    progress: Stages = silent,
    **options: int | str,
) -> ConvertedModel:
    """Rewrite a model: find its weights, compress them, verify the result, write it.

    model: path or bytes. Parameters are those of the command (docs/USING.md): method, a name that `wpconvert methods`
    lists; rules, a YAML file of methods by tensor; threshold, the least share of zeros, 0 to 1, to rewrite a tensor;
    flash and ram in bytes; max_slowdown, a factor; calibration, samples that a float .onnx model is quantised with
    before it is lowered. options: those of a method, as `pool_size` of method "pool".

    output, in_place: where the model goes, as in `-o` and `--in-place`. emit: what else it becomes, as {"c": "model.c"}
    for `--to-c model.c`. The result's `data` has the bytes of the model, but for dry_run. plan, report: files, as in
    `--dump-plan` and `--report`.

    With `verified` both models run on `inputs` or `evaluation`, which also has an array `labels`: arrays by the names
    of the model's inputs, samples first, or paths of .npz files with them. Without these they run on `random` samples
    of `seed`. Nothing is written unless the outputs are what the method promises. engine: what runs the models.
    progress: called with the title of a stage and its number of steps; gives a context whose value has `advance()` and
    `total(steps)`.

    Raises UsageError for options that are wrong or contradict each other, ModelError, UnsupportedError, FileError,
    BudgetError where no plan keeps to flash, ram or max_slowdown, ToolError and DeviceError with `measure`, and
    VerificationError, whose `report` says what was found, where the outputs are not what they should be.
    """
    if not verified and evaluation is not None:
        raise UsageError("evaluation needs a verified conversion: accuracies need a run of the models")
    outputs = Outputs(
        model=optional_path(output),
        in_place=in_place,
        emitted={name: Path(path) for name, path in (emit or {}).items()},
        plan=optional_path(plan),
        report=optional_path(report),
        dry_run=dry_run,
    )
    if in_place and not is_path(model):
        raise UsageError("in_place needs the path of a model, not its bytes")
    with Files() as files:
        file = files.model(model)
        sampling = files.sampling(inputs, evaluation, random, seed)
        request = Request(
            method=method,
            rules=optional_path(rules),
            threshold=threshold,
            strip=strip,
            optimize=optimize,
            target=target,
            runtime=runtime,
            max_slowdown=max_slowdown,
            flash=flash,
            ram=ram,
            measure=measure,
            memory_plan=memory_plan,
            options=options,
            calibration=files.samples(calibration, "calibration"),
        )
        done = convert_file(
            file.path, request, outputs, sampling=sampling if verified else None, engine=engine, stages=progress
        )
    found = replace(done.report, source=file.name)
    if found.failed:
        message = f"{file.name}: the rewritten model computes different results; nothing was written"
        raise VerificationError(message, found)
    written = file.path if in_place else outputs.model
    return ConvertedModel(done.content, None if dry_run else written, found)
