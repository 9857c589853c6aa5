"""The host reference interpreter as an engine: the arithmetic of TFLM, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wpconvert.engines.base import Advance, Sample, Trace
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.reference.interpreter import Interpreter, unsupported


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

    def traces(self, model: TfliteModel, samples: Iterable[Sample]) -> Iterator[Trace]:
        interpreter = Interpreter(model)
        graph = model.root.subgraphs[0]
        for sample in samples:
            values = interpreter.run_all(sample)
            inner = {
                (index, position): values[int(tensor)]
                for index, operator in enumerate(graph.operators)
                for position, tensor in enumerate(operator.outputs)
            }
            yield Trace([values[int(tensor)] for tensor in graph.outputs], inner)
