"""Compare an original with a rewritten model: weights by restoring, outputs by running both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines import ENGINES, Engine, Sample
from wpconvert.engines.base import Advance
from wpconvert.engines.inputs import Inputs
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.report.result import OutputComparison, Verification
from wpconvert.tflite.arithmetic import rounding_shift_right
from wpconvert.tflite.file import parse, serialise
from wpconvert.tflite.loss import loss_of
from wpconvert.tflite.model import TfliteModel, shape_of, text
from wpconvert.tflite.restore import restore
from wpconvert.tflite.weights import BIAS_INPUT

LOSSLESS = "identical outputs"
OF_DENSE = "the outputs of the dense model of its weights"
OF_FEW_BITS = "weights and tables that agree; outputs of fewer bits have no dense model to be compared with"


def verify_models(
    original: TfliteModel,
    rewritten: TfliteModel,
    inputs: Inputs,
    engine: Engine,
    advance: Advance = lambda: None,
) -> Verification:
    """Run both models on the same samples and compare every output bit by bit.

    Where the engine lacks an operator, LiteRT runs the original and the restored model instead, and a note says so.
    The verdict needs equal weights and equal bits. Of a lossy model, the weights that were not pooled have to be equal,
    and the outputs to be those of its own dense model, unless it computes with fewer bits than any dense one. `advance`
    is called twice a sample. Raises UsageError when the models have different inputs or outputs, UnsupportedError when
    nothing runs them.
    """
    check_interfaces(original, rewritten)
    dense = _restored(rewritten)
    loss = loss_of(rewritten)
    source = _restored(original)
    weights_equal = _weights_equal(source, dense, loss.places, loss.units)
    notes = list(inputs.notes)
    problems = engine.unsupported(original) + engine.unsupported(rewritten)
    used = engine
    if problems and loss.reduced:
        raise UnsupportedError(
            f"the {engine.name} engine cannot run this model: {problems[0]}; a model of fewer bits "
            "needs one that can, such as reference"
        )
    if problems:
        used = ENGINES["litert"]
        notes.append(f"the {engine.name} engine cannot run this model: {problems[0]}")
        notes.append("compared instead: the original and the restored model in LiteRT, and all weights")
    if not inputs.samples:
        raise UsageError("no samples to compare")
    before = used.run(original, inputs.samples, advance)
    after = used.run(rewritten, inputs.samples, advance)
    graph = original.root.subgraphs[0]
    outputs = tuple(
        compare_output(text(graph.tensors[index].name), i, before, after, inputs.labels)
        for i, index in enumerate(graph.outputs)
    )
    # A lossy file beside itself, or one whose original was as lossy, has lost nothing.
    same = all(output.equal for output in outputs) and _weights_equal(source, dense, (), {})
    lossy = loss.lossy and not (same and loss_of(original).reduced >= loss.reduced)
    kept = outputs
    if lossy and not loss.reduced:
        own = used.run(dense, inputs.samples, lambda: None)
        kept = tuple(compare_output(output.name, i, own, after, None) for i, output in enumerate(outputs))
        notes += [
            f"{output.name or 'output'}: {output.different:,} values are not those of the model's own dense form"
            for output in kept
            if not output.equal
        ]
    passed = weights_equal and ((lossy and loss.reduced) or all(output.equal for output in kept))
    promise = LOSSLESS if not lossy else OF_FEW_BITS if loss.reduced else OF_DENSE
    count = len(inputs.samples)
    return Verification(passed, promise, used.name, count, weights_equal, outputs, tuple(notes), lossy)


def _restored(model: TfliteModel) -> TfliteModel:
    """The dense model, a copy."""
    copy = parse(serialise(model))
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


def _weights_equal(
    original: TfliteModel,
    rewritten: TfliteModel,
    lossy: Collection[tuple[int, int]],
    units: Mapping[tuple[int, int], int],
) -> bool:
    """Whether every constant that an operator reads is the same in two dense models, but of those that are lossy.

    Biases of operators that have a unit, a power of two by its logarithm, need to be the same in that unit.
    """
    dense = (original, rewritten)
    if len(dense[0].root.subgraphs) != len(dense[1].root.subgraphs):
        return False
    for s, graphs in enumerate(zip(dense[0].root.subgraphs, dense[1].root.subgraphs, strict=True)):
        operators = [graph.operators or [] for graph in graphs]
        if len(operators[0]) != len(operators[1]):
            return False
        for index, pair in enumerate(zip(*operators, strict=True)):
            before, after = (
                _constants(model, graph, operator) for model, graph, operator in zip(dense, graphs, pair, strict=True)
            )
            same = (s, index) in lossy or _same(before, after, units.get((s, index), 0))
            if not same or dense[0].operator_name(pair[0]) != dense[1].operator_name(pair[1]):
                return False
    return True


def _constants(model: TfliteModel, graph: Any, operator: Any) -> list[NDArray[np.uint8] | None]:
    inputs = [int(index) for index in operator.inputs]
    # A trailing −1 is an absent input, the same as none.
    while inputs and inputs[-1] < 0:
        inputs.pop()
    return [None if index < 0 else model.buffer(graph.tensors[index]) for index in inputs]


def _same(first: Sequence[NDArray[np.uint8] | None], second: Sequence[NDArray[np.uint8] | None], unit: int) -> bool:
    if len(first) != len(second):
        return False
    for position, (a, b) in enumerate(zip(first, second, strict=True)):
        if a is None or b is None:
            if a is not b:
                return False
        elif unit and position == BIAS_INPUT and a.size == b.size:
            x, y = (rounding_shift_right(each.view(np.int32).astype(np.int64), unit) for each in (a, b))
            if not np.array_equal(x, y):
                return False
        elif not np.array_equal(a, b):
            return False
    return True


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
    snr = None if count == 0 else float(10 * np.log10(max(signal, 1e-300) / max(noise, 1e-300)))
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
