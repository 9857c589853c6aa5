"""The main job on a `.tflite` file: find, choose, encode, rewrite, and never give back more bytes than came in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wpconvert.memory.offline import memory_plan
from wpconvert.model.plan import Outcome, Progress, dump_plan, encode_all, kept
from wpconvert.model.rules import Rules, choose
from wpconvert.model.weight import Stored, Weight
from wpconvert.report.result import Conversion, TensorResult
from wpconvert.tflite import metadata
from wpconvert.tflite.compressed import read_compressed
from wpconvert.tflite.file import parse, serialise
from wpconvert.tflite.model import TfliteModel
from wpconvert.tflite.operators import BUILTIN_NAMES
from wpconvert.tflite.restore import restore
from wpconvert.tflite.rewrite import rewrite
from wpconvert.tflite.weights import WEIGHT_INPUT, find_weights, key_of


@dataclass(frozen=True)
class Settings:
    """What to do: the method and least sparsity (0 to 1) where no rule says otherwise, and whether to strip."""

    method: str
    rules: Rules
    threshold: float = 0.0
    strip: bool = False


@dataclass(frozen=True)
class Converted:
    """The new file's bytes, what was done, and the resolved plan as a rules file."""

    data: bytes
    report: Conversion
    plan: str


def convert(
    source: str,
    data: bytes,
    settings: Settings,
    started: Callable[[Sequence[Weight]], None] = lambda _: None,
    progress: Progress | None = None,
) -> Converted:
    """Rewrite the bytes of a `.tflite` file. `source` names it in the report.

    `started` gets the weights before encoding starts, `progress` each weight when it is done. Raises ModelError,
    UnsupportedError, and UsageError for a rule that matches nothing.
    """
    model = parse(data)
    notes = []
    provenance = metadata.read(model)
    stored = _stored(model)
    if stored:
        notes.append(f"the input was rewritten before ({provenance.tool if provenance else 'by an unknown tool'})")
        notes += restore(model, same_outputs=True)
    weights = [replace(w, stored=stored.get(w.key)) for w in find_weights(model, settings.strip)]
    choices = choose(weights, settings.rules, settings.method, settings.threshold)
    started(weights)
    outcomes = encode_all(choices, progress)
    plan = dump_plan(outcomes)
    result = data
    asked = any(choice.method != "none" for choice in choices)
    # A plain model is written anew also where no tensor is rewritten: aligned, and with equal vectors only once.
    if settings.strip or not stored or (asked and any(outcome.blob is not None for outcome in outcomes)):
        result, outcomes = _smallest(model, data, outcomes, settings, notes)
    changed = result is not data
    if not changed:
        outcomes = [kept(o, o.reason or "the file was left as it is") if o.weight.stored else o for o in outcomes]
    if changed and settings.strip and any(outcome.blob is not None for outcome in outcomes):
        notes.append(
            "stripped: `restore` will not give back names, ranges and the original scales of rewritten tensors"
        )
    if not any(outcome.blob is not None for outcome in outcomes):
        notes += _notes_of_nothing(outcomes, asked, changed, settings.strip)
    report = Conversion(
        source, settings.method, len(data), len(result), tuple(_result(o) for o in outcomes), tuple(notes)
    )
    return Converted(result, report, plan)


def _stored(model: TfliteModel) -> dict[str, Stored]:
    """The blobs of a model that was rewritten before, by the key of their weight."""
    found = {}
    for s, graph in enumerate(model.root.subgraphs):
        for index, operator in enumerate(graph.operators):
            if model.operator_name(operator) in BUILTIN_NAMES:
                method = read_compressed(model, s, index).codec
                tensor = int(operator.inputs[WEIGHT_INPUT])
                blob = model.buffer(graph.tensors[tensor])
                assert blob is not None
                found[key_of(s, tensor)] = Stored(method, blob)
    return found


def _smallest(
    model: TfliteModel, data: bytes, outcomes: list[Outcome], settings: Settings, notes: list[str]
) -> tuple[bytes, list[Outcome]]:
    """The rewritten file, or the input as it was when the file would not shrink."""
    plan = memory_plan(model)
    rewrite(model, outcomes, settings.strip, plan)
    result = serialise(model)
    if len(result) < len(data):
        if plan is not None:
            notes.append(
                f"arena: with the memory plan that was added, activations take {plan.nbytes:,} bytes; without it "
                f"{plan.stock_nbytes:,} in TFLM, {plan.bundled_nbytes:,} in the bundled runtime"
            )
        return result, outcomes
    if not any(outcome.blob is not None for outcome in outcomes):
        return data, outcomes
    reason = f"the file would not shrink: {len(result):,} bytes, {len(data):,} before"
    notes.append(f"{reason}; it was left as it is")
    return data, [kept(o, reason) if o.blob is not None else o for o in outcomes]


def _notes_of_nothing(outcomes: Sequence[Outcome], asked: bool, shrunk: bool, strip: bool) -> list[str]:
    """What to say when no tensor was rewritten."""
    if not outcomes:
        notes = ["the model has no weights that an operator multiplies with; nothing was rewritten"]
    elif asked:
        notes = ["no tensor was rewritten; the reasons are in the table"]
    else:
        notes = []
    if shrunk:
        dropped = "names and ranges were dropped and " if strip else ""
        notes.append(f"the file is smaller because {dropped}equal vectors are stored once")
    return notes


def _result(outcome: Outcome) -> TensorResult:
    weight = outcome.weight
    return TensorResult(
        weight.key,
        weight.name,
        weight.operators,
        weight.shape,
        weight.dtype,
        weight.sparsity,
        outcome.method,
        weight.nbytes if weight.stored is None else weight.stored.blob.nbytes,
        outcome.nbytes,
        outcome.reason,
    )
