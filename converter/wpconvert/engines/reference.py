"""The host reference interpreter as an engine: the arithmetic of TFLM, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wpconvert.engines.base import Advance, Trace
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample
from wpconvert.reference.interpreter import Interpreter, unsupported


class ReferenceEngine:
    """Runs original and rewritten models alike."""

    name = "reference"

    def unsupported(self, model: Executable) -> list[str]:
        return unsupported(model.graph)

    def run(self, model: Executable, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        interpreter = Interpreter(model.graph)
        outputs = []
        for sample in samples:
            outputs.append(interpreter.run(sample))
            advance()
        return outputs

    def traces(self, model: Executable, samples: Iterable[Sample]) -> Iterator[Trace]:
        graph = model.graph
        interpreter = Interpreter(graph)
        for sample in samples:
            values = interpreter.run_all(sample)
            inner = {
                (operator.index, position): values[tensor.index]
                for operator in graph.main.operators
                for position, tensor in enumerate(operator.outputs)
            }
            yield Trace([values[tensor.index] for tensor in graph.main.outputs], inner)
