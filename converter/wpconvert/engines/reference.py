"""The host reference interpreter as an engine: the arithmetic of TFLM, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

from wpconvert.engines.base import Advance, Sample
from wpconvert.reference.interpreter import Interpreter, unsupported
from wpconvert.tflite.model import TfliteModel


class ReferenceEngine:
    """Runs original and rewritten models alike."""

    name = "reference"
    summary = "wpconvert's own interpreter, bit-exact with TensorFlow Lite Micro"

    def unsupported(self, model: TfliteModel) -> list[str]:
        return unsupported(model)

    def run(self, model: TfliteModel, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        interpreter = Interpreter(model)
        outputs = []
        for sample in samples:
            outputs.append(interpreter.run(sample))
            advance()
        return outputs
