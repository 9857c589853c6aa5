"""An `.onnx` model beside the `.tflite` one that it was lowered to: the same samples for both, and outputs compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines import ONNX_ENGINE, Engine, Sample
from wpconvert.engines.base import Advance
from wpconvert.engines.inputs import Inputs
from wpconvert.errors import ModelError, UnsupportedError, UsageError
from wpconvert.onnx.lower import Mapping
from wpconvert.onnx.lower.flow import METADATA_NAME
from wpconvert.report.result import Verification
from wpconvert.tflite.model import TfliteModel, quantization_of, text
from wpconvert.verification import compare_output

TOP1 = "the largest value of each output is where ONNX Runtime has it"


def mappings_of(model: TfliteModel) -> tuple[tuple[Mapping, ...], tuple[Mapping, ...]]:
    """How inputs and outputs of the `.onnx` model lie in a lowered one.

    UsageError where it was not lowered, ModelError where its metadata is malformed.
    """
    entry = next((e for e in model.root.metadata or [] if text(e.name) == METADATA_NAME), None)
    raw = None if entry is None else model.root.buffers[entry.buffer].data
    if raw is None:
        raise UsageError("the .tflite model was not lowered from an .onnx model; both files have to be of one format")
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
    return _mapped(samples, mappings_of(model)[0], model, model.root.subgraphs[0].inputs)


def verify_mixed(
    original: Path, lowered: TfliteModel, inputs: Inputs, engine: Engine, advance: Advance = lambda: None
) -> Verification:
    """Run an `.onnx` file in ONNX Runtime and the model it was lowered to, and compare outputs in steps of the latter.

    `inputs` are those of the `.onnx` model. Both round differently by design, so equal bits are not asked for: the
    verdict is that the largest value of each output is in the same place. `advance` is called twice a sample.
    """
    _, mappings = mappings_of(lowered)
    problems = engine.unsupported(lowered)
    if problems:
        raise UnsupportedError(f"the {engine.name} engine cannot run this model: {problems[0]}")
    if not inputs.samples:
        raise UsageError("no samples to compare")
    before = ONNX_ENGINE.run(original, inputs.samples, advance)
    after = engine.run(lowered, samples_for(lowered, inputs.samples), advance)
    wanted = _mapped(before, mappings, lowered, lowered.root.subgraphs[0].outputs)
    outputs = tuple(compare_output(m.name, i, wanted, after, inputs.labels) for i, m in enumerate(mappings))
    passed = all(output.top1 == 1.0 for output in outputs)
    return Verification(passed, TOP1, engine.name, len(after), None, outputs, inputs.notes, lossy=True)


def _mapped(
    samples: Sequence[Sample], mappings: Sequence[Mapping], model: TfliteModel, tensors: Sequence[int]
) -> list[Sample]:
    """Values of the `.onnx` model as those of tensors of the lowered one."""
    graph = model.root.subgraphs[0]
    results = []
    for sample in samples:
        if len(sample) != len(mappings):
            raise UsageError(f"the .onnx model has {len(sample)} inputs or outputs, the lowered one {len(mappings)}")
        pairs = zip(sample, mappings, tensors, strict=True)
        results.append([_value(value, mapping, graph.tensors[index]) for value, mapping, index in pairs])
    return results


def _value(value: NDArray[Any], mapping: Mapping, tensor: Any) -> NDArray[Any]:
    if value.shape != mapping.shape or value.dtype != mapping.dtype:
        raise UsageError(
            f"{mapping.name!r} is {value.dtype}{list(value.shape)} in the .onnx model, the lowered one was made for "
            f"{mapping.dtype}{list(mapping.shape)}"
        )
    moved = value.transpose(mapping.perm)
    if mapping.dtype == "float32":
        quantization = quantization_of(tensor)
        if quantization is None:
            raise ModelError(f"tensor {text(tensor.name)!r} has no scale")
        steps = np.rint(moved / np.float32(quantization.scales[0])) + quantization.zero_points[0]
        return np.asarray(np.clip(steps, -128, 127).astype(np.int8))
    if mapping.dtype == "uint8":
        return (moved.astype(np.int16) - 128).astype(np.int8)
    return np.ascontiguousarray(moved)
