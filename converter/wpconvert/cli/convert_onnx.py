"""`wpconvert MODEL.onnx`: rewrite, verify, report, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wpconvert.cli.common import with_outcome
from wpconvert.cli.console import OUT, progress_bar
from wpconvert.errors import UsageError, VerificationError
from wpconvert.files import same_file, staging, write_all
from wpconvert.formats.onnx.convert import Converted, Settings
from wpconvert.formats.onnx.convert import convert as convert_file
from wpconvert.formats.onnx.file import OnnxModel, read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.forms import OnnxForms
from wpconvert.job.sampling import Sampling
from wpconvert.job.verify import verdict
from wpconvert.report.export import conversion_report
from wpconvert.report.text import print_conversion


@dataclass(frozen=True)
class Outputs:
    """Where results go; `model` is None where none is to be written."""

    model: Path | None
    plan: Path | None
    report: Path | None
    verbose: bool
    quiet: bool


def convert_onnx(
    source: Path, settings: Settings, outputs: Outputs, sampling: Sampling | None, engine: str | None
) -> None:
    """Rewrite a model in a folder beside its destination, verify it there, and put it in its place."""
    model = read(source)
    forms = OnnxForms(model, model)
    forms.engine(engine)
    samples = None if sampling is None else sampling.of(forms)
    data_files = model.files.paths
    target = None if outputs.model is None else _target(source, outputs.model, outputs, data_files)
    with staging(None if target is None else target.model) as folder:
        staged = (target or Target.beside(source)).within(folder)
        converted = _convert(model, settings, staged, outputs.quiet)
        verification = None
        if samples is not None:
            with progress_bar("verify", 2 * len(samples.samples), outputs.quiet) as bar:
                verification = verdict(OnnxForms(model, read(staged.model)), samples, None, bar.advance)
        in_place = target is not None and same_file(target.model, source)
        files: dict[Path, bytes | Path] = {}
        if target is not None and (converted.changed or not in_place):
            files = {target.model.with_name(path.name): path for path in staged.files}
        if outputs.plan is not None:
            files[outputs.plan] = converted.plan.encode()
        report = converted.report
        if in_place and converted.changed and data_files:
            left = ", ".join(path.name for path in data_files)
            report = replace(report, notes=(*report.notes, f"{left}: the data before, which this model needs no more"))
        written = [*files, *([outputs.report] if outputs.report is not None else [])]
        result = with_outcome(report, verification, written, outputs.model is None)
        if outputs.report is not None:
            files[outputs.report] = conversion_report(outputs.report, result).encode("utf-8", "backslashreplace")
        failed = verification is not None and not verification.passed
        if files and not failed:
            write_all(files)
    if not outputs.quiet:
        print_conversion(OUT, result, outputs.verbose)
    if failed:
        raise VerificationError(f"{source}: the rewritten model does not compute the same; nothing was written")


def _target(source: Path, model: Path, outputs: Outputs, data_files: Sequence[Path]) -> Target:
    """The files to write; never one that the input consists of, but the model itself where it is asked for."""
    destination = model.resolve()
    for path in data_files:
        if same_file(path, destination):
            raise UsageError(f"-o {model} has data of {source}; give another file")
    target = Target.beside(destination, data_files)
    for named in (outputs.plan, outputs.report):
        if named is not None and any(same_file(named, path) for path in (target.data, *data_files)):
            raise UsageError(f"{named} is the name of a data file of the model; give another one")
    return target


def _convert(source: OnnxModel, settings: Settings, staged: Target, quiet: bool) -> Converted:
    with progress_bar("encode", 1, quiet) as bar:
        return convert_file(source, settings, staged, lambda weights: bar.total(len(weights)), lambda _: bar.advance())
