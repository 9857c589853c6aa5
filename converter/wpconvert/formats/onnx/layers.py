"""Where a lowered model leaves its `.onnx` model: what its operators compute beside the network's inner tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from wpconvert.engines import Sample
from wpconvert.engines.base import Place, TracingEngine
from wpconvert.engines.coverage import places_of
from wpconvert.files import staging
from wpconvert.formats.onnx.file import OnnxModel
from wpconvert.formats.onnx.files import write
from wpconvert.formats.onnx.forms import run_file
from wpconvert.formats.onnx.lowered import loaded
from wpconvert.formats.onnx.steps import Steps, in_steps, steps_of
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.lowering import Lowered, Mapping

NONE_OFF = "no layer differs by more than one step"


@dataclass(frozen=True)
class _Layer:
    """What an operator computes: the network's tensor, in which steps, and whether it holds them or real numbers."""

    mapping: Mapping
    steps: Steps
    is_real: bool

    def errors(self, ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[np.int16]:
        """How many steps each value is off; none where the network's tensor has another size than was lowered."""
        if theirs.size != ours.size:
            return np.zeros(0, np.int16)
        moved = theirs.reshape(self.mapping.shape).transpose(self.mapping.perm)
        expected = in_steps(moved, "float32" if self.is_real else theirs.dtype.name, self.steps).reshape(-1)
        return np.asarray(np.abs(ours.reshape(-1).astype(np.int16) - expected))


def first_off(
    source: OnnxModel,
    lowered: Lowered,
    models: tuple[TfliteModel, TfliteModel],
    samples: tuple[Sequence[Sample], Sequence[Sample]],
    engine: TracingEngine,
) -> str:
    """The first operator of a lowered model with values more than a step from the network's, in a line.

    models: the lowered model, and it or what it was rewritten to, which is run. samples: as the `.onnx` model takes
    them, and as the lowered one does. Raises UnsupportedError where ONNX Runtime does not run the model.
    """
    proto = loaded(source)
    graph = models[0].root.subgraphs[0]
    named = {name for node in proto.graph.node for name in node.output}
    found: dict[Place, _Layer] = {}
    for place, tensor in places_of(models[0]).items():
        for is_real, mappings in ((False, lowered.integers), (True, lowered.reals)):
            if place not in found and tensor in mappings and mappings[tensor].name in named:
                found[place] = _Layer(mappings[tensor], steps_of(graph.tensors[tensor]), is_real)
    theirs = _network_values(proto, [layer.mapping.name for layer in found.values()], samples[0])
    ours = [trace.inner for trace in engine.traces(models[1], samples[1])]
    for number, (place, layer) in enumerate(found.items()):
        errors = np.concatenate(
            [layer.errors(inner[place], values[number]) for inner, values in zip(ours, theirs, strict=True)]
        )
        if count := int(np.count_nonzero(errors > 1)):
            operator = models[0].operator_name(graph.operators[place[0]])
            return (
                f"first difference of more than one step: {layer.mapping.name} (operator {place[0]}, {operator}), "
                f"{count:,} of {errors.size:,} values, by up to {int(errors.max())}"
            )
    return NONE_OFF


def _network_values(proto: onnx.ModelProto, names: Sequence[str], samples: Sequence[Sample]) -> list[Sample]:
    """Values of these tensors in each sample. They become the model's outputs, which nothing else needs then."""
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    with staging(None) as folder:
        model = folder / "layers.onnx"
        write(proto, model)
        return run_file(model, samples, lambda: None)
