"""The device's own runtime and kernels, compiled for the host, as an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from wpconvert.engines.base import Advance, Trace
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample
from wpconvert.native import extension


class NativeEngine:
    """Runs original and rewritten models alike, with the very code that ships to the device."""

    name = "native"

    def unsupported(self, model: Executable) -> list[str]:
        native = extension()
        known = set(native.operators())
        names = ((operator.index, operator.kind) for operator in model.graph.main.operators)
        # The runtime stops at the first one, and knows of builtin operators that it lacks their numbers only.
        missing = [f"operator {i} ({name}): the runtime has no such operator" for i, name in names if name not in known]
        if missing:
            return missing
        try:
            native.Interpreter(model.content())
        except native.Error as error:
            return [str(error)]
        return []

    def run(self, model: Executable, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        outputs = []
        with _errors_translated():
            interpreter = extension().Interpreter(model.content())
            for sample in samples:
                outputs.append(interpreter.run(sample))
                advance()
        return outputs

    def traces(self, model: Executable, samples: Iterable[Sample]) -> Iterator[Trace]:
        with _errors_translated():
            interpreter = extension().Interpreter(model.content())
        for sample in samples:
            with _errors_translated():
                outputs, results = interpreter.trace(sample)
            yield Trace(outputs, {(operator, position): value for operator, position, value in results})


@contextmanager
def _errors_translated() -> Iterator[None]:
    """The runtime's errors as ours."""
    native = extension()
    try:
        yield
    except native.Error as error:
        raise UnsupportedError(str(error)) from error
    except ValueError as error:
        raise UsageError(str(error)) from error
