"""`wpconvert MODEL.onnx -o OUT.tflite`: the lowered model, samples for it, and how it compares with the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wpconvert.cli.console import progress_bar
from wpconvert.engines import Engine
from wpconvert.engines.base import Sample
from wpconvert.engines.choice import exact_engine
from wpconvert.engines.inputs import Inputs, load_samples
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.onnx.file import OnnxModel, read
from wpconvert.formats.onnx.layers import first_off
from wpconvert.formats.onnx.lowered import lowered
from wpconvert.formats.onnx.mixed import OnnxLowering, samples_for, verify_mixed
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.job.sampling import Sampling
from wpconvert.lower import Lowered
from wpconvert.report.result import Conversion, Verification

_CALIBRATION_SAMPLES = 16
"""How many of the samples that gave the ranges verify the result, where no others are given."""


@dataclass(frozen=True)
class Network:
    """An `.onnx` model and the one that it was lowered to."""

    source: OnnxModel
    lowered: Lowered
    model: TfliteModel

    @classmethod
    def read(cls, path: Path, calibration: Path | None) -> Network:
        """Lower a file; raises what `lowered` raises."""
        source = read(path)
        found = lowered(source, calibration)
        return cls(source, found, parse(found.data))

    def inputs(self, sampling: Sampling, calibration: Path | None) -> Inputs:
        """Samples as the network takes them: those that are asked for, some of `calibration`, or random ones."""
        comparison = OnnxLowering(self.source, self.model)
        if calibration is not None and sampling.is_default:
            return _some(load_samples(calibration, comparison.ports()))
        return sampling.of(comparison)

    def taken(self, inputs: Inputs) -> Inputs:
        """The same samples as the lowered model takes them."""
        return replace(inputs, samples=samples_for(self.model, inputs.samples))

    def reported(
        self,
        report: Conversion,
        verification: Verification | None,
        data: bytes,
        inputs: Inputs | None,
        engine: Engine | None,
        quiet: bool,
    ) -> tuple[Conversion, Verification | None]:
        """The report on what the lowered model was rewritten to, `data`, and its verification, beside the network."""
        notes = [f"lowered to a .tflite model of {len(self.lowered.data):,} bytes"]
        compared = None if inputs is None else self._compared(data, inputs, engine, quiet)
        if isinstance(compared, str):
            notes.append(f"not compared with the network: {compared}")
            compared = None
        if verification is not None and not verification.lossy:
            # What is identical is not the network.
            verification = replace(verification, promise="the outputs of the lowered model")
        return replace(report, notes=(*notes, *report.notes), network=compared), verification

    def _compared(self, data: bytes, inputs: Inputs, engine: Engine | None, quiet: bool) -> Verification | str:
        """Run a rewritten form of the lowered model beside the network; or why that cannot be run."""
        rewritten = parse(data)

        def layers(theirs: Sequence[Sample], ours: Sequence[Sample]) -> str:
            tracing = exact_engine(rewritten)
            if tracing is None:
                return "no engine tells what its layers compute"
            try:
                return first_off(self.source, self.lowered, (self.model, rewritten), (theirs, ours), tracing)
            except (UnsupportedError, ModelError) as error:
                return f"layers were not compared: {error}"

        with progress_bar("compare", 2 * len(inputs.samples), quiet) as bar:
            try:
                return verify_mixed(self.source.path, rewritten, inputs, engine, bar.advance, layers)
            except (UnsupportedError, ModelError) as error:
                return str(error)


def _some(inputs: Inputs) -> Inputs:
    """Samples from all over a set, where it has many."""
    total = len(inputs.samples)
    chosen = sorted({int(i) for i in np.linspace(0, total - 1, min(total, _CALIBRATION_SAMPLES))})
    labels = None if inputs.labels is None else inputs.labels[chosen]
    return Inputs([inputs.samples[i] for i in chosen], labels, inputs.notes)
