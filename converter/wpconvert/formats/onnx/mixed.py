"""An `.onnx` model beside the `.tflite` one that it was lowered to: the same samples for both, and outputs compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines import Engine, Sample
from wpconvert.engines.base import Advance
from wpconvert.engines.choice import engine_named, running_engine
from wpconvert.engines.comparison import compare_output
from wpconvert.engines.exercise import exercising_samples
from wpconvert.engines.inputs import Inputs, Port
from wpconvert.errors import ModelError, UsageError
from wpconvert.formats.onnx.file import OnnxModel
from wpconvert.formats.onnx.forms import run_file
from wpconvert.formats.onnx.ports import ports_of
from wpconvert.formats.onnx.steps import Steps, in_steps, steps_of
from wpconvert.formats.tflite.model import TfliteModel, text
from wpconvert.lowering import Mapping
from wpconvert.lowering.flow import METADATA_NAME
from wpconvert.report.result import Verification

Layers = Callable[[Sequence[Sample], Sequence[Sample]], str]
"""Where two models part, in a line, given samples as each of them takes them."""

IN_STEPS = "ONNX Runtime's outputs, rounded to steps"
TOP1 = "top-1 classes equal those of ONNX Runtime, or tie with them within one step"
_LOOKED_INTO = 4
"""Samples of which every layer is compared."""
_ROUNDING = 2.0**-15
"""By how much of a step two values of up to 255 steps are off, as float32 has them."""


@dataclass(frozen=True)
class OnnxLowering:
    """An `.onnx` model, in its file, and a `.tflite` one that it was lowered to, in any form."""

    original: OnnxModel
    lowered: TfliteModel

    def check(self) -> None:
        """UsageError where the second was not lowered from a model with as many inputs and outputs."""
        mappings_of(self.lowered)

    def engine(self, name: str | None) -> Engine | None:
        """The engine of that name for the lowered model, None for the fastest one that is exact."""
        return engine_named(name)

    def ports(self) -> list[Port]:
        """The inputs of the `.onnx` model."""
        return ports_of(self.original)

    def drawn(self, ports: Sequence[Port], count: int, seed: int) -> Inputs:
        """Random samples that exercise the lowered model."""
        return exercising_inputs(self.lowered, ports, count, seed)

    def verify(self, inputs: Inputs, engine: Engine | None, advance: Advance) -> Verification:
        """See `verify_mixed`."""
        return verify_mixed(self.original.path, self.lowered, inputs, engine, advance)


def mappings_of(model: TfliteModel) -> tuple[tuple[Mapping, ...], tuple[Mapping, ...]]:
    """How inputs and outputs of the `.onnx` model lie in a lowered one.

    UsageError where it was not lowered, ModelError where its metadata is malformed.
    """
    entry = next((e for e in model.root.metadata or [] if text(e.name) == METADATA_NAME), None)
    raw = None if entry is None else model.root.buffers[entry.buffer].data
    if raw is None:
        raise UsageError("the .tflite model was not lowered from an .onnx model; both files must have the same format")
    graph = model.root.subgraphs[0]
    try:
        content = json.loads(np.asarray(raw, np.uint8).tobytes())
        found = []
        for end, tensors in (("inputs", graph.inputs), ("outputs", graph.outputs)):
            mappings = tuple(
                Mapping(str(m["name"]), tuple(map(int, m["shape"])), str(m["dtype"]), tuple(map(int, m["perm"])))
                for m in content[end]
            )
            fitting = all(sorted(m.perm) == list(range(len(m.shape))) for m in mappings)
            if len(mappings) != len(tensors) or not fitting:
                raise ValueError(f"{end} do not fit the model")
            found.append(mappings)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"metadata entry {METADATA_NAME!r} is malformed: {error}") from error
    return found[0], found[1]


def samples_for(model: TfliteModel, samples: Sequence[Sample]) -> list[Sample]:
    """The samples of the `.onnx` model as a lowered one takes them."""
    mappings = mappings_of(model)[0]
    return _in_steps(_moved(samples, mappings), mappings, _steps_of(model, model.root.subgraphs[0].inputs, mappings))


def exercising_inputs(lowered: TfliteModel, ports: Sequence[Port], wanted: int, seed: int) -> Inputs:
    """Random samples of the `.onnx` model that exercise the lowered one, within the range that it can hold."""
    mappings = mappings_of(lowered)[0]
    steps = _steps_of(lowered, lowered.root.subgraphs[0].inputs, mappings)
    spans = [(step.scale * (-128 - step.zero_point), step.scale * (127 - step.zero_point)) for step in steps]
    # How many there have to be is reported where a sample is taken.
    held = [replace(port, span=span) for port, span in zip(ports, spans, strict=False)] if ports else []
    return exercising_samples(lowered, held, wanted, seed, lambda sample: samples_for(lowered, [sample])[0])


def verify_mixed(
    original: Path,
    lowered: TfliteModel,
    inputs: Inputs,
    engine: Engine | None = None,
    advance: Advance = lambda: None,
    layers: Layers | None = None,
) -> Verification:
    """Run an `.onnx` file in ONNX Runtime and the model it was lowered to, and compare outputs in steps of the latter.

    `inputs` are those of the `.onnx` model. Both round differently by design, so equal bits are not asked for: the
    verdict is that the place of the largest value is that of ONNX Runtime, or one where ONNX Runtime's own value is at
    most one step below its largest, a tie; notes count these. Places and accuracies of ONNX Runtime are those of the
    values as it gives them, not of their steps. Where values differ, `layers` tells in a note where that starts, of the
    samples with the largest differences. `advance` is called twice a sample.
    """
    _, mappings = mappings_of(lowered)
    if not inputs.samples:
        raise UsageError("no samples to compare")
    engine = running_engine(engine, lowered)
    before = _moved(run_file(original, inputs.samples, advance), mappings)
    taken = samples_for(lowered, inputs.samples)
    after = engine.run(lowered, taken, advance)
    steps = _steps_of(lowered, lowered.root.subgraphs[0].outputs, mappings)
    wanted = _in_steps(before, mappings, steps)
    outputs, notes, passed = [], list(inputs.notes), True
    for i, mapping in enumerate(mappings):
        output = compare_output(mapping.name, i, wanted, after, None)
        gaps = np.array([_gap(x[i], y[i], steps[i].scale) for x, y in zip(before, after, strict=True)])
        theirs, ours = (np.array([int(sample[i].argmax()) for sample in side]) for side in (before, after))
        other = ours != theirs
        far = other & ~(gaps <= 1 + _ROUNDING)
        passed = passed and not far.any()
        notes += _gap_notes(mapping.name, gaps, other, far)
        accuracy = None
        if inputs.labels is not None:
            accuracy = (float(np.mean(theirs == inputs.labels)), float(np.mean(ours == inputs.labels)))
        outputs.append(replace(output, top1=float(np.mean(~other)), accuracy=accuracy))
    equal = all(output.equal for output in outputs) and not any(output.top1 < 1 for output in outputs)
    if layers is not None and not equal:
        worst = _worst(wanted, after)
        notes.append(layers([inputs.samples[i] for i in worst], [taken[i] for i in worst]))
    promise = IN_STEPS if equal else TOP1
    return Verification(passed, promise, engine.name, len(after), None, tuple(outputs), tuple(notes), lossy=not equal)


def _worst(wanted: Sequence[Sample], found: Sequence[Sample]) -> list[int]:
    """The samples with the largest differences."""
    errors = [
        max(int(np.abs(x.astype(np.int16) - y).max(initial=0)) for x, y in zip(*pair, strict=True))
        for pair in zip(wanted, found, strict=True)
    ]
    return sorted(range(len(errors)), key=lambda i: -errors[i])[:_LOOKED_INTO]


def _gap(before: NDArray[Any], after: NDArray[Any], scale: float) -> float:
    """How far ONNX Runtime's value where the other's is largest is below its own largest, in steps; NaN for NaNs."""
    values = before.reshape(-1).astype(np.float64)
    return float(values.max() - values[after.argmax()]) / scale


def _gap_notes(name: str, gaps: NDArray[np.float64], other: NDArray[np.bool_], far: NDArray[np.bool_]) -> list[str]:
    notes = []
    if tied := int(np.count_nonzero(other & ~far)):
        notes.append(f"{name}: {tied} of {len(gaps)} samples tie: another class within one step")
    if lost := int(np.count_nonzero(far)):
        worst = float(gaps[far].max())
        notes.append(f"{name}: {lost} of {len(gaps)} samples get another class, up to {worst:.3g} steps below")
    return notes


def _steps_of(model: TfliteModel, tensors: Sequence[int], mappings: Sequence[Mapping]) -> list[Steps]:
    return [
        steps_of(model.root.subgraphs[0].tensors[index]) if mapping.dtype == "float32" else Steps()
        for index, mapping in zip(tensors, mappings, strict=True)
    ]


def _moved(samples: Sequence[Sample], mappings: Sequence[Mapping]) -> list[Sample]:
    """Values of the `.onnx` model in the order of the lowered one."""
    results = []
    for sample in samples:
        if len(sample) != len(mappings):
            raise UsageError(f"the .onnx model has {len(sample)} inputs or outputs, the lowered model {len(mappings)}")
        for value, mapping in zip(sample, mappings, strict=True):
            # Real numbers are so in any type.
            if value.shape != mapping.shape or mapping.dtype not in ("float32", value.dtype.name):
                raise UsageError(
                    f"{mapping.name!r} is {value.dtype}{list(value.shape)} in the .onnx model, "
                    f"but the lowered model was made for {mapping.dtype}{list(mapping.shape)}"
                )
        results.append([value.transpose(m.perm) for value, m in zip(sample, mappings, strict=True)])
    return results


def _in_steps(samples: Sequence[Sample], mappings: Sequence[Mapping], steps: Sequence[Steps]) -> list[Sample]:
    """Moved values as the int8 ones of the lowered model."""
    return [
        [in_steps(value, mapping.dtype, step) for value, mapping, step in zip(sample, mappings, steps, strict=True)]
        for sample in samples
    ]
