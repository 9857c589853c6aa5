"""Converting a file: read, convert, verify, report, write; nothing is written where the result is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wpconvert.backends.registry import BACKENDS, backend_named
from wpconvert.engines import Engine
from wpconvert.engines.inputs import Inputs, load_samples
from wpconvert.errors import ModelError, UnsupportedError, UsageError
from wpconvert.files import Content, Workspace, as_given, same_file, write_all
from wpconvert.formats.protocol import Comparison, Lowered, Source
from wpconvert.formats.registry import format_of
from wpconvert.job.convert import Converted, convert
from wpconvert.job.outputs import Outputs
from wpconvert.job.progress import Stages, silent
from wpconvert.job.request import Request
from wpconvert.job.sampling import Sampling
from wpconvert.job.verify import compared, verdict
from wpconvert.model.goal import DEFAULT_GOAL
from wpconvert.model.settings import Settings
from wpconvert.report.export import conversion_report
from wpconvert.report.result import Conversion, Verification

_CALIBRATION_SAMPLES = 16
"""How many of the samples that gave the ranges verify the result, where no others are given."""


@dataclass(frozen=True)
class ConvertedFile:
    """What was done, and the bytes of the model where they were to go nowhere and the result is not wrong."""

    report: Conversion
    content: bytes | None


def convert_file(
    path: Path,
    request: Request,
    outputs: Outputs,
    *,
    sampling: Sampling | None = None,
    engine: str | None = None,
    stages: Stages = silent,
) -> ConvertedFile:
    """Rewrite a file of any format, verify the result on samples, and write it where that holds what it promises.

    sampling: None to verify nothing. engine: the name of what runs the models. Where the verification of the report
    failed, nothing was written. Raises what is wrong with options, rules and model as a WpconvertError.
    """
    place = outputs.destination(path)
    request.check_method()
    outputs.check_suffixes()
    of_samples = (None, None) if sampling is None else (sampling.inputs, sampling.evaluation)
    outputs.check_apart(path, place, (request.rules, *of_samples))
    settings = request.settings()
    own = format_of(path)
    lowering = bool(own.lowers_to) and (bool(outputs.emitted) or _is_lowered(own.lowers_to, outputs.model))
    if request.calibration is not None and not lowering:
        others = ", ".join(backend.flag for backend in BACKENDS.values())
        raise UsageError(f"--calibrate needs an .onnx model and a .tflite result, with -o OUT.tflite or {others}")
    if not lowering:
        request.check_format(own)
    elif place is not None and not _is_lowered(own.lowers_to, place):
        flags = " and ".join(backend_named(name).flag for name in outputs.emitted)
        lowered = " or ".join(own.lowers_to)
        raise UsageError(
            f"{flags} of an {own.suffix} model needs a {lowered} result, found {place}; give -o OUT.tflite"
        )
    source = own.read(path)
    if place is not None and not lowering:
        _check_others(source, place, outputs)
    goes = None if outputs.dry_run else place
    with Workspace(None if goes is None else goes.resolve()) as workspace:
        network = source.lower(request.calibration) if lowering else None
        original = source if network is None else network.source
        comparison = compared(original, original)
        chosen = comparison.engine(engine)
        network_samples = None if sampling is None else _samples(sampling, request, comparison, network)
        samples = (
            network_samples if network_samples is None or network is None else network.lowered_samples(network_samples)
        )
        converted = _converted(original, settings, workspace, request.measure, stages)
        report, verification = converted.report, None
        if samples is not None:
            both = compared(original, converted.result.source())
            with stages("verify", 2 * len(samples.samples)) as stage:
                verification = verdict(both, samples, chosen, stage.advance)
        if network is not None:
            report, verification = _beside_network(
                report, verification, network, converted, network_samples, chosen, stages
            )
        files, more = _files(source, path, converted, outputs, goes)
        report = replace(report, notes=(*report.notes, *more))
        written = [*files, *_given(outputs.report)]
        shown = written if goes is None else [as_given(file, goes) for file in written]
        report = _with_outcome(report, verification, shown, outputs.dry_run)
        if outputs.report is not None:
            # A path that is no text becomes escapes, which JSON knows too.
            content = conversion_report(outputs.report, report)
            files[outputs.report] = content.encode("utf-8", "backslashreplace")
        model = _content(converted, path) if outputs.returned and not report.failed else None
        if files and not report.failed:
            write_all(files)
    return ConvertedFile(report, model)


def _content(converted: Converted, path: Path) -> bytes:
    if len(converted.result.files(path)) > 1:
        raise UsageError(f"{path}: the result has data in another file; name an output")
    return converted.data


def _is_lowered(suffixes: Sequence[str], output: Path | None) -> bool:
    return output is not None and output.suffix.lower() in suffixes


def _given(path: Path | None) -> list[Path]:
    return [] if path is None else [path]


def _check_others(source: Source, place: Path, outputs: Outputs) -> None:
    """UsageError for an output that is a file of the input, or of the result beside the model."""
    destination = place.resolve()
    if any(same_file(path, destination) for path in source.files):
        raise UsageError(f"-o {place} contains data of {source.path}; give another file")
    _, *others = source.outputs(destination)
    for named in (outputs.plan, outputs.report):
        if named is not None and any(same_file(named, path) for path in (*others, *source.files)):
            raise UsageError(f"{named} is a data file of the model; give another file")


def _samples(sampling: Sampling, request: Request, comparison: Comparison, network: Lowered | None) -> Inputs:
    """The samples that are asked for, some of those that calibrated a lowered model, or random ones."""
    drawn_for = comparison if network is None else network.inputs()
    if request.calibration is not None and sampling.is_default:
        return _some(load_samples(request.calibration, drawn_for.ports()))
    return sampling.inputs_for(drawn_for)


def _some(inputs: Inputs) -> Inputs:
    """Samples from all over a set, where it has many."""
    total = len(inputs.samples)
    chosen = sorted({int(i) for i in np.linspace(0, total - 1, min(total, _CALIBRATION_SAMPLES))})
    labels = None if inputs.labels is None else inputs.labels[chosen]
    return Inputs([inputs.samples[i] for i in chosen], labels, inputs.notes)


def _converted(source: Source, settings: Settings, workspace: Workspace, measure: bool, stages: Stages) -> Converted:
    with stages("encode", 1) as stage:
        if not measure:
            return convert(
                source,
                settings,
                workspace,
                started=lambda weights: stage.total(len(weights)),
                progress=lambda _: stage.advance(),
            )
        from wpconvert.job.measured import convert_measured  # noqa: PLC0415 - it brings the benchmark with it

        goal = settings.planned or DEFAULT_GOAL
        return convert_measured(
            source,
            settings,
            workspace,
            goal,
            started=lambda weights: stage.total(len(weights)),
            progress=lambda _: stage.advance(),
        )


def _beside_network(
    report: Conversion,
    verification: Verification | None,
    network: Lowered,
    converted: Converted,
    inputs: Inputs | None,
    engine: Engine | None,
    stages: Stages,
) -> tuple[Conversion, Verification | None]:
    """The report on what a lowered model was rewritten to, and its verification, beside the model before."""
    notes = [f"lowered to a .tflite model of {network.source.nbytes:,} bytes"]
    found = None
    if inputs is not None:
        with stages("compare", 2 * len(inputs.samples)) as stage:
            try:
                found = network.compare(converted.result.source(), inputs, engine, stage.advance)
            except (UnsupportedError, ModelError) as error:
                notes.append(f"not compared with the network: {error}")
    if verification is not None and not verification.lossy:
        # What is identical is not the network.
        verification = replace(verification, promise="the outputs of the lowered model")
    return replace(report, notes=(*notes, *report.notes), network=found), verification


def _files(
    source: Source, path: Path, converted: Converted, outputs: Outputs, place: Path | None
) -> tuple[dict[Path, Content], list[str]]:
    """What is to be written but the report, and notes on it."""
    files: dict[Path, Content] = {}
    notes = []
    if place is not None and (converted.changed or not same_file(place, path)):
        files |= converted.result.files(place)
        if outputs.in_place and source.files:
            left = ", ".join(other.name for other in source.files)
            notes.append(f"{left}: previous data file, no longer used by this model")
    for name, emitted in () if outputs.dry_run else outputs.emitted.items():
        files |= backend_named(name).emit(emitted, converted.result.source().executable(), converted.data, path.name)
        if converted.result.attached_nbytes:
            notes.append(
                f"{emitted.name} does not contain the {converted.result.attached_nbytes:,} bytes after the model"
            )
    if outputs.plan is not None:
        files[outputs.plan] = converted.plan.encode()
    return files, notes


def _with_outcome(
    report: Conversion, verification: Verification | None, written: Sequence[Path], dry_run: bool
) -> Conversion:
    """The report of a conversion with what became of its result."""
    notes = list(report.notes)
    if dry_run:
        notes.append("dry run: the model was not written")
    if verification is None:
        notes.append("not verified (--no-verify)")
    return replace(report, notes=tuple(notes), verification=verification, written=tuple(map(str, written)))
