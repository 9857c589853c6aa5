"""Compare an original with a rewritten model: weights by restoring, outputs and inner tensors by running both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines import Engine, Sample
from wpconvert.engines.base import Advance, Place, TracingEngine
from wpconvert.engines.choice import LAST, candidates, no_engine, problem_of
from wpconvert.engines.coverage import Coverage, places_of, unexercised_outputs
from wpconvert.engines.inputs import Inputs
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.formats.tflite.equality import weights_equal
from wpconvert.formats.tflite.loss import Loss, loss_of
from wpconvert.formats.tflite.model import TfliteModel, shape_of, text
from wpconvert.formats.tflite.restore import is_rewritten, restore
from wpconvert.model.noise import snr_db
from wpconvert.model.reasons import not_of_dense
from wpconvert.report.result import OutputComparison, TensorCoverage, Verification

LOSSLESS = "identical outputs"
OF_DENSE = "the outputs of the dense model of its weights"
OF_FEW_BITS = "weights and tables that agree; outputs of fewer bits have no dense model to be compared with"


def verify_models(
    original: TfliteModel,
    rewritten: TfliteModel,
    inputs: Inputs,
    engine: Engine | None = None,
    advance: Advance = lambda: None,
) -> Verification:
    """Run both models on the same samples and compare every output, and what operators compute, bit by bit.

    Without an engine, the fastest one that is exact runs them. Where the engine cannot, LiteRT runs the original and
    the restored model instead, and a note says so. The verdict needs equal weights and equal bits. Of a lossy model,
    the weights that were not pooled have to be equal, and the values to be those of its own dense model, unless it
    computes with fewer bits than any dense one. `advance` is called twice a sample. Raises UsageError when the models
    have different inputs or outputs, UnsupportedError when nothing runs them.
    """
    check_interfaces(original, rewritten)
    if not inputs.samples:
        raise UsageError("no samples to compare")
    loss = loss_of(rewritten)
    # The dense weights of a large model are in memory only while they are compared.
    same_weights, no_other = _same_weights(original, rewritten, loss)
    tried: list[tuple[Engine, str]] = []
    for used in candidates(engine):
        try:
            runs = _run_both(used, original, rewritten, inputs, advance)
            break
        except UnsupportedError as error:
            tried.append((used, problem_of(used, (original, rewritten)) or str(error)))
    else:
        raise no_engine(tried)
    notes = [*inputs.notes, *(f"the {one.name} engine cannot run this model: {problem}" for one, problem in tried)]
    if tried and used.name == LAST:
        notes.append("compared instead: the original and the restored model in LiteRT, and all weights")
    names = [text(original.root.subgraphs[0].tensors[index].name) for index in original.root.subgraphs[0].outputs]
    outputs = _compared(names, runs, inputs.labels)
    # A lossy file beside itself, or one whose original was as lossy, has lost nothing.
    same = all(output.equal for output in outputs) and no_other
    lossy = loss.lossy and not (same and loss_of(original).reduced >= loss.reduced)
    kept, kept_runs = outputs, runs
    if lossy and not loss.reduced:
        kept_runs = _run_both(used, _restored(rewritten), rewritten, inputs, lambda: None)
        kept = _compared(names, kept_runs, None)
        notes += not_of_dense([(output.name, output.different) for output in kept if not output.equal])
    coverage, unexercised = _coverage(original, runs)
    if not coverage:
        unexercised = unexercised_outputs(names, runs.before)
    promised = not (lossy and loss.reduced)
    if promised:
        notes += _inner_notes(original, kept_runs)
    passed = same_weights and (not promised or (all(output.equal for output in kept) and not kept_runs.different))
    promise = LOSSLESS if not lossy else OF_FEW_BITS if loss.reduced else OF_DENSE
    return Verification(
        passed,
        promise,
        used.name,
        len(inputs.samples),
        same_weights,
        outputs,
        tuple(notes),
        lossy,
        coverage,
        unexercised,
    )


def _same_weights(original: TfliteModel, rewritten: TfliteModel, loss: Loss) -> tuple[bool, bool]:
    """Whether the weights that are not lossy are equal, and whether all are."""
    source, dense = _restored(original), _restored(rewritten)
    return weights_equal(source, dense, loss.places, loss.units), weights_equal(source, dense, (), {})


@dataclass
class _Runs:
    """Both models' outputs, what the samples exercise of the first, and how many inner values differ, where any do."""

    before: list[Sample] = field(default_factory=list)
    after: list[Sample] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    compared: set[Place] = field(default_factory=set)
    different: dict[Place, int] = field(default_factory=dict)

    def compare(self, first: Mapping[Place, NDArray[Any]], second: Mapping[Place, NDArray[Any]]) -> None:
        """Add the inner values of one sample."""
        for place, values in first.items():
            other = second.get(place)
            if other is not None and (other.dtype, other.shape) == (values.dtype, values.shape):
                self.compared.add(place)
                count = int(np.count_nonzero(_bits(values) != _bits(other)))
                if count:
                    self.different[place] = self.different.get(place, 0) + count


def _run_both(engine: Engine, first: TfliteModel, second: TfliteModel, inputs: Inputs, advance: Advance) -> _Runs:
    runs, samples, known = _Runs(), inputs.samples, inputs.known
    if not isinstance(engine, TracingEngine):
        runs.before = engine.run(first, samples, advance)
        runs.after = engine.run(second, samples, advance)
        return runs
    is_known = known is not None and known.model is first and known.engine == engine.name
    traces = known.traces if known is not None and is_known else engine.traces(first, samples)
    for before, after in zip(traces, engine.traces(second, samples), strict=True):
        runs.before.append(before.outputs)
        runs.after.append(after.outputs)
        runs.coverage = runs.coverage.with_sample(before.inner)
        runs.compare(before.inner, after.inner)
        advance()
        advance()
    return runs


def _compared(names: Sequence[str], runs: _Runs, labels: NDArray[np.int64] | None) -> tuple[OutputComparison, ...]:
    return tuple(compare_output(name, i, runs.before, runs.after, labels) for i, name in enumerate(names))


def _coverage(model: TfliteModel, runs: _Runs) -> tuple[tuple[TensorCoverage, ...], tuple[str, ...]]:
    """What the samples exercise of each tensor, and the names of those of which they exercise nothing."""
    graph = model.root.subgraphs[0]
    found, nothing = [], []
    for place, index in places_of(model).items():
        exercised = runs.coverage.exercised(place)
        if exercised.size:
            name, operator = text(graph.tensors[index].name), model.operator_name(graph.operators[place[0]])
            different = runs.different.get(place, 0) if place in runs.compared else None
            found.append(TensorCoverage(f"0:{index}", name, operator, exercised.size, int(exercised.sum()), different))
            if not exercised.any():
                nothing.append(f"{name or f'tensor {index}'} ({operator})")
    return tuple(found), tuple(nothing)


def _inner_notes(model: TfliteModel, runs: _Runs) -> list[str]:
    """Where inner values start to differ."""
    if not runs.different:
        return []
    index, position = min(runs.different)
    graph = model.root.subgraphs[0]
    operator = graph.operators[index]
    name = text(graph.tensors[operator.outputs[position]].name)
    return [
        f"values differ first in {name or 'the output'} of operator {index} ({model.operator_name(operator)}): "
        f"{runs.different[index, position]:,} of them"
    ]


def _restored(model: TfliteModel) -> TfliteModel:
    """The dense model, a copy where it is not the model itself."""
    if not is_rewritten(model):
        return model
    copy = model.copy()
    restore(copy)
    return copy


def check_interfaces(original: TfliteModel, rewritten: TfliteModel) -> None:
    """UsageError unless both models have inputs and outputs of the same shapes and types; names may differ."""
    graphs = (original.root.subgraphs[0], rewritten.root.subgraphs[0])
    for ends in ("inputs", "outputs"):
        sides = []
        for graph in graphs:
            tensors = [graph.tensors[index] for index in getattr(graph, ends)]
            sides.append([(shape_of(tensor), int(tensor.type)) for tensor in tensors])
        if sides[0] != sides[1]:
            shapes = [[list(shape) for shape, _ in side] for side in sides]
            raise UsageError(
                f"the models have different {ends}: {shapes[0]} and {shapes[1]}; they are not two forms of one model"
            )


def compare_output(
    name: str, index: int, before: Sequence[Sample], after: Sequence[Sample], labels: NDArray[np.int64] | None
) -> OutputComparison:
    """Compare output `index` of all samples bit by bit; `labels` adds the accuracy of both sides."""
    pairs = [(x[index], y[index]) for x, y in zip(before, after, strict=True)]
    if any((x.dtype, x.shape) != (y.dtype, y.shape) for x, y in pairs):
        size = sum(x.size for x, _ in pairs)
        return OutputComparison(name, str(pairs[0][0].dtype), False, size, size, float("inf"), None, 0.0, None)
    # An output's size may depend on its values, then samples differ.
    a, b = (np.concatenate([pair[side].reshape(-1) for pair in pairs]) for side in (0, 1))
    # Bits, not values: −0.0 and 0.0 differ, and equal NaNs are equal.
    apart = _bits(a) != _bits(b)
    count = int(np.count_nonzero(apart))
    # Infinities and NaNs have no distance; what comes out then is NaN.
    with np.errstate(all="ignore"):
        x, y = a.astype(np.float64), b.astype(np.float64)
        error = np.abs(x - y)[apart]
        signal, noise = float(np.square(x).sum()), float(np.square(error).sum())
    snr = None if count == 0 else snr_db(signal, noise)
    classes = [np.array([_top(pair[side]) for pair in pairs]) for side in (0, 1)]
    accuracy = None
    if labels is not None:
        accuracy = (float(np.mean(classes[0] == labels)), float(np.mean(classes[1] == labels)))
    return OutputComparison(
        name,
        str(a.dtype),
        count == 0,
        a.size,
        count,
        float(error.max()) if error.size else 0.0,
        snr,
        float(np.mean(classes[0] == classes[1])),
        accuracy,
    )


def _top(values: NDArray[Any]) -> int:
    """The class that an output means: the place of its largest value, or the number of the class itself."""
    if values.size == 1 and values.dtype.kind in "iu" and values.itemsize >= 4:
        return int(values.item())
    return int(values.argmax()) if values.size else -1


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    return values.view(f"u{values.dtype.itemsize}")
