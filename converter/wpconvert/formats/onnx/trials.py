"""What is tried on each weight, what it gave, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from wpconvert.formats.onnx.data import Span, extents_of
from wpconvert.formats.onnx.decode import BY_OP_TYPE, DECODERS, Settings
from wpconvert.formats.onnx.encode import EncodedForm, Job, Measured, changed_of, encode_all, encode_as
from wpconvert.formats.onnx.file import OnnxModel
from wpconvert.formats.onnx.rewrite import HeldReplacement, Names, Replacement, function_nbytes, pieces_of
from wpconvert.formats.onnx.tensors import without_data
from wpconvert.formats.onnx.weights import OnnxWeight
from wpconvert.formats.onnx_graphs import GraphScope
from wpconvert.model.changed import Values
from wpconvert.model.layer import PLAIN
from wpconvert.model.plan import Outcome
from wpconvert.model.reasons import METHOD_NONE
from wpconvert.model.rules import AUTO, Choice
from wpconvert.model.weight import Stored, Weight, obstacle_of
from wpconvert.plan.smallest import Alternative, Candidate, Sizes, smallest
from wpconvert.transforms.registry import TRANSFORMS

LOSSLESS = tuple(method for method in DECODERS if method not in TRANSFORMS)
_BASE_NBYTES = 96
"""Least bytes of the metadata entry and of what else any rewritten model has."""


@dataclass(frozen=True)
class Trial:
    """One weight. job: what is tried, measured: what that gave; without a job, reason says why."""

    found: OnnxWeight
    choice: Choice
    job: Job | None
    reason: str | None = None
    measured: Measured | None = None

    @property
    def stored(self) -> EncodedForm | None:
        """How the input has the weight where it was rewritten before."""
        stored = self.found.weight.stored
        return stored.form if stored is not None and isinstance(stored.form, EncodedForm) else None

    @property
    def result(self) -> tuple[GraphScope, Job, Measured] | None:
        """Where the weight is, what was tried, and what that gave; None where nothing was."""
        scope = self.found.place.scope
        if self.job is None or self.measured is None or not isinstance(scope, GraphScope):
            return None
        return scope, self.job, self.measured

    @property
    def weight(self) -> Weight:
        """The weight, with the share of zeros where that was counted."""
        return self.found.weight if self.measured is None else replace(self.found.weight, zeros=self.measured.sparsity)


def trials_of(
    model: OnnxModel,
    found: Sequence[OnnxWeight],
    choices: Sequence[Choice],
    options: Values,
) -> list[Trial]:
    """A trial for each weight, not yet measured."""
    trials = []
    for one, choice in zip(found, choices, strict=True):
        weight, before = one.weight, one.weight.stored
        methods = LOSSLESS if choice.method == AUTO else () if choice.method == "none" else (choice.method,)
        data, reason = one.place.data, obstacle_of(weight)
        if reason is None and not methods and before is None:
            reason = choice.reason or METHOD_NONE
        job = None
        if reason is None and data is not None:
            settings = Settings(one.place.channel_axis, options)
            limit = 0.0 if before is not None else choice.threshold
            job = Job(data, one.place.tensor.data_type, weight.shape, methods, model.opset, limit, settings)
        trials.append(Trial(one, choice, job, reason))
    return trials


def measure(
    trials: Sequence[Trial], spool: Path, processes: int | None, progress: Callable[[Trial], None]
) -> list[Trial]:
    """The trials with what their jobs gave; see `encode_all`."""
    jobs = [trial.job for trial in trials if trial.job is not None]
    results = encode_all(jobs, spool, processes)
    measured = []
    for trial in trials:
        if trial.job is None:
            measured.append(trial)
        else:
            found = _with_stored(next(results), trial.job, trial.found.weight.stored)
            measured.append(replace(trial, measured=found))
        progress(trial)
    return measured


def _with_stored(measured: Measured, job: Job, stored: Stored | None) -> Measured:
    """Among the forms also the one that the input has, unless the same method makes a smaller one."""
    if stored is None or not isinstance(stored.form, EncodedForm):
        return measured
    method, form = stored.method, stored.form
    other = measured.forms.get(method)
    impossible = job.opset < BY_OP_TYPE[form.op_type].since_opset
    if impossible or (other is not None and other.nbytes < form.nbytes):
        return measured
    return replace(measured, forms=measured.forms | {method: form})


def settle(model: OnnxModel, trials: Sequence[Trial], spool: Path) -> list[Outcome]:
    """Choose for each weight the form with which the file has the fewest bytes; a form without data is made again."""
    candidates = [Candidate(t.found.weight, _dense_nbytes(t), _forms(t), _why_none(t)) for t in trials]
    operators = {form.decoder for candidate in candidates for form in candidate.forms.values()}
    decoders = {op_type: function_nbytes(op_type, model.opset) for op_type in operators}
    sizes = Sizes(decoders, _BASE_NBYTES, "node, names and metadata", partial(_shared_nbytes, trials))
    outcomes = []
    for trial, (method, reason) in zip(trials, smallest(candidates, sizes), strict=True):
        if method is None or (result := trial.result) is None:
            outcomes.append(Outcome(trial.weight, PLAIN, reason=reason))
        else:
            form = _replacement(trial, *result, method, spool)
            weight = replace(trial.weight, changed=changed_of(method, form.form))
            outcomes.append(Outcome(weight, method, form, tried=method))
    return outcomes


def _replacement(
    trial: Trial, scope: GraphScope, job: Job, measured: Measured, method: str, spool: Path
) -> HeldReplacement:
    form = measured.forms[method]
    held = form if isinstance(form, EncodedForm) else encode_as(method, job, spool / "again.spool")
    lossy = held.sha256 is not None or trial.found.weight.lossy
    constant = trial.found.place.constant
    return HeldReplacement(scope, constant, method, held, held.sha256 or measured.sha256, lossy)


def _dense_nbytes(trial: Trial) -> int:
    """Bytes of the weight as it is: the message with its data, wherever that is, at a byte for each 8 bits of it."""
    place, nbytes = trial.found.place, trial.found.weight.nbytes
    node, size = place.constant.node, int(place.tensor.ByteSize())
    # Another node takes the place of the one that has it.
    around = 0 if node is None else int(node.ByteSize()) - size
    if place.is_external:
        return around + size + nbytes
    if not place.tensor.HasField("raw_data"):
        # Numbers in a typed field may take more, which is not what a method saves.
        size = min(size, int(without_data(place.tensor).ByteSize()) + nbytes + 6)
    return around + size


def _forms(trial: Trial) -> dict[str, Alternative]:
    """What stands for the weight in each of its forms."""
    if (result := trial.result) is None:
        return {}
    scope, _, measured = result
    forms = {}
    for method, form in measured.forms.items():
        replacement = Replacement(scope, trial.found.place.constant, method, form, "0" * 64, False)
        forms[method] = Alternative(form.nbytes, pieces_of(replacement, Names(())).nbytes, form.op_type)
    return forms


def _shared_nbytes(trials: Sequence[Trial], members: Sequence[int]) -> int:
    """Bytes of data files that these weights share, each time but the first."""
    spans = [data for index in members if isinstance(data := trials[index].found.place.data, Span)]
    return sum(span.nbytes for span in spans) - sum(extent.nbytes for extent in set(extents_of(spans).values()))


def _why_none(trial: Trial) -> str:
    """Why a weight has no other form."""
    if trial.measured is None:
        return trial.reason or ""
    return next(iter(trial.measured.reasons.values()), METHOD_NONE)
