"""The device's own runtime and kernels, compiled for the host, as an engine."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from wpconvert.engines.base import Advance, Sample
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.tflite.file import serialise
from wpconvert.tflite.model import TfliteModel


class NativeEngine:
    """Runs original and rewritten models alike, with the very code that ships to the device."""

    name = "native"
    summary = "the runtime and kernels that ship to the device, compiled for this machine"

    def unsupported(self, model: TfliteModel) -> list[str]:
        native = extension()
        try:
            native.Interpreter(serialise(model))
        except native.Error as error:
            return [str(error)]
        return []

    def run(self, model: TfliteModel, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        native = extension()
        try:
            interpreter = native.Interpreter(serialise(model))
            outputs = []
            for sample in samples:
                outputs.append(interpreter.run(sample))
                advance()
        except native.Error as error:
            raise UnsupportedError(str(error)) from error
        except ValueError as error:
            raise UsageError(str(error)) from error
        return outputs


def extension() -> ModuleType:
    """The compiled module, imported when it is first needed: everything else works without it."""
    try:
        from wpconvert import _native  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedError(f"the native engine is not built ({error}); pip builds it: pip install -e .") from error
    return _native
