"""An `.onnx` model and the `.tflite` one that it was lowered to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wpconvert.engines import Engine
from wpconvert.engines.base import Advance
from wpconvert.engines.choice import exact_engine
from wpconvert.engines.inputs import Inputs
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.onnx.file import OnnxModel
from wpconvert.formats.onnx.layers import first_off
from wpconvert.formats.onnx.lowered import lowered
from wpconvert.formats.onnx.mixed import OnnxLowering, samples_for, verify_mixed
from wpconvert.formats.protocol import Comparison, Source
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.source import TfliteSource
from wpconvert.graph.types import Sample
from wpconvert.lowering import Lowered
from wpconvert.report.result import Verification


@dataclass(frozen=True)
class Network:
    """Both, and how the second was made."""

    original: OnnxModel
    lowered: Lowered
    source: TfliteSource

    @classmethod
    def from_model(cls, original: OnnxModel, calibration: Path | None) -> Network:
        """Lower a model; raises what `lowered` raises."""
        found = lowered(original, calibration)
        return cls(original, found, TfliteSource(original.path, found.data, parse(found.data)))

    def inputs(self) -> Comparison:
        """What samples of the `.onnx` model are drawn for."""
        return OnnxLowering(self.original, self.source.model)

    def lowered_samples(self, inputs: Inputs) -> Inputs:
        """The same samples as the lowered model takes them."""
        return replace(inputs, samples=samples_for(self.source.model, inputs.samples))

    def compare(self, rewritten: Source, inputs: Inputs, engine: Engine | None, advance: Advance) -> Verification:
        """Run a rewritten form of the lowered model beside the network, and say where they part."""
        if not isinstance(rewritten, TfliteSource):
            raise TypeError(f"{rewritten} is not a .tflite model")
        model = rewritten.model

        def layers(theirs: Sequence[Sample], ours: Sequence[Sample]) -> str:
            tracing = exact_engine(model)
            if tracing is None:
                return "no engine gives the results of its layers"
            try:
                return first_off(self.original, self.lowered, (self.source.model, model), (theirs, ours), tracing)
            except (UnsupportedError, ModelError) as error:
                return f"layers were not compared: {error}"

        return verify_mixed(self.original.path, model, inputs, engine, advance, layers)
