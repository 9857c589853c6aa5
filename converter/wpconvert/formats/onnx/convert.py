"""The main job on an `.onnx` file: find, choose, encode, rewrite, and never give back more bytes than came in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wpconvert.codecs.codes import bits_for
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.formats.onnx import metadata
from wpconvert.formats.onnx.compressed import find_compressed, is_rewritten
from wpconvert.formats.onnx.decode import DECODERS, DOMAIN
from wpconvert.formats.onnx.encode import Held
from wpconvert.formats.onnx.file import OnnxModel, read, told_of
from wpconvert.formats.onnx.files import DataFile, Target, write
from wpconvert.formats.onnx.restore import restore
from wpconvert.formats.onnx.rewrite import HeldReplacement, rewrite
from wpconvert.formats.onnx.trials import measure, settle, trials_of
from wpconvert.formats.onnx.validity import invalidity
from wpconvert.formats.onnx.weights import find_weights, key_of
from wpconvert.model.plan import Outcome, Progress, dump_plan, kept
from wpconvert.model.pooling import PoolSettings
from wpconvert.model.reasons import LEFT, file_would_not_shrink, nothing_rewritten
from wpconvert.model.rules import AUTO, Choice, Rules, choose
from wpconvert.model.weight import Stored, Weight
from wpconvert.report.result import Conversion, TensorResult

METHODS = (AUTO, "none", *DECODERS)
"""The methods for `.onnx` files."""


@dataclass(frozen=True)
class Settings:
    """What to do: the method and least sparsity (0 to 1) where no rule says otherwise, and how weights are pooled.

    processes: that encode at once, all cores by default.
    """

    method: str
    rules: Rules
    threshold: float = 0.0
    pool: PoolSettings = field(default_factory=PoolSettings)
    processes: int | None = None


@dataclass(frozen=True)
class Converted:
    """What was done, the resolved plan as a rules file, and whether the model is another than the input."""

    report: Conversion
    plan: str
    changed: bool


def convert(
    source: OnnxModel,
    settings: Settings,
    target: Target,
    started: Callable[[Sequence[Weight]], None] = lambda _: None,
    progress: Progress | None = None,
) -> Converted:
    """Rewrite an `.onnx` model into a target in a folder of its own; with external data where the input has such data.

    `started` gets the weights before encoding starts, `progress` each weight when it is done. Raises FileError,
    ModelError, UnsupportedError, and UsageError for a rule that matches nothing.
    """
    # Before more is in memory: the checker reads the file by itself.
    problem = invalidity(source.path)
    nbytes = source.total_nbytes
    folder = target.model.parent
    with told_of(source.path):
        model, stored, notes = _dense(source.copy(), folder)
    if problem is not None:
        notes.append(f"of the input: {problem}")
    found = [replace(f, weight=replace(f.weight, stored=stored.get(f.weight.key))) for f in find_weights(model)]
    choices = choose([f.weight for f in found], settings.rules, settings.method, settings.threshold)
    _check_methods(choices)
    started([choice.weight for choice in choices])
    trials = trials_of(model, found, choices, settings.pool)
    tell = progress or (lambda _: None)
    trials = measure(trials, folder, settings.processes, lambda trial: tell(trial.found.weight))
    outcomes = settle(model, trials, folder)
    size = _written(model, outcomes, target)
    changed = any(outcome.rewritten for outcome in outcomes)
    if size >= nbytes and changed:
        reason, changed = file_would_not_shrink(size, nbytes), False
        notes.append(f"{reason}; it was left as it is")
        outcomes = [kept(o, reason) if o.rewritten else o for o in outcomes]
    if not changed:
        size = _copied(source, target)
        outcomes = [kept(o, o.reason or LEFT) if o.weight.stored else o for o in outcomes]
    if not any(outcome.rewritten for outcome in outcomes):
        notes += nothing_rewritten(len(outcomes), any(choice.method != "none" for choice in choices))
    results = tuple(_result(outcome) for outcome in outcomes)
    report = Conversion(str(source.path), settings.method, nbytes, size, results, tuple(notes))
    return Converted(report, dump_plan(outcomes), changed)


def _check_methods(choices: Sequence[Choice]) -> None:
    unknown = next((choice for choice in choices if choice.method not in METHODS), None)
    if unknown is not None:
        raise UsageError(f"method {unknown.method} is not for .onnx files, expected one of {', '.join(METHODS)}")
    if any(choice.rule is not None and choice.rule.act_bits is not None for choice in choices):
        raise UsageError("act_bits of rules is for .tflite models")


def _dense(given: OnnxModel, folder: Path) -> tuple[OnnxModel, dict[str, Stored], list[str]]:
    """The dense model, how the input stores its weights by key, and what there is to say of that."""
    if not is_rewritten(given):
        _check_untaken(given)
        return given, {}, []
    provenance = metadata.read(given.proto)
    lossy = {(record.graph, record.name) for record in (provenance.tensors if provenance else ()) if record.lossy}
    stored = {
        key_of(c.number, c.name): Stored(c.method, c.form(given), lossy=(c.number, c.name) in lossy)
        for c in find_compressed(given)
    }
    dense = Target.beside(folder / "restored" / "dense.onnx")
    dense.model.parent.mkdir()
    losses = restore(given, dense)
    by = provenance.tool if provenance else "by an unknown tool"
    return read(dense.model), stored, [f"the input was rewritten before ({by})", *losses]


def _check_untaken(dense: OnnxModel) -> None:
    """UnsupportedError where a dense model has what `rewrite` adds: `restore` would take it away."""
    entries = [*dense.proto.opset_import, *dense.proto.functions]
    if any(entry.domain == DOMAIN for entry in entries) or any(
        e.key == metadata.NAME for e in dense.proto.metadata_props
    ):
        raise UnsupportedError(
            f"it has no compressed weights, but operators or metadata of the name {DOMAIN!r}; remove these first"
        )


def _written(model: OnnxModel, outcomes: Sequence[Outcome], target: Target) -> int:
    """Write the model with these outcomes, in place; returns the bytes of its files."""
    with DataFile(target.data) as data:
        rewrite(model, [o.form for o in outcomes if isinstance(o.form, HeldReplacement)], data)
    write(model.proto, target.model)
    return sum(file.stat().st_size for file in target.files)


def _copied(source: OnnxModel, target: Target) -> int:
    """Write the model as it is; returns the bytes of its files."""
    if source.files.paths:
        return _written(source.copy(), [], target)
    shutil.copyfile(source.path, target.model)
    return source.nbytes


def _result(outcome: Outcome) -> TensorResult:
    weight, form = outcome.weight, outcome.form
    held = form.form if isinstance(form, HeldReplacement) else form
    size = held.pool_size if isinstance(held, Held) else None
    return TensorResult(
        weight.key,
        weight.name,
        weight.operators,
        weight.shape,
        weight.dtype,
        weight.sparsity,
        outcome.method,
        weight.stored_nbytes,
        outcome.nbytes,
        outcome.reason,
        snr_db=weight.snr_db,
        pool_size=size,
        index_bits=None if size is None else bits_for(size),
    )
